"""Which format a model writes: by what its own chat template spells out, and nothing else."""

from swarm.chat.formats.canonical import CANONICAL
from swarm.chat.formats.format import Format

FORMATS: dict[str, Format] = {form.name: form for form in (CANONICAL,)}
"""By their names, as model cards declare them."""

_SIGNS: tuple[tuple[str, Format], ...] = (("<tool_call>", CANONICAL),)
"""What only templates of this format spell out; the first that is found decides."""


def format_of(template: str | None) -> Format:
    """The format of a chat template; the canonical one where it spells out none of ours."""
    return next((form for sign, form in _SIGNS if sign in (template or "")), CANONICAL)
