"""What a person reads at start: where the endpoint is and how clients connect. Pure text."""

import json

from federation.firewall import MDNS_PORT, firewall_lines

SMALL_MODEL_NOTE = (
    "swarm-nano is the small bundled model: it shows that everything works, not what a model\n"
    "  can do. A real one is one flag away:  python main.py --auto --model FILE.gguf"
)


def endpoint_lines(base_url: str, model_id: str, reason: str) -> str:
    """The first part: what is served and where."""
    open_to = "open to this machine only"
    return f"  model      {model_id}: {reason}\n  endpoint   {base_url} ({open_to})"


def peer_lines(platform: str, peer_port: int) -> str:
    """How the next machine becomes one with this one."""
    opened = firewall_lines(platform, peer_port)
    return "\n".join(
        (
            "  peers      next machine: python main.py --auto, then type what one of them shows",
            f"             TCP {peer_port} and UDP {MDNS_PORT} must come through a firewall:",
            *(f"               {line}" for line in opened),
        )
    )


def connect_lines(base_url: str, context_tokens: int) -> str:
    """The second part, when the model is loaded: a line to copy for every client."""
    ask = json.dumps({"model": "swarm", "messages": [{"role": "user", "content": "Who are you?"}]})
    return f"""\
  curl       curl {base_url}/chat/completions -H 'Content-Type: application/json' \\
               -d '{ask}'
  OpenAI SDK OpenAI(base_url="{base_url}", api_key="none"), model "swarm"
  OpenCode   this in opencode.json of your project:
             {json.dumps(opencode_configuration(base_url, context_tokens))}"""


def opencode_configuration(base_url: str, context_tokens: int) -> dict[str, object]:
    """OpenCode's configuration for this endpoint.

    The output limit is a quarter of the context: OpenCode compacts when the rest is full.
    """
    limit = {"context": context_tokens, "output": context_tokens // 4}
    return {
        "$schema": "https://opencode.ai/config.json",
        "model": "swarm/swarm",
        "small_model": "swarm/swarm-fast",
        "provider": {
            "swarm": {
                "npm": "@ai-sdk/openai-compatible",
                "options": {"baseURL": base_url, "apiKey": "none"},
                "models": {"swarm": {"limit": limit}, "swarm-fast": {"limit": limit}},
            }
        },
    }
