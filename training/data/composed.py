"""Tools put together from a verb, a noun and parameters, asked for with the words that go with each."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from training.data import frame as kinds
from training.data.frame import Field
from training.data.invented import Argument, Invented, Style, articled, retold, with_spare
from training.data.source import Source
from training.data.verbs import VERBS

Verbs = tuple[str, ...]
Made = tuple[dict[str, Any], Any]


@dataclass(frozen=True)
class Slot:
    """A kind of parameter: its possible names, its value and the ways to give it.

    No tool has two slots of one group, since their values could be mixed up.
    """

    group: str
    names: str
    make: Callable[[Source], Made]
    forms: tuple[str, ...]
    no_forms: tuple[str, ...] = ()


def of(field: Field) -> Callable[[Source], Made]:
    return lambda source: (field[0], field[1](source))


def options(words: str) -> Callable[[Source], Made]:
    """An enum of some of these words."""

    def make(source: Source) -> Made:
        some = source.some(words.split(), source.between(2, 4))
        return {"type": "string", "enum": some}, source.one(some)

    return make


def _id(source: Source) -> Made:
    if source.chance(0.4):
        return kinds.WHOLE, int(source.digits(1, 5))
    return kinds.TEXT, source.one((kinds.CODE[1], lambda s: s.digits(3, 5), kinds.IDENTIFIER[1]))(source)


def _title(source: Source) -> Made:
    return kinds.TEXT, source.one((source.word, source.identifier, lambda: source.words(2, 3)))()


_ENUM_FORMS = ("with {k} {v}", "with {v} {k}", "at {v} {k}", "{k} {v}", "and {k} {v}", "with a {v} {k}")
_FLAG_FORMS = ("and make it {k}", "as {k}", "and {k}", "so that it is {k}", "and it is {k}", "which is {k}")
_NO_FLAG_FORMS = ("and make it not {k}", "not {k}", "and not {k}", "so that it is not {k}", "and it is not {k}", "which is not {k}")
_FLAGS = "urgent public private recursive shared active locked visible hidden paid global daily weekly free final safe quiet fragile temporary encrypted"
_ENUMS = (
    ("priority urgency importance", "low medium high urgent normal critical"), ("size", "small medium large tiny huge"),
    ("color colour", "red blue green yellow black white purple orange"), ("format file_type", "pdf csv json html text xml markdown"),
    ("mode", "fast slow safe full quick quiet normal"), ("status state", "open closed pending done draft active"),
    ("visibility", "public private team internal"), ("quality", "low medium high best"), ("environment stage", "staging production test local"),
    ("season", "spring summer autumn winter"), ("material", "wood metal glass plastic cotton leather"), ("flavour taste", "sweet sour salty bitter spicy"),
    ("method", "mail phone letter message card cash"), ("level", "beginner advanced expert basic"), ("severity", "minor major critical info"),
    ("side position", "left right top bottom middle"), ("class category", "first second economy business standard"), ("speed", "slow medium fast turbo"),
)
SLOTS = (
    Slot("which", "id {n}_id number code reference key", _id, ("{v}", "number {v}", "{v}", "with the id {v}", "no. {v}", "with the number {v}")),
    Slot("which", "name title {n}_name label", _title, ("called {v}", "{v}", "named {v}", "with the name {v}", "by the name {v}", "{v}")),
    Slot("which", "file path file_name filename", of(kinds.PATH), ("in {v}", "from the file {v}", "in the file {v}", "{v}", "of {v}", "of the file {v}")),
    Slot("many", "count quantity copies number_of_items", of(kinds.COUNT), ("{v} times", "in a quantity of {v}", "{v} of them", "with a count of {v}", "times {v}", "and {v} of it")),
    Slot("many", "limit max max_results at_most", of(kinds.whole(1, 100)), ("at most {v}", "up to {v}", "no more than {v}", "with a limit of {v}", "limited to {v}", "at most {v} of them")),
    Slot("where", "city place location town where", of(kinds.CITY), ("in {v}", "at {v}", "in the city of {v}", "near {v}", "around {v}", "over in {v}")),
    Slot("where", "room area", of(kinds.ROOM), ("in the {v}", "for the {v}", "of the {v}", "at the {v}", "inside the {v}", "near the {v}")),
    Slot("where", "repository repo project", of(kinds.IDENTIFIER), ("in the repository {v}", "in the project {v}", "of the project {v}", "in {v}", "for the repository {v}", "on the project {v}")),
    Slot("where", "host server machine", of(kinds.HOST), ("on {v}", "on the host {v}", "at the server {v}", "on the machine {v}", "on the server {v}", "at {v}")),
    Slot("whence", "origin from source start", of(kinds.CITY), ("from {v}", "starting in {v}", "out of {v}", "coming from {v}", "starting from {v}", "beginning in {v}")),
    Slot("whence", "url link source_url web_address", of(kinds.LINK), ("from {v}", "at the link {v}", "from the link {v}", "that is at {v}", "at {v}", "with the url {v}")),
    Slot("whither", "recipient to person receiver", of(kinds.PERSON), ("to {v}", "and give it to {v}", "for {v}", "that goes to {v}", "going to {v}", "meant for {v}")),
    Slot("whither", "email to mail address recipient", of(kinds.MAIL), ("to {v}", "for {v}", "and mail it to {v}", "going to {v}", "to the address {v}", "with the email {v}")),
    Slot("whither", "destination to target goal", of(kinds.CITY), ("to {v}", "towards {v}", "going to {v}", "bound for {v}", "all the way to {v}", "as far as {v}")),
    Slot("whither", "folder directory target_folder", of(kinds.FOLDER), ("to the folder {v}", "into {v}", "into the folder {v}", "and put it in {v}", "in the directory {v}", "to the directory {v}")),
    Slot("whose", "owner user customer assignee employee", of(kinds.PERSON), ("of {v}", "for {v}", "that belongs to {v}", "owned by {v}", "belonging to {v}", "which is of {v}")),
    Slot("when", "date day on due_date", of(kinds.DATE), ("on {v}", "for {v}", "by {v}", "until {v}", "on the day {v}", "due on {v}")),
    Slot("clock", "time at hour start_time", of(kinds.CLOCK), ("at {v}", "for {v}", "at the time {v}", "around {v}", "by {v}", "at {v} sharp")),
    Slot("span", "minutes duration_minutes duration", of(kinds.MINUTES), ("for {v} minutes", "lasting {v} minutes", "in {v} minutes", "over {v} minutes", "that takes {v} minutes", "within {v} minutes")),
    Slot("span", "days day_count duration_days", of(kinds.DAYS), ("for {v} days", "in {v} days", "over {v} days", "within {v} days", "lasting {v} days", "that takes {v} days")),
    Slot("span", "seconds timeout_seconds delay_seconds", of(kinds.whole(1, 300)), ("after {v} seconds", "in {v} seconds", "within {v} seconds", "for {v} seconds", "with {v} seconds", "over {v} seconds")),
    Slot("money", "price cost amount budget", of(kinds.number(1, 900)), ("for {v} euros", "at {v} euros", "at a price of {v}", "costing {v}", "that costs {v}", "priced at {v}")),
    Slot("words", "text message content body comment", of(kinds.SPEECH), ("saying {q}", "with the text {q}", "that says {q}", "with the message {q}", "reading {q}", "with the words {q}")),
    Slot("topic", "topic subject about query keyword", of(kinds.WORDS), ("about {q}", "on the topic {q}", "on {q}", "about the subject {q}", "concerning {q}", "that is about {q}")),
    Slot("reason", "reason note why", of(kinds.SPEECH), ("because {q}", "for the reason {q}", "with the reason {q}", "the reason is {q}", "with the note {q}", "and note {q}")),
    Slot("tongue", "language lang", of(kinds.TONGUE), ("in {v}", "in the {v} language", "with {v} text", "written in {v}", "in {v} please", "with {v} as the language")),
    Slot("share", "percent level percentage", of(kinds.PERCENT), ("at {v} percent", "to {v} percent", "with {v} percent", "by {v} percent", "at a level of {v}", "up to {v} percent")),
    Slot("measure", "weight kilos weight_kg", of(kinds.number(1, 90)), ("weighing {v} kilos", "of {v} kilos", "with {v} kilos", "with a weight of {v}", "that weighs {v} kilos", "at {v} kilos")),
    Slot("measure", "radius distance radius_km", of(kinds.number(1, 90)), ("within {v} kilometers", "in a radius of {v} kilometers", "at a distance of {v}", "{v} kilometers around", "{v} kilometers away", "at {v} kilometers")),
    Slot("measure", "degrees temperature", of(kinds.number(1, 90)), ("at {v} degrees", "to {v} degrees", "with {v} degrees", "at a temperature of {v}", "of {v} degrees", "up to {v} degrees")),
    Slot("tags", "tags labels topics keywords", of(kinds.LIST), ("with the {k} {v}", "with {k} {v}", "{k}: {v}", "and the {k} {v}", "having the {k} {v}", "and {k} {v}")),
    Slot("tags", "people members guests participants", of(kinds.PEOPLE), ("with {v}", "together with {v}", "for {v}", "along with {v}", "with the {k} {v}", "and {k} {v}")),
    Slot("branch", "branch ref", of(kinds.IDENTIFIER), ("on the branch {v}", "from the branch {v}", "of the branch {v}", "on branch {v}", "at the branch {v}", "in branch {v}")),
    *(Slot("choice", names, options(words), _ENUM_FORMS) for names, words in _ENUMS),
    *(Slot("flag", flag, of(kinds.FLAG), _FLAG_FORMS, _NO_FLAG_FORMS) for flag in _FLAGS.split()),
)
GROUPS = {group: tuple(slot for slot in SLOTS if slot.group == group) for group in dict.fromkeys(slot.group for slot in SLOTS)}
GIVEN = 0.75
"""How often training gives what may be left out."""
HURRIED = 0.2
"""The share of requests in training that only list what a call needs."""
EVIDENT = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d|\S+@\S+|https?://\S+")
"""Values that tell by their form which parameter they are for: no two slots of a tool have one of these."""
NAMED = (
    "with {k} {v}", "with {k} set to {v}", "{k}: {v}", "with the {k} {v}", "({k} {v})", "{k} = {v}", "using {k} {v}", "where {k} is {v}",
    "and {k} should be {v}", "the {k} is {v}", "and {k} {v}", "the {k} should be {v}",
)
LEADS = (
    "", "please", "can you", "could you", "would you", "I want to", "I need to", "I would like to", "now", "next", "then", "help me", "let us",
    "I want you to", "I need you to", "go and", "just", "we have to", "you should", "it is time to", "do not forget to", "kindly", "could you please",
    "can you please", "first", "I have to", "we need to", "we want to", "let me", "try to", "make sure to", "your task is to", "I must", "you have to",
    "can we", "after that", "finally", "also", "remember to", "I'd like to", "I'd like you to", "would you please",
)
WHICH = ("the {n}", "a {n}", "{n}", "my {n}", "this {n}", "one {n}", "our {n}", "that {n}", "another {n}", "some {n}")
ASKS = tuple(sorted((f"{lead} {{v}} {which}".strip() for lead in LEADS for which in WHICH), key=lambda ask: zlib.crc32(ask.encode())))
TELLS = ("{v} a {n}", "{v} the {n}", "{v} {n}", "{v} one {n}", "{v} a given {n}", "{v} any {n}", "{v} the {n} of a user", "{v} a single {n}")
TAILS = (" for me", " now", " please", " right away", ", please", " today", " if you can")


def noun(source: Source) -> str:
    """What a tool is about: a thing, any word, or two nouns together."""
    roll = source.rng.random()
    if roll < 0.6:
        return source.one(source.nouns)
    if roll < 0.8:
        return f"{source.one(source.nouns)} {source.one(source.nouns)}"
    return source.one(source.things) if roll < 0.95 else source.one(source.rare)


def verbs(source: Source) -> Verbs:
    """A group of verbs of one sense."""
    return source.one(VERBS)


def near(source: Source, act: Verbs, about: str) -> tuple[Verbs, str]:
    """Another verb with the same noun, another noun with the same verb, or a noun that shares a word."""
    roll = source.rng.random()
    parts = about.split()
    if roll < 0.4:
        return verbs(source), about
    if roll < 0.6 and len(parts) == 2:
        fresh = source.one(source.nouns)
        return act, source.one((f"{parts[0]} {fresh}", f"{fresh} {parts[1]}"))
    return act, noun(source)


@dataclass(frozen=True)
class Composed:
    """A tool that does `act` to `about`, and what a request for it is made of."""

    tool: Invented
    act: Verbs
    about: str
    slots: tuple[Slot, ...]
    arguments: tuple[Argument, ...]

    def request(self, source: Source, spoken: str = "") -> tuple[str, dict[str, Any]]:
        """A request with fresh values, and the arguments that it gives."""
        share = 0.5 if source.held_out else GIVEN
        given = [at for at in range(len(self.slots)) if at < self.tool.needed or source.chance(share)]
        items = {at: _fresh(source, self.slots[at], self.arguments[at]) for at in given}
        ask = _ask(source, spoken or self.spoken(source), self.about, [(self.slots[at], item) for at, item in items.items()])
        return ask, {item.name: item.value for item in items.values()}

    def spoken(self, source: Source) -> str:
        """The verb of a request: mostly one that the tool's line has, as users look at what a tool is called."""
        shown = [verb for verb in self.act if verb in self.tool.description.lower() or verb == self.act[0]]
        return source.one(shown if source.chance(0.75) else self.act)


