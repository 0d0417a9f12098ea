"""What a tool of a known kind is, and the kinds of fields that it can have."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from training.data.source import Source

Field = tuple[dict[str, Any], Callable[[Source], Any]]
TEXT: dict[str, Any] = {"type": "string"}
WHOLE: dict[str, Any] = {"type": "integer"}
NUMBER: dict[str, Any] = {"type": "number"}
STEM = 5
"""Letters that tell a word, whatever its ending."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A tool of a known kind; each ask names the fields that it gives, in braces.

    `spoken` has the words that an ask shows for a boolean: for false and for true.
    """

    name: str
    description: str
    fields: dict[str, Field]
    asks: tuple[str, ...]
    optional: tuple[str, ...] = ()
    spoken: dict[str, tuple[str, str]] = field(default_factory=dict)

    @cached_property
    def kindred_asks(self) -> tuple[str, ...]:
        """The asks that share a word with the name or the description."""
        kindred = tuple(ask for ask in self.asks if stems(without_fields(ask)) & self.stems)
        return kindred or self.asks

    @cached_property
    def fullest_asks(self) -> tuple[str, ...]:
        """The asks that give most fields."""
        most = max(ask.count("{") for ask in self.asks)
        return tuple(ask for ask in self.asks if ask.count("{") == most)

    @cached_property
    def stems(self) -> frozenset[str]:
        """The beginnings of the words that the name and the description have."""
        return stems(f"{self.name} {self.description}")

    def shown(self, name: str, value: Any) -> str:
        """A field's value as an ask says it."""
        if isinstance(value, bool):
            return self.spoken[name][value]
        return spoken(value)


def without_fields(ask: str) -> str:
    return re.sub(r"{.*?}", " ", ask)


def stems(text: str) -> frozenset[str]:
    """The beginnings of a text's words, those that say nothing left out."""
    words = re.findall("[a-z]{4,}", text.lower())
    return frozenset(word[:STEM] for word in words if word not in ("into", "with", "from", "that", "what", "about"))


def spoken(value: Any) -> str:
    """A value as a request says it: lists as prose, booleans as JSON has them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(value[:-1]) + " and " * (len(value) > 1) + value[-1]
    return str(value)


def choice(*options: str) -> Field:
    return {"type": "string", "enum": list(options)}, lambda source: source.one(options)


def whole(low: int, high: int) -> Field:
    return WHOLE, lambda source: source.between(low, high)


def number(low: int, high: int) -> Field:
    """A number of at most one decimal."""
    return NUMBER, lambda source: source.between(low, high - 1) + source.one((0, 0.5, 0.2, 0.8)) if source.chance(0.5) else source.between(low, high)


def one_of(text: str) -> Field:
    """A free string that takes one of some words."""
    options = tuple(text.split())
    return TEXT, lambda source: source.one(options)


CITY: Field = (TEXT, Source.city)
PERSON: Field = (TEXT, Source.name)
WORDS: Field = (TEXT, lambda source: source.words(2, 4))
WORD: Field = (TEXT, Source.word)
SPEECH: Field = (TEXT, Source.sentence)
MAIL: Field = (TEXT, Source.mail)
DATE: Field = (TEXT, Source.date)
CLOCK: Field = (TEXT, Source.clock)
FILE: Field = (TEXT, Source.file_name)
PATH: Field = (TEXT, Source.relative_path)
FOLDER: Field = (TEXT, Source.folder)
LINK: Field = (TEXT, Source.url)
IDENTIFIER: Field = (TEXT, Source.identifier)
FLAG: Field = ({"type": "boolean"}, lambda source: source.chance(0.5))
LIST: Field = (
    {"type": "array", "items": TEXT},
    lambda source: list(dict.fromkeys(source.word() for _ in range(source.between(2, 4)))),
)
PEOPLE: Field = (
    {"type": "array", "items": TEXT},
    lambda source: list(dict.fromkeys(source.name() for _ in range(source.between(2, 3)))),
)
MINUTES: Field = whole(1, 90)
DAYS: Field = whole(1, 30)
PERCENT: Field = whole(0, 100)
AMOUNT: Field = (NUMBER, lambda source: source.between(1, 9999))
COUNT: Field = whole(1, 20)
NUMBER_ID: Field = whole(1, 9999)
CODE: Field = (TEXT, lambda source: source.letters(2, 4).upper() + source.digits(2, 4))
HOST: Field = (TEXT, lambda source: f"{source.word()}.{source.one(('com', 'org', 'net', 'local'))}")
ADDRESS: Field = (TEXT, lambda source: ".".join(str(source.between(1, 254)) for _ in range(4)))
PHONE: Field = (TEXT, lambda source: "+" + source.digits(9, 11))
MONEY: Field = one_of("USD EUR GBP JPY CHF SEK INR BRL")
TONGUE: Field = one_of("French German Spanish Italian Dutch Polish")
ROOM: Field = one_of("kitchen bedroom hall office garage bathroom")
WEEKDAY: Field = one_of("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
RANK: Field = choice("low", "medium", "high")
