"""Copying and finding: the skill that everything else stands on."""

from __future__ import annotations

from training.data.source import Conversation, Source

SAY = ("repeat", "say", "copy", "echo", "write", "type", "print", "output", "return", "reproduce", "reply with", "respond with", "answer with")
REPEAT = tuple(
    text[0].upper() + text[1:] if capital else text
    for form in (
        "{v}: {{}}", "{v} {{}}", '{v} "{{}}"', "please {v} {{}}", 'please {v} "{{}}".', "can you {v} {{}}", "just {v}: {{}}",
        "{v} exactly: {{}}", "{v} this: {{}}", "{v} the following: {{}}", "{v} after me: {{}}", '{v} only "{{}}"',
        "{v} this text unchanged: {{}}", "{v} this back to me: {{}}", "{v} this word for word: {{}}",
    )
    for verb in SAY
    for text in (form.format(v=verb),)
    for capital in (True, False)
)
ASK_KEY = (
    "What is {}?", "What is the value of {}?", "Give me {}.", "Which value has {}?", "Look up {}.",
    "{}?", "What does {} say?", "Tell me {}.", "Find {}.", "What stands at {}?", "value of {}",
    "Please look up the value of {}.",
    "please find {}", "look up {}", "Please tell me the value of {}.", "which value has {}", "what is {}", "tell me {}",
)


def repeat(source: Source) -> Conversation:
    """Say a value back, several times in one conversation."""
    messages = []
    for _ in range(source.between(1, 4)):
        value = source.value()
        messages.append({"role": "user", "content": source.phrase(REPEAT).format(value)})
        messages.append({"role": "assistant", "content": value})
    return Conversation("repeat", messages)


def pairs(source: Source, count: int | None = None) -> Conversation:
    """Key and value lines, then questions about some of them."""
    wanted = count or source.between(2, 9)
    keys = list(dict.fromkeys(source.identifier() for _ in range(wanted)))
    values = {key: source.value() for key in keys}
    mark = source.one((": ", " = ", "=", " -> ", ": "))
    lines = "\n".join(f"{key}{mark}{value}" for key, value in values.items())
    asked = source.some(keys, source.between(1, 4))
    messages = []
    for at, key in enumerate(asked):
        question = source.phrase(ASK_KEY).format(key)
        text = question if at else source.one((f"{lines}\n\n{question}", f"{question}\n\n{lines}"))
        messages.append({"role": "user", "content": text})
        messages.append({"role": "assistant", "content": values[key]})
    return Conversation("lookup", messages, facts={"lines": len(keys)})


def few_pairs(source: Source) -> Conversation:
    """Two or three pairs."""
    return pairs(source, source.between(2, 3))
