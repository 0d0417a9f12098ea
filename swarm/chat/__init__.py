"""Between messages and text: chat templates and tool calls."""
