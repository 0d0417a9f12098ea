"""Invented tools: fresh names and arguments, with requests that only one of them serves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from training.data import systems
from training.data.aliases import ALIASES, NOUN_ALIASES, VERB_ALIASES
from training.data.composed import Verbs, composed, near, noun, verbs
from training.data.estranged import estranged, strangers
from training.data.frame import Frame
from training.data.frames import FRAMES, NEAR
from training.data.invented import Argument, Invented, Style, articled, retold, with_spare
from training.data.opencode import BOTH, plan_text, sentence
from training.data.source import Conversation, Source
from training.data.verbs import akin
from training.render import Message, Tool

KEYS = (
    "name", "title", "city", "date", "color", "size", "amount", "user", "id", "text", "message", "path",
    "email", "label", "count", "level", "mode", "language", "unit", "price", "owner", "status", "code", "room",
    "topic", "target", "source", "group", "day", "time", "query", "limit", "speed", "weight", "note", "key",
)


def like(source: Source, item: Argument) -> Argument:
    """A parameter of this name and schema with another value."""
    if "enum" in item.schema:
        return replace(item, value=source.one(item.schema["enum"]))
    fresh = argument(source, item.name)
    while fresh.schema != item.schema:
        fresh = argument(source, item.name)
    return fresh


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


ESTRANGED = 0.4
"""The share of the tools of known kinds that are about something else in training."""

FULLEST = 0.5
"""The share of requests in training that give all that a tool of a known kind can be given: a value that is there
must not be passed over because its parameter may be left out."""

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
    "find_{a}": (("Find a {a}", "Tell where a {a} is", "Locate a {a}", "Look for a {a}", "Search for a {a}", "Finds a {a}"), (
        "where is the {a} {v}", "find the {a} {v}", "where can I find a {a} with {v}", "look for the {a} {v}", "search for the {a} {v}", "is there a {a} {v}",
        "locate the {a} {v}", "I cannot find the {a} {v}", "find me a {a} with {v}", "I am looking for the {a} {v}", "find a {a} called {v}", "where do I find the {a} {v}",
    )),
    "check_{a}": (("Check a {a}", "Tell whether a {a} is fine", "Test a {a}", "Verify a {a}", "Checks the {a}", "Tests the {a}"), (
        "is the {a} {v} fine", "check the {a} {v}", "is the {a} {v} all right", "test the {a} {v}", "please check the {a} {v}", "does the {a} {v} work",
        "verify the {a} {v}", "have a look whether the {a} {v} is fine", "check whether the {a} {v} works", "is everything fine with the {a} {v}",
        "can you check the {a} {v}", "tell me whether the {a} {v} is fine",
    )),
    "count_{a}": (("Count the {a} entries", "Tell how many {a} entries there are", "Number of {a} entries", "Counts {a} entries",
                   "How many {a} entries there are", "Total of {a} entries"), (
        "how many {a} entries are in {v}", "count the {a} entries of {v}", "how many {a} entries has {v}", "tell me how many {a} entries {v} has",
        "the number of {a} entries in {v}", "how many {a} entries does {v} have", "count {a} entries in {v}", "number of {a} entries for {v}",
        "how many {a} entries are there in {v}", "give me the number of {a} entries in {v}", "what is the number of {a} entries of {v}", "total of {a} entries in {v}",
    )),
}

@dataclass(frozen=True)
class Maker:
    """A tool, and how a request for it comes about: its wording and the arguments that it gives."""

    tool: Invented
    request: Callable[[Source], tuple[str, dict[str, Any]]]


def natural(source: Source, style: Style, form: str = "", about: str = "") -> Maker:
    """A tool about some random thing, with one argument and requests in everyday words."""
    form = form or source.one(list(NATURAL))
    tells, asks = NATURAL[form]
    about = about or noun(source)
    first = argument(source, source.one(KEYS))
    act = form.removesuffix("_{a}")
    told = articled(source.phrase(tells).format(a=about))
    tool = Invented(style.named(act, about), told, with_spare(source, (first,)), 1, act, frozenset(about.split()))

    def request(source: Source) -> tuple[str, dict[str, Any]]:
        item = like(source, first)
        text = item.shown
        if isinstance(item.value, str) and (" " in text or source.chance(0.4)):
            text = f'"{text}"'
        return articled(source.phrase(asks).replace("{a}", about)).replace("{v}", text), {item.name: item.value}

    return Maker(tool, request)


def framed(source: Source, style: Style, frame: Frame | None = None, others: dict[str, str] | None = None) -> Maker:
    """A tool of the usual kinds (weather, mail, ...) with natural requests.

    A part of them has other names for themselves and their fields, so that the call can only be
    copied from the signature. Evaluation asks for tools that training never showed, so in words
    of which the tool's line has one: this model knows no others. Training uses every ask of the
    tools that are its own: nobody else asks for those.
    """
    known = source.phrase(FRAMES) if frame is None else frame
    if others is None:
        others = strangers(source, known) if not source.held_out and source.chance(ESTRANGED) else {}
    frame = estranged(known, others)
    fields, optional = frame.fields, [name for name in frame.fields if name in frame.optional]
    verb, *rest = frame.name.split()
    named = {name: name for name in fields}
    if source.chance(0.4):
        verb = source.one([verb, verb, *VERB_ALIASES.get(verb, verb).split()])
        rest = [source.one([word, word, *NOUN_ALIASES.get(word, word).split()]) for word in rest]
        named = renamed(source, list(fields))
    order = sorted(fields, key=lambda name: name in optional)
    arguments = tuple(Argument(named[name], fields[name][0], None) for name in order)
    told = retold(source, frame.description)
    tool = Invented(style.named(verb, " ".join(rest)), told, with_spare(source, arguments), len(fields) - len(optional), frame=known, others=others)

    def request(source: Source) -> tuple[str, dict[str, Any]]:
        if source.held_out:
            ask = source.phrase(frame.kindred_asks)
        else:
            ask = source.one(frame.fullest_asks if source.chance(FULLEST) else frame.asks)
        given = {name: fields[name][1](source) for name in order if "{" + name + "}" in ask}
        shown = {name: frame.shown(name, value) for name, value in given.items()}
        return ask.format(**shown), {named[name]: value for name, value in given.items()}

    return Maker(tool, request)


def put_together(source: Source, style: Style, act: Verbs, about: str) -> Maker:
    """A tool of a verb, a noun and parameters."""
    made = composed(source, style, act, about)
    return Maker(made.tool, made.request)


def renamed(source: Source, fields: list[str]) -> dict[str, str]:
    """Each field by its own name or another of the same sense, all different."""
    named: dict[str, str] = {}
    for field in fields:
        options = [field, *ALIASES.get(field, field).split()]
        taken = {*named.values(), *fields} - {field}
        named[field] = source.one([option for option in options if option not in taken])
    return named


@dataclass(frozen=True)
class Wish:
    """One request with its call, as a conversation needs it."""

    ask: str
    name: str
    arguments: dict[str, Any]


def neighbours(source: Source, style: Style, tool: Invented, act: Verbs, about: str, count: int) -> list[Invented]:
    """Tools that share the verb or the noun with this one."""
    if tool.frame:
        usable = set(source.phrases(FRAMES))
        close = [frame for frame in NEAR[tool.frame.name] if frame in usable]
        return [framed(source, style, frame, tool.others).tool for frame in source.some(close, count)]
    if not act:
        forms = [form for form in NATURAL if not akin(form.removesuffix("_{a}"), tool.act)]
        return [
            (natural(source, style, source.one(forms), about) if source.chance(0.4) else natural(source, style, f"{tool.act}_{{a}}")).tool
            for _ in range(count)
        ]
    return [composed(source, style, *near(source, act, about)).tool for _ in range(count)]


def anyone(source: Source, style: Style) -> tuple[Maker, Verbs, str]:
    """A tool of any kind, with the verbs and the noun by which others are near to it."""
    act: Verbs = ()
    about, roll = noun(source), source.rng.random()
    if roll < 0.5:
        return framed(source, style), act, about
    if roll < 0.72:
        return natural(source, style, about=about), act, about
    act = verbs(source)
    return put_together(source, style, act, about), act, about


def makers(source: Source, count: int, *, alike: bool = True) -> tuple[list[Invented], list[Maker]]:
    """Tools of which `count` can be asked for, none to be mixed up; `alike` adds some near to those."""
    style = Style.any(source)
    box: list[Invented] = []
    found: list[Maker] = []

    def put(tool: Invented) -> bool:
        fits = not any(tool.clashes(other) for other in box)
        if fits:
            box.append(tool)
        return fits

    for _ in range(count):
        maker, act, about = anyone(source, style)
        if not put(maker.tool):
            continue
        found.append(maker)
        most = 1 if source.brief or len(found) > 1 else 3
        for other in neighbours(source, style, maker.tool, act, about, alike * source.between(0, most)):
            put(other)
    for _ in range(source.chance(0.3) if source.brief else source.between(0, 2)):
        put(anyone(source, style)[0].tool)
    return source.shuffled(box), found


def toolset(source: Source, wishes: int, *, alike: bool = True) -> tuple[list[Tool], list[Wish]]:
    """Some tools and requests that one of them serves; `alike` adds tools near to those."""
    box, found = makers(source, wishes, alike=alike)
    return [tool.tool for tool in box], [wish(source, maker) for maker in found]


def wish(source: Source, maker: Maker) -> Wish:
    ask, arguments = maker.request(source)
    return Wish(ask, maker.tool.name, arguments)


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
    weights = (6, 3, 1, 0) if source.brief else (5, 3, 2, 1)
    tools, wishes = toolset(source, source.rng.choices((1, 2, 3, 4), weights)[0])
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