def composed(source: Source, style: Style, act: Verbs, about: str) -> Composed:
    """A tool put together; what tells it from others stands in its name, mostly in its description too."""
    slots = [source.one(GROUPS[group]) for group in source.some(list(GROUPS), source.rng.choices((0, 1, 2, 3, 4), (1, 5, 4, 2, 0.5))[0])]
    must = source.between(0, len(slots)) if source.chance(0.4) else len(slots)
    arguments = _arguments(source, slots, about)
    told = retold(source, articled(source.phrase(TELLS).format(v=source.one((act[0], *act)).capitalize(), n=about)))
    name = style.named(act[0], about)
    if source.chance(0.05):
        name = f"{source.letters(2, 3)}_{name}"
    elif source.chance(0.08):
        told = ""
    tool = Invented(name, told, with_spare(source, arguments), must, act[0], frozenset(about.split()))
    return Composed(tool, act, about, tuple(slots), arguments)


def _fresh(source: Source, slot: Slot, item: Argument) -> Argument:
    """The same parameter with another value of its schema."""
    if "enum" in item.schema:
        return replace(item, value=source.one(item.schema["enum"]))
    schema, value = slot.make(source)
    while schema != item.schema:
        schema, value = slot.make(source)
    return replace(item, value=value)


def _arguments(source: Source, slots: list[Slot], about: str) -> tuple[Argument, ...]:
    taken: set[str] = set()
    found = []
    for slot in slots:
        names = [name.format(n=about.replace(" ", "_")) for name in slot.names.split()]
        name = source.one([name for name in names if name not in taken] or [f"{slot.group}_{names[0]}"])
        taken.add(name)
        found.append(Argument(name, *slot.make(source)))
    return tuple(found)


