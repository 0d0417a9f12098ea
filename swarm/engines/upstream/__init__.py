"""Any OpenAI-compatible server as an engine: how a swarm stands on what serves more than a machine.

A server that tells its chat template (llama-server) reads prompts that we rendered, as an engine
here would. Every other gets the conversation itself and applies its own template: see `server.py`.
"""
