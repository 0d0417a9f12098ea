"""Finding by content: a table of facts, then many short questions about single lines of it.

Most of what a tool call needs beyond copying is this: the place in the prompt that has to do with
the request, and what stands beside it. Short turns make it learnable, because each has its own target.
"""

from __future__ import annotations

from training.data.source import Conversation, Source
from training.render import Message

LINES = ("{a}: {b}", "{a} = {b}", "{a} is {b}", "{a} -> {b}", "{a} {b}", "{a}({b})", "{b}: {a}", "{b} {a}", '"{a}": "{b}"', "{a}, {b}", "- {a}: {b}")
FORWARD = ("{}", "{}?", "what is {}?", "{} please", "tell me {}", "and {}?", "give me {}", "now {}", "{}:", "look up {}", "find {}", "I need {}")


def _key(source: Source) -> str:
    roll = source.rng.random()
    if roll < 0.6:
        return source.word()
    if roll < 0.7:
        return source.digits(1, 4)
    if roll < 0.8:
        return source.name()
    return source.identifier()


def _worth(source: Source) -> str:
    roll = source.rng.random()
    if roll < 0.6:
        return source.word()
    if roll < 0.8:
        return source.digits(1, 4)
    return source.one((source.name, source.city, source.identifier, source.file_name, lambda: source.words(2, 3)))()


def table(source: Source) -> Conversation:
    """Lines of two parts; asked for by one part, the other is the answer."""
    wanted = source.between(2, 6 if source.brief else 12)
    pairs = {_key(source): _worth(source) for _ in range(wanted)}
    back = source.chance(0.3)
    facts = [(b, a) for a, b in pairs.items()] if back else list(pairs.items())
    asked = dict(facts)
    form = source.one(LINES)
    text = source.one(("\n", "\n", ", ", "; ")).join(form.format(a=a, b=b) for a, b in pairs.items())
    messages: list[Message] = []
    if source.chance(0.5):
        messages.append({"role": "system", "content": text})
        text = ""
    ask = source.phrase(FORWARD)
    for at in range(source.between(4, 12)):
        key = source.one(list(asked))
        question = ask.format(key)
        if source.chance(0.2):
            ask = source.phrase(FORWARD)
        if not at and text:
            question = f"{text}\n\n{question}"
        messages.append({"role": "user", "content": question})
        messages.append({"role": "assistant", "content": asked[key]})
    return Conversation("recall", messages)
