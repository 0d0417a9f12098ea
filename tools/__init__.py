"""What a model may do on a machine: tools, their workspace and sandbox, the tool server."""
