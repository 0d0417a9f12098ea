"""Small records with sentences, questions and keys: the ground for answers, JSON and summaries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from training.data import words
from training.data.source import Source


@dataclass(frozen=True)
class Property:
    """One property: how a text states it, how it is asked for, and its kind in JSON."""

    kind: str
    draw: Callable[[Source], Any]
    says: tuple[str, ...]
    asks: tuple[str, ...]
    answer: str


def _job(source: Source) -> str:
    return source.one(words.JOBS)


PERSON: dict[str, Property] = {
    "age": Property("integer", lambda s: s.between(18, 90), ("{n} is {v} years old.", "{n} is {v}.", "The age of {n} is {v}."),
                    ("How old is {n}?", "What is the age of {n}?", "What age has {n}?", "Tell me the age of {n}.",
                     "{n} is how old?", "Which age does {n} have?"), "{n} is {v} years old."),
    "city": Property("string", Source.city, ("{n} lives in {v}.", "{n} is from {v}.", "The home of {n} is {v}."),
                     ("Where does {n} live?", "In which city does {n} live?", "Where is {n} from?", "What is the city of {n}?",
                      "What is the home of {n}?", "Which city does {n} live in?"), "{n} lives in {v}."),
    "job": Property("string", _job, ("{n} works as a {v}.", "{n} is a {v}.", "The job of {n} is {v}."),
                    ("What is the job of {n}?", "What does {n} do?", "What does {n} work as?", "Which job does {n} have?",
                     "What is {n}'s job?", "What is {n}'s profession?"), "{n} works as a {v}."),
    "color": Property("string", Source.colour, ("{n} likes {v}.", "The favourite color of {n} is {v}."),
                      ("Which color does {n} like?", "What is the favourite color of {n}?", "What color does {n} prefer?",
                       "What is {n}'s favourite color?", "Tell me the color that {n} likes.", "Which colour is {n}'s favourite?"), "{n} likes {v}."),
    "email": Property("string", Source.mail, ("The email of {n} is {v}.", "{n} can be reached at {v}."),
                      ("What is the email of {n}?", "How can I reach {n}?", "What is {n}'s email?", "Give me the email of {n}.",
                       "What is the mail address of {n}?", "Which email does {n} use?"), "The email of {n} is {v}."),
    "pet": Property("string", lambda s: s.one(("dog", "cat", "horse", "rabbit", "bird", "hamster", "parrot")),
                    ("{n} has a {v}.", "The pet of {n} is a {v}."),
                    ("Which pet does {n} have?", "What is the pet of {n}?", "What animal does {n} have?", "What is {n}'s pet?",
                     "Which animal belongs to {n}?", "What pet does {n} own?"), "{n} has a {v}."),
}
PRODUCT: dict[str, Property] = {
    "price": Property("integer", lambda s: s.between(1, 9999), ("The {n} costs {v} dollars.", "The price of the {n} is {v} dollars."),
                      ("How much is the {n}?", "What does the {n} cost?", "What is the price of the {n}?", "How expensive is the {n}?",
                       "How much does the {n} cost?", "Which price has the {n}?"), "The {n} costs {v} dollars."),
    "color": Property("string", Source.colour, ("The {n} is {v}.", "The color of the {n} is {v}."),
                      ("Which color is the {n}?", "What color does the {n} have?", "What is the color of the {n}?",
                       "Tell me the color of the {n}.", "The {n} has which color?", "What colour is the {n}?"), "The {n} is {v}."),
    "weight": Property("integer", lambda s: s.between(1, 500), ("The {n} weighs {v} kg.", "The weight of the {n} is {v} kg."),
                       ("How heavy is the {n}?", "What does the {n} weigh?", "What is the weight of the {n}?", "How much does the {n} weigh?",
                        "Tell me the weight of the {n}.", "Which weight has the {n}?"), "The {n} weighs {v} kg."),
    "place": Property("string", lambda s: s.one(("kitchen", "garden", "cellar", "office", "attic", "hall", "garage")),
                      ("The {n} is in the {v}.", "The {n} stands in the {v}."),
                      ("Where is the {n}?", "In which room is the {n}?", "Where can I find the {n}?", "Where does the {n} stand?",
                       "What is the place of the {n}?", "Where did you see the {n}?"), "The {n} is in the {v}."),
    "owner": Property("string", lambda s: s.one(s.first_names), ("The {n} belongs to {v}.", "The owner of the {n} is {v}."),
                      ("Who owns the {n}?", "Whose is the {n}?", "Who has the {n}?", "Who is the owner of the {n}?",
                       "To whom does the {n} belong?", "Who does the {n} belong to?"), "The {n} belongs to {v}."),
}
EVENT: dict[str, Property] = {
    "date": Property("string", Source.date, ("The {n} is on {v}.", "The date of the {n} is {v}."),
                     ("When is the {n}?", "On which day is the {n}?", "What is the date of the {n}?", "Which date has the {n}?",
                      "Tell me the date of the {n}.", "What day is the {n}?"), "The {n} is on {v}."),
    "time": Property("string", Source.clock, ("The {n} starts at {v}.", "The {n} begins at {v}."),
                     ("At what time does the {n} start?", "When does the {n} begin?", "What time is the {n}?", "At which hour is the {n}?",
                      "When does the {n} start?", "What is the time of the {n}?"), "The {n} starts at {v}."),
    "city": Property("string", Source.city, ("The {n} takes place in {v}.", "The {n} is held in {v}."),
                     ("Where is the {n}?", "In which city is the {n}?", "Where does the {n} take place?", "What is the place of the {n}?",
                      "Which city hosts the {n}?", "Where is the {n} held?"), "The {n} takes place in {v}."),
    "guests": Property("integer", lambda s: s.between(2, 900), ("{v} people come to the {n}.", "The {n} has {v} guests."),
                       ("How many people come to the {n}?", "How many guests has the {n}?", "How many come to the {n}?", "What is the number of guests of the {n}?",
                        "How big is the {n}?", "How many guests does the {n} have?"), "{v} people come to the {n}."),
}
KINDS: tuple[tuple[str, dict[str, Property]], ...] = (("name", PERSON), ("item", PRODUCT), ("event", EVENT))
EVENTS = ("meeting", "party", "concert", "dinner", "wedding", "workshop", "lecture", "race", "fair", "picnic")


@dataclass(frozen=True)
class Record:
    """A thing with a name and some properties."""

    label: str
    name: str
    table: dict[str, Property]
    values: dict[str, Any]

    def state(self, source: Source, key: str) -> str:
        return source.one(self.table[key].says).format(n=self.name, v=self.values[key])

    def ask(self, source: Source, key: str) -> str:
        return source.phrase(self.table[key].asks).format(n=self.name)

    def answer(self, key: str) -> str:
        return self.table[key].answer.format(n=self.name, v=self.values[key])


def record(source: Source, *, most: int = 4) -> Record:
    """A fresh record with one to `most` properties."""
    label, table = source.one(KINDS)
    names = {"name": source.name, "item": source.word, "event": lambda: source.one(EVENTS)}
    keys = source.some(list(table), source.between(1, most))
    return Record(label, names[label](), table, {key: table[key].draw(source) for key in keys})


def records(source: Source, count: int) -> list[Record]:
    """Records with different names."""
    found: dict[str, Record] = {}
    while len(found) < count:
        item = record(source)
        found.setdefault(item.name, item)
    return list(found.values())


def told(source: Source, items: list[Record]) -> str:
    """All that the records say, as prose, mixed or one after another."""
    lines = [item.state(source, key) for item in items for key in item.values]
    if source.chance(0.3):
        lines = source.shuffled(lines)
    return source.one((" ", " ", "\n")).join(lines)
