"""Drills from the easiest to the hardest of one kind: which line a request means, which value goes where.

A drill that is hard from the start teaches little: the choice among lines of free words stood at half right after a
hundred million tokens. From lines of one word upwards a million tokens teach it.
"""

from __future__ import annotations

from training.data import made_up
from training.data.chat import NO_TOOL, said
from training.data.drills import glued
from training.data.invented import Argument, Invented, Style
from training.data.opencode import sentence
from training.data.source import Conversation, Source
from training.data.verbs import VERB_WORDS
from training.render import Message

Line = tuple[list[str], Invented]


def _call(name: str, arguments: dict[str, object]) -> Message:
    call = {"type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _words(source: Source, count: int) -> list[str]:
    """Different words of all kinds, in any order."""
    pools = (source.nouns, source.nouns, source.rare, VERB_WORDS)
    return list(dict.fromkeys(source.one(source.one(pools)) for _ in range(count)))


def _lines(source: Source, level: float, words: list[str], *, glue: bool) -> list[Line]:
    """Tools whose lines have one word each at level 0, three to five with others between at level 1."""
    style, most, lines = Style.any(source), 1 + round(4 * level), []
    for _ in range(source.between(2, 3 + round(3 * level))):
        line = [words.pop() for _ in range(source.between(max(1, most - 2), most))]
        told = glued(source, source.shuffled(line)) if glue else " ".join(source.shuffled(line))
        told = told[:1].upper() + told[1:] if source.chance(level) else told
        named = [*(source.some(line, min(2, len(line))) if source.chance(0.5) else [words.pop()]), ""]
        item = Argument(source.one(made_up.KEYS), {"type": "string"}, "")
        lines.append((line, Invented(style.named(*named[:2]), told, (item,) * source.chance(0.5 * level), 1)))
    return lines


def match(source: Source) -> Conversation:
    """Requests that share one to three words with the line of one tool, or with none."""
    level = source.rng.random()
    words, glue = _words(source, 60), source.chance(level)
    lines = _lines(source, level, words, glue=glue)
    messages: list[Message] = []
    for _ in range(source.between(6, 11)):
        line, tool = source.one(lines)
        missing = source.chance(0.12 * level)
        asked = [words.pop()] if missing else source.some(line, source.between(1, min(3, len(line))))
        ask = glued(source, asked) if glue else " ".join(asked)
        arguments: dict[str, object] = {}
        if tool.arguments and not missing:
            value = source.one((source.name, source.city, source.word, lambda: source.digits(1, 4), source.identifier))()
            arguments = {tool.arguments[0].name: value}
            ask = source.one((f"{ask} {value}", f"{ask}: {value}", f'{ask} "{value}"', f"{value} {ask}"))
        messages.append(said("user", sentence(source, ask, block=False) if source.chance(level) else ask))
        messages.append(said("assistant", NO_TOOL) if missing else _call(tool.name, arguments))
    return Conversation("choose", messages, source.shuffled([tool.tool for _, tool in lines]))


GIVEN = ("{k} {v}", "{k}: {v}", "{k} = {v}", "{k} is {v}", "with {k} {v}", "the {k} is {v}", "{k} should be {v}", "with the {k} {v}")
GIVEN_BEHIND = ("{v} as {k}", "{v} for the {k}", "{v} as the {k}", "{v} is the {k}")
JOINTS = (" ", ", ", " and ", ", and ")


def _argument(source: Source, name: str) -> Argument:
    """A parameter of any kind whose value is short."""
    roll = source.rng.random()
    if roll < 0.3:
        return Argument(name, {"type": source.one(("integer", "number"))}, int(source.digits(1, 3)))
    if roll < 0.5:
        options = _words(source, 3)
        return Argument(name, {"type": "string", "enum": options}, source.one(options))
    value = source.one((source.word, source.name, source.city, source.identifier, source.value))()
    return Argument(name, {"type": "string"}, value)


def _given(source: Source, tool: Invented, items: list[Argument], level: float) -> str:
    """Arguments in any order; at higher levels an option, or a value for the tool's only number, needs no name."""
    numbers = [item.name for item in tool.arguments if not isinstance(item.value, str)]
    parts: list[str] = []
    for item in source.shuffled(items):
        alone = "enum" in item.schema or numbers == [item.name]
        forms = ("{v}",) if alone and source.chance(0.5 * level) else GIVEN + GIVEN_BEHIND * source.chance(level)
        value = f'"{item.shown}"' if " " in item.shown or source.chance(0.2) else item.shown
        parts.append(source.one(forms).format(k=item.name.replace("_", " "), v=value))
    joint = source.one(JOINTS)
    return joint.join(parts)


def fields(source: Source) -> Conversation:
    """Requests that give some of a tool's parameters, in any order."""
    level, style = source.rng.random(), Style.any(source)
    words, most = _words(source, 40), 1 + round(4 * level)
    tools: list[Invented] = []
    for _ in range(source.between(1, 2)):
        names = dict.fromkeys(source.one(made_up.KEYS) if source.chance(0.6) else words.pop() for _ in range(source.between(max(1, most - 2), most)))
        items = tuple(_argument(source, name) for name in names)
        about = [words.pop(), words.pop()]
        tools.append(Invented(style.named(*about), " ".join(about).capitalize(), items, source.between(0, len(items))))
    messages: list[Message] = []
    for _ in range(source.between(5, 8)):
        tool = source.one(tools)
        given = [made_up.like(source, item) for at, item in enumerate(tool.arguments) if at < tool.needed or source.chance(0.6)]
        ask = tool.description.lower()
        ask = " ".join(part for part in (ask, _given(source, tool, given, level)) if part)
        messages.append(said("user", sentence(source, ask, block=False) if source.chance(level) else ask))
        messages.append(_call(tool.name, {item.name: item.value for item in given}))
    return Conversation("made-up", messages, [tool.tool for tool in tools])