def _ask(source: Source, spoken: str, about: str, given: list[tuple[Slot, Argument]]) -> str:
    """The request: verb and noun, what tells which one right behind, the rest in any order."""
    lead = source.phrase(ASKS)
    choices = [(slot, item) for slot, item in given if slot.group == "choice"]
    if choices and source.chance(0.3):
        given = [pair for pair in given if pair not in choices]
        about = f"{choices[0][1].value} {about}"
    text = articled(lead.format(v=spoken, n=about))
    order = sorted(source.shuffled(given), key=lambda pair: pair[0].group != "which")
    if not source.held_out and source.chance(HURRIED):
        return _hurried(source, f"{spoken} {about}", order)
    heads: set[str] = set()
    for slot, item in order:
        text += " " + _said(source, slot, item, heads)
    return text + source.one(TAILS) if source.chance(0.1) else text


def _hurried(source: Source, lead: str, given: list[tuple[Slot, Argument]]) -> str:
    """As one types who has no time: a list of values, bare where their form tells what they are."""
    heads: set[str] = set()
    rest = [item.shown if EVIDENT.fullmatch(item.shown) and source.chance(0.7) else _said(source, slot, item, heads) for slot, item in given]
    return source.one((lead + ": ", lead + ", ", lead + " ")) + ", ".join(rest) if rest else lead


def _said(source: Source, slot: Slot, item: Argument, heads: set[str]) -> str:
    """One argument in a request; no two begin alike, so that none is taken for another."""
    form = source.phrase(slot.no_forms if item.value is False else slot.forms)
    if form.split()[0] in heads or (source.chance(0.25) and slot.group != "flag"):
        form = source.phrase(NAMED)
    heads.add(form.split()[0])
    text = item.shown
    quoted = '"' + text + '"' if '"' not in text else f"'{text}'"
    plain = not isinstance(item.value, str) or (" " not in text and source.chance(0.7)) or slot.group in ("where", "whose", "whither", "whence")
    return form.format(k=item.name.replace("_", " "), v=text if plain else quoted, q=quoted)
