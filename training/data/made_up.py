"""Invented tools: fresh names and arguments, with requests that only one of them serves."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import Any

from training.data import systems
from training.data.aliases import ALIASES, NOUN_ALIASES, VERB_ALIASES
from training.data.frames import FRAMES
from training.data.opencode import BOTH, plan_text, sentence
from training.data.source import Conversation, Source
from training.render import Message, Tool

VERBS = (
    ("create", "add", "make"), ("delete", "remove", "erase"), ("get", "fetch", "retrieve"),
    ("update", "change", "modify"), ("send", "deliver", "dispatch"), ("start", "launch", "begin"),
    ("stop", "end", "halt"), ("search", "find", "look for"), ("list", "show", "enumerate"),
    ("open", "unlock", "open up"), ("close", "shut", "lock"), ("book", "reserve", "order"),
    ("convert", "transform", "turn"), ("check", "test", "verify"), ("move", "shift", "transfer"),
    ("copy", "duplicate", "clone"), ("rename", "retitle", "relabel"), ("share", "publish", "post"),
    ("play", "stream", "put on"), ("cancel", "call off", "drop"), ("buy", "purchase", "acquire"),
    ("sell", "offer", "trade"), ("count", "tally", "number"), ("print", "output", "type out"),
    ("save", "store", "keep"), ("load", "read in", "import"), ("compress", "pack", "zip"),
    ("measure", "gauge", "determine"), ("paint", "colour", "draw"), ("clean", "wash", "tidy"),
    ("repair", "fix", "mend"), ("enable", "activate", "switch on"), ("disable", "deactivate", "switch off"),
    ("schedule", "plan", "arrange"), ("assign", "give", "allot"), ("rate", "score", "grade"),
)


@dataclass(frozen=True)
class Argument:
    """A parameter with the schema that describes it and one value."""

    name: str
    schema: dict[str, Any]
    value: Any

    @property
    def shown(self) -> str:
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        if isinstance(self.value, list):
            return ", ".join(self.value[:-1]) + " and " * (len(self.value) > 1) + self.value[-1]
        return str(self.value)


@dataclass(frozen=True)
class Invented:
    """A tool, the words that ask for it and its arguments; the first `needed` are required."""

    name: str
    description: str
    asks: tuple[str, ...]
    arguments: tuple[Argument, ...]
    needed: int

    @property
    def tool(self) -> Tool:
        properties = {argument.name: argument.schema for argument in self.arguments}
        required = [argument.name for argument in self.arguments[: self.needed]]
        parameters = {"type": "object", "properties": properties, "required": required}
        function = {"name": self.name, "description": self.description, "parameters": parameters}
        return {"type": "function", "function": function}


KEYS = (
    "name", "title", "city", "date", "color", "size", "amount", "user", "id", "text", "message", "path",
    "email", "label", "count", "level", "mode", "language", "unit", "price", "owner", "status", "code", "room",
    "topic", "target", "source", "group", "day", "time", "query", "limit", "speed", "weight", "note", "key",
)


def argument(source: Source, name: str) -> Argument:
    """A value of a random kind for a named parameter."""
    roll = source.rng.random()
    if roll < 0.58:
        makers = (source.word, source.name, source.city, lambda: source.words(2, 4), source.identifier,
                  source.value, source.file_name, source.date, source.mail)
        return Argument(name, {"type": "string"}, source.one(makers)())
    if roll < 0.76:
        kind = source.one(("integer", "number", "integer"))
        number = source.between(0, 9) if source.chance(0.3) else int(source.digits(1, 5))
        value = number if kind == "integer" or source.chance(0.5) else float(f"{number}.{source.between(1, 9)}")
        return Argument(name, {"type": kind}, value)
    if roll < 0.86:
        options = list(dict.fromkeys(source.word() for _ in range(source.between(2, 4))))
        return Argument(name, {"type": "string", "enum": options}, source.one(options))
    if roll < 0.92:
        return Argument(name, {"type": "boolean"}, source.chance(0.5))
    items = [source.word() for _ in range(source.between(1, 4))]
    return Argument(name, {"type": "array", "items": {"type": "string"}}, items)


STYLES = ("snake", "snake", "snake", "snake", "camel", "kebab", "dot")


def cased(source: Source, words: list[str], style: str) -> str:
    """Words as one identifier: snake, camel, kebab or dotted."""
    if style == "camel":
        return words[0] + "".join(word.capitalize() for word in words[1:])
    return {"snake": "_", "kebab": "-", "dot": "."}[style].join(words)


ASKS = tuple(sorted({
    f"{lead} {{v}} {which}{tail}".strip()
    for lead in (
        "", "please", "can you", "could you", "would you", "I want to", "I need to", "I would like to", "now",
        "next", "then", "help me", "let us", "I want you to", "I need you to", "go and", "just", "we have to", "you should",
        "it is time to", "do not forget to",
    )
    for which in ("the {n}", "a {n}", "{n}", "my {n}", "this {n}", "one {n}", "our {n}")
    for tail in ("", " for me", " now")
}, key=lambda ask: zlib.crc32(ask.encode())))


def generic(source: Source, style: str, verbs: tuple[str, ...], noun: str) -> Invented:
    """A verb and a noun; the request may use another verb of the same sense."""
    keys = source.some(KEYS, 4) if source.chance(0.7) else [source.word() for _ in range(4)]
    keys = list(dict.fromkeys(key for key in keys if key != noun))
    count = source.rng.choices((0, 1, 2, 3), (1, 5, 4, 2))[0]
    arguments = tuple(argument(source, key) for key in keys[:count])
    spoken, told = source.one(verbs), source.one(verbs)
    name = cased(source, [*verbs[0].split(), noun], style)
    if source.chance(0.15):
        name = source.letters(2, 3) + ("_" if style == "snake" else "-") + name
    description = f"{told.capitalize()} a {noun}" if source.chance(0.85) else ""
    ask = source.phrase(ASKS).format(v=spoken, n=noun)
    needed = len(arguments) if source.chance(0.6) else source.between(0, len(arguments))
    return Invented(name, description, (ask,), arguments, needed)


WITH = (
    " with {k} {v}", " with {k} set to {v}", ", {k}: {v}", " with the {k} {v}", " ({k} {v})", ", {k} = {v}",
    " using {k} {v}", ", {k} {v}", " where {k} is {v}", " and {k} should be {v}", "; {k} is {v}", ", the {k} is {v}",
)


def spelled(source: Source, item: Argument, form: str, *, quotes: bool) -> str:
    """One argument in a request."""
    text = item.shown
    if isinstance(item.value, str) and (quotes or " " in text or not text.isalnum()):
        mark = '"' if '"' not in text else "'"
        text = f"{mark}{text}{mark}"
    name = item.name.replace("_", " ") if source.chance(0.7) else item.name
    return form.format(k=name, v=text)


def request(source: Source, tool: Invented) -> tuple[str, dict[str, Any]]:
    """A wording and the right arguments; optional ones are given half the time."""
    given = [
        item for at, item in enumerate(tool.arguments) if at < tool.needed or source.chance(0.5)
    ]
    text, form = tool.asks[0], source.phrase(WITH)
    quotes = source.chance(0.6)
    order = given if source.chance(0.7) else source.shuffled(given)
    for item in order:
        text += spelled(source, item, form, quotes=quotes)
    return text, {item.name: item.value for item in given}


def framed(source: Source, style: str) -> tuple[Invented, str, dict[str, Any]]:
    """A tool of the usual kinds (weather, mail, ...) with a natural request.

    Half of them have other names for themselves and their fields, so that the call can only be
    copied from the signature. Evaluation asks for tools that training never showed, so in words
    of which the tool's line has one: this model knows no others.
    """
    frame = source.phrase(FRAMES)
    values = {name: maker(source) for name, (_, maker) in frame.fields.items()}
    optional = [name for name in frame.fields if name in frame.optional]
    ask = source.phrase(frame.kindred_asks if source.held_out else frame.asks)
    given = {name: value for name, value in values.items() if "{" + name + "}" in ask}
    verb, *rest = frame.name.split()
    named = {name: name for name in frame.fields}
    if source.chance(0.5):
        verb = source.one([verb, *VERB_ALIASES.get(verb, verb).split()])
        rest = [source.one([word, word, *NOUN_ALIASES.get(word, word).split()]) for word in rest]
        named = renamed(source, list(frame.fields))
    order = sorted(frame.fields, key=lambda name: name in optional)
    arguments = tuple(Argument(named[name], frame.fields[name][0], values[name]) for name in order)
    called = {named[name]: given[name] for name in order if name in given}
    name = cased(source, [verb, *rest], style)
    tool = Invented(name, frame.description, (ask,), arguments, len(arguments) - len(optional))
    return tool, ask.format(**{name: frame.shown(name, value) for name, value in given.items()}), called


def renamed(source: Source, fields: list[str]) -> dict[str, str]:
    """Each field by its own name or another of the same sense, all different."""
    named: dict[str, str] = {}
    for field in fields:
        options = [field, *ALIASES.get(field, field).split()]
        taken = {*named.values(), *fields} - {field}
        named[field] = source.one([option for option in options if option not in taken])
    return named


def near_misses(source: Source, style: str, verbs: tuple[str, ...], noun: str, count: int) -> list[Invented]:
    """Tools that share the verb or the noun with the right one, or neither."""
    others = []
    for _ in range(count):
        roll = source.rng.random()
        other_verbs = verbs if roll < 0.3 else source.one([v for v in VERBS if v != verbs])
        other_noun = noun if 0.3 <= roll < 0.6 else source.one(source.things)
        if (other_verbs, other_noun) != (verbs, noun):
            others.append(generic(source, style, other_verbs, other_noun))
    return others


NATURAL = {
    "get_{a}": (("Get the {a}", "Look up the {a}", "Show the {a}", "Find the {a}", "Tells the {a}", "Returns the {a}"), (
        "what is the {a} of {v}", "show me the {a} of {v}", "I need the {a} for {v}", "any {a} for {v}", "{a} of {v}", "the {a} of {v} please",
        "tell me the {a} of {v}", "give me the {a} for {v}", "what is the {a} for {v}", "get the {a} of {v}", "find the {a} for {v}",
        "how is the {a} in {v}", "what's the {a} in {v}", "I want to know the {a} of {v}", "look up the {a} of {v}",
        "can you tell me the {a} of {v}", "which {a} has {v}", "show {a} for {v}",
    )),
    "set_{a}": (("Set the {a}", "Change the {a}", "Adjust the {a}", "Choose the {a}", "Sets the {a}", "Updates the {a}"), (
        "set the {a} to {v}", "make the {a} {v}", "I want the {a} at {v}", "turn the {a} to {v}", "put the {a} at {v}", "please make the {a} {v}",
        "change the {a} to {v}", "the {a} should be {v}", "{a} to {v} please", "set {a} to {v}", "I need the {a} to be {v}",
        "can you set the {a} to {v}",
    )),
    "add_{a}": (("Add a {a}", "Create a {a}", "Record a {a}", "Save a {a}", "Adds a {a}", "Stores a {a}"), (
        "add the {a} {v}", "new {a}: {v}", "add a {a} called {v}", "note the {a} {v}", "I have a new {a}, {v}", "create the {a} {v}",
        "record the {a} {v}", "save {v} as a {a}", "put {v} in as a new {a}", "make a {a} named {v}", "create a {a} called {v}", "add {v} as a {a}",
    )),
}
"""Tools known by what they are about alone, in the words of everyday requests."""


def natural(source: Source, style: str) -> tuple[Invented, str, dict[str, Any]]:
    """A tool about some random thing, with one argument and a request in everyday words."""
    form, (tells, asks) = source.one(list(NATURAL.items()))
    about = source.one(source.things) if source.chance(0.4) else source.word()
    item = argument(source, source.one(KEYS))
    text = item.shown
    if isinstance(item.value, str) and (" " in text or source.chance(0.4)):
        text = f'"{text}"'
    name = cased(source, form.format(a=about).split("_"), style)
    tool = Invented(name, source.phrase(tells).format(a=about), ("",), (item,), 1)
    return tool, source.phrase(asks).format(a=about, v=text), {item.name: item.value}


@dataclass(frozen=True)
class Wish:
    """One request with its call, as a conversation needs it."""

    ask: str
    name: str
    arguments: dict[str, Any]


def told(box: dict[str, Invented]) -> set[str]:
    """What the tools of a box say of themselves; two that say the same cannot be told apart."""
    return {tool.description for tool in box.values() if tool.description}


def toolset(source: Source, wishes: int) -> tuple[list[Tool], list[Wish]]:
    """Some tools with different names and requests that one of them serves."""
    style = source.one(STYLES)
    box: dict[str, Invented] = {}
    found: list[Wish] = []
    for _ in range(wishes):
        roll = source.rng.random()
        if roll < 0.35:
            tool, ask, arguments = framed(source, style)
        elif roll < 0.6:
            tool, ask, arguments = natural(source, style)
            for _ in range(source.between(0, 1 if source.brief else 2)):
                other = natural(source, style)[0]
                box.setdefault(other.name, other)
        else:
            verbs = source.one(VERBS)
            noun = source.one(source.things) if source.chance(0.6) else source.word()
            tool = generic(source, style, verbs, noun)
            ask, arguments = request(source, tool)
            for other in near_misses(source, style, verbs, noun, source.between(0, 1 if source.brief else 3)):
                box.setdefault(other.name, other)
        if any(wish.name == tool.name for wish in found) or tool.description in told(box):
            continue
        box[tool.name] = tool
        found.append(Wish(ask, tool.name, arguments))
    for _ in range(source.between(0, 1 if source.brief else 3)):
        extra = framed(source, style)[0]
        if extra.description not in told(box):
            box.setdefault(extra.name, extra)
    return source.shuffled([tool.tool for tool in box.values()]), found


def result(source: Source) -> tuple[str, str]:
    """What an invented tool answers and the closing sentence."""
    roll = source.rng.random()
    if roll < 0.35:
        return source.one(("ok", "OK", "done", '{"ok": true}', '{"status": "success"}', "success")), "Done."
    if roll < 0.6:
        text = source.value()
        return text, f"The result is: {text}"
    if roll < 0.85:
        key, value = source.word(), source.one((source.word(), source.between(0, 9999), source.city()))
        return json.dumps({key: value}, ensure_ascii=False), f"The {key} is {value}."
    error = source.words(2, 4)
    return source.one((f"Error: {error}", json.dumps({"error": error}))), f"It failed: {error}"


def _call(wish: Wish) -> dict[str, Any]:
    return {"type": "function", "function": {"name": wish.name, "arguments": wish.arguments}}


def _opening(source: Source) -> list[Message]:
    text = systems.system(source, source.root() if source.chance(0.1) else None, longest=3)
    return [{"role": "system", "content": text}] if text else []


def single(source: Source) -> Conversation:
    """One to four requests to a set of invented tools."""
    tools, wishes = toolset(source, source.rng.choices((1, 2, 3, 4), (5, 3, 2, 1))[0])
    messages = _opening(source)
    for wish in wishes:
        answer, close = result(source)
        messages.append({"role": "user", "content": sentence(source, wish.ask, block=False)})
        messages.append({"role": "assistant", "content": None, "tool_calls": [_call(wish)]})
        messages.append({"role": "tool", "content": answer})
        messages.append({"role": "assistant", "content": close})
    return Conversation("made-up", messages, tools)


def two_at_once(source: Source) -> Conversation:
    """Two requests in one sentence, answered by two calls."""
    tools, wishes = toolset(source, 2)
    if len(wishes) < 2:
        return single(source)
    ask = source.phrase(BOTH).format(a=wishes[0].ask, b=wishes[1].ask)
    messages = _opening(source)
    messages.append({"role": "user", "content": sentence(source, ask, block=True)})
    messages.append({"role": "assistant", "content": None, "tool_calls": [_call(wish) for wish in wishes]})
    messages += [{"role": "tool", "content": result(source)[0]} for _ in wishes]
    messages.append({"role": "assistant", "content": "Both are done."})
    return Conversation("made-up-two", messages, tools)


def loop(source: Source) -> Conversation:
    """Several requests in order, one call at a time."""
    tools, wishes = toolset(source, source.between(2, 5))
    if len(wishes) < 2:
        return single(source)
    messages = _opening(source)
    asks = [wish.ask for wish in wishes]
    messages.append({"role": "user", "content": sentence(source, plan_text(source, asks), block=True)})
    for wish in wishes:
        messages.append({"role": "assistant", "content": None, "tool_calls": [_call(wish)]})
        messages.append({"role": "tool", "content": result(source)[0]})
    messages.append({"role": "assistant", "content": "All steps are done."})
    return Conversation("made-up-loop", messages, tools)
