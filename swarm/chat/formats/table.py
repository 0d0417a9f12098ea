"""Which format a model writes: by what its own chat template spells out, else by its card."""

from swarm.chat.formats import beside, deepseek, mistral
from swarm.chat.formats.canonical import CANONICAL
from swarm.chat.formats.format import Format
from swarm.chat.formats.gemma4 import GEMMA4
from swarm.chat.formats.glm import GLM
from swarm.chat.formats.harmony import HARMONY
from swarm.chat.formats.llama3 import LLAMA3
from swarm.chat.formats.qwen3_coder import QWEN3_CODER

_SIGNS: tuple[tuple[tuple[str, ...], Format], ...] = (
    (("<|channel|>",), HARMONY),
    ((deepseek.SEPARATOR, "```json"), deepseek.FENCED),
    ((deepseek.SEPARATOR,), deepseek.BARE),
    ((mistral.CALLS, mistral.ARGS), mistral.NAMED),
    ((mistral.CALLS,), mistral.LISTED),
    (("<|tool_call>", "<tool_call|>"), GEMMA4),
    (("<arg_key>",), GLM),
    (("<function=", "<parameter="), QWEN3_CODER),
    (("<tool_call>",), CANONICAL),
    (('"parameters": ', "<|start_header_id|>"), LLAMA3),
)
"""What templates of each format spell out, the more particular first: all of its texts."""

FORMATS: dict[str, Format] = {form.name: form for _, form in _SIGNS}
"""The formats by their own names."""

_DECLARED = FORMATS | {"hermes": CANONICAL}
"""The formats by the names that model cards use."""


def format_of(template: str, *, declared: str | None = None) -> Format | None:
    """The format that a chat template spells out, else the one that is `declared`; None: neither
    is one of ours.
    """
    if beside.SIGN in template:
        return beside.BESIDE
    for signs, form in _SIGNS:
        if all(sign in template for sign in signs):
            return form
    return _DECLARED.get(declared or "")
