"""Which format a model writes: by what its own chat template spells out, and nothing else."""

from swarm.chat.formats import deepseek, mistral
from swarm.chat.formats.canonical import CANONICAL
from swarm.chat.formats.format import Format
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
    (("<arg_key>",), GLM),
    (("<function=", "<parameter="), QWEN3_CODER),
    (("<tool_call>",), CANONICAL),
    (('"parameters": ', "<|start_header_id|>"), LLAMA3),
)
"""What templates of each format spell out, the more particular first: all of its texts."""

FORMATS: dict[str, Format] = {form.name: form for _, form in _SIGNS}
"""By their names, as model cards declare them."""


def format_of(template: str | None) -> Format:
    """The format of a chat template; the canonical one where it spells out none of ours."""
    spelled = template or ""
    return next(
        (form for signs, form in _SIGNS if all(sign in spelled for sign in signs)), CANONICAL
    )
