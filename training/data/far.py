"""Long prompts: what is asked for stands anywhere among thousands of tokens of other text."""

from __future__ import annotations

from collections.abc import Callable

from training.data.lookup import ASK_KEY
from training.data.source import Conversation, Source

CHARACTERS = (800, 6_000)
"""Length of the surrounding text; a token of prose is about two characters."""


def filler(source: Source, low: int, high: int) -> list[str]:
    """Sentences of together about that many characters."""
    wanted, lines, length = source.between(low, high), [], 0
    while length < wanted:
        line = source.one(source.sentences) if source.chance(0.8) else source.words(4, 12) + "."
        lines.append(line)
        length += len(line) + 1
    return lines


def pairs(source: Source) -> Conversation:
    """Key and value lines scattered in a long text, then questions about most of them."""
    lines = filler(source, *CHARACTERS)
    keys = list(dict.fromkeys(source.identifier() for _ in range(source.between(3, 8))))
    values = {key: source.value() for key in keys}
    mark = source.one((": ", " = ", " -> "))
    for key, value in values.items():
        lines.insert(source.between(0, len(lines)), f"{key}{mark}{value}")
    text = "\n".join(lines)
    messages = []
    for at, key in enumerate(source.shuffled(keys)[:6]):
        question = source.phrase(ASK_KEY).format(key)
        asked = question if at else f"{text}\n\n{question}"
        messages.append({"role": "user", "content": asked})
        messages.append({"role": "assistant", "content": values[key]})
    return Conversation("far", messages, facts={"lines": len(lines)})


def behind(make: Callable[[Source], Conversation]) -> Callable[[Source], Conversation]:
    """The same conversations behind a long system prompt, as coding agents send one."""

    def conversation(source: Source) -> Conversation:
        made = make(source)
        prose = " ".join(filler(source, *CHARACTERS))
        first = made.messages[0]
        if first["role"] == "system":
            content = first["content"]
            order = (prose, content) if source.chance(0.7) else (content, prose)
            made.messages[0] = {"role": "system", "content": "\n".join(order)}
        else:
            made.messages.insert(0, {"role": "system", "content": prose})
        return made

    return conversation
