"""Which format a model writes: by what its own chat template spells out, and nothing else."""

from swarm.chat.formats import deepseek, mistral
from swarm.chat.formats.canonical import CANONICAL
from swarm.chat.formats.format import Format
from swarm.chat.formats.glm import GLM
from swarm.chat.formats.harmony import HARMONY
from swarm.chat.formats.llama3 import LLAMA3
from swarm.chat.formats.qwen3_coder import QWEN3_CODER

_SIGNS: tuple[tuple[str, Format], ...] = (
    ("<|channel|>", HARMONY),
    ("function' + '<｜tool▁sep｜>", deepseek.FENCED),  # noqa: RUF001 - the marks are so
    ("<｜tool▁sep｜>", deepseek.BARE),  # noqa: RUF001
    ("[ARGS]", mistral.NAMED),
    ("[TOOL_CALLS]", mistral.LISTED),
    ("<arg_key>", GLM),
    ("<parameter=", QWEN3_CODER),
    ("<tool_call>", CANONICAL),
    ('"parameters": ', LLAMA3),
)
"""What templates of each format spell out, the more particular first."""

FORMATS: dict[str, Format] = {form.name: form for _, form in _SIGNS}
"""By their names, as model cards declare them."""


def format_of(template: str | None) -> Format:
    """The format of a chat template; the canonical one where it spells out none of ours."""
    return next((form for sign, form in _SIGNS if sign in (template or "")), CANONICAL)
