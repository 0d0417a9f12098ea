"""A seeded source of values and phrasings; the held-out side never meets the training side."""

from __future__ import annotations

import random
import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

from training.data import words
from training.data.nouns import NOUNS
from training.render import Message, Tool

T = TypeVar("T")
PHRASE_SHARE = 6
FUSED = 0.25
"""Below this and above what is of daily life: words made of tokens, in training alone."""


@dataclass
class Conversation:
    """One document: what is rendered, and how evaluation judges its assistant turns."""

    slice: str
    messages: list[Message]
    tools: list[Tool] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


@lru_cache(maxsize=4096)
def withheld_phrases(options: tuple[object, ...]) -> frozenset[int]:
    """The places of the phrasings that only evaluation uses.

    A phrasing is held out whole, its words are not: a model of this size knows no word that
    training has not shown it. So each six give away the one whose words the others share most.
    """
    counts = Counter(word for option in options for word in _words(option))

    def alone(at: int) -> tuple[int, int]:
        return sum(counts[word] < 2 for word in _words(options[at])), -at

    starts = range(0, len(options) - PHRASE_SHARE + 1, PHRASE_SHARE)
    return frozenset(min(range(start, start + PHRASE_SHARE), key=alone) for start in starts)


def _words(option: object) -> set[str]:
    return set(re.findall(r"[A-Za-z]+", option)) if isinstance(option, str) else set()


class Source:
    """Draws everything that a generator needs from one random stream."""

    def __init__(self, seed: int | str, *, held_out: bool, brief: bool = False) -> None:
        self.rng = random.Random(seed)
        self.held_out = held_out
        self.brief = brief
        self.things = self._side(words.THINGS)
        self.nouns = self._side(NOUNS)
        self.first_names = self._side(words.FIRST_NAMES)
        self.surnames = self._side(words.SURNAMES)
        self.cities = self._side(words.CITIES)
        self.stems = self._side(words.FILE_STEMS)
        self.rare = self._side(words.reference_words())
        self.sentences = self._side(words.reference_sentences())
        self.pieces = words.token_letters()

    def _side(self, options: Sequence[str]) -> tuple[str, ...]:
        return words.divided(tuple(options), held_out=self.held_out)

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def between(self, low: int, high: int) -> int:
        return self.rng.randint(low, high)

    def one(self, options: Sequence[T]) -> T:
        return self.rng.choice(options)

    def some(self, options: Sequence[T], count: int) -> list[T]:
        return self.rng.sample(options, min(count, len(options)))

    def shuffled(self, options: Sequence[T]) -> list[T]:
        return self.rng.sample(options, len(options))

    def phrase(self, options: Sequence[T]) -> T:
        """One of a list of phrasings: one of every six belongs to evaluation alone."""
        return self.one(self.phrases(options))

    def phrases(self, options: Sequence[T]) -> Sequence[T]:
        """The phrasings that this side may use; all of fewer than six."""
        if len(options) < PHRASE_SHARE:
            return options
        withheld = withheld_phrases(tuple(options))
        return [o for at, o in enumerate(options) if (at in withheld) == self.held_out]

    def letters(self, low: int, high: int) -> str:
        return "".join(self.rng.choices(string.ascii_lowercase, k=self.between(low, high)))

    def syllables(self, low: int, high: int) -> str:
        pairs = (self.one("bcdfghjklmnprstvwz") + self.one("aeiou") for _ in range(high))
        return "".join(list(pairs)[: self.between(low, high)])

    def digits(self, low: int, high: int) -> str:
        first = self.one("123456789")
        return first + "".join(self.rng.choices("0123456789", k=self.between(low, high) - 1))

    def word(self) -> str:
        """A word: of daily life, of the reference, of tokens, of syllables or of random letters."""
        roll = self.rng.random()
        if roll < 0.15:
            return self.one(self.things)
        if roll < 0.8:
            return self.fused() if roll < FUSED and not self.held_out else self.one(self.rare)
        return self.syllables(2, 4) if roll < 0.95 else self.letters(3, 8)

    def fused(self) -> str:
        """Two or three tokens as one word: a token that training never shows cannot be copied."""
        return "".join(self.one(self.pieces) for _ in range(self.between(2, 3)))

    def words(self, low: int, high: int) -> str:
        return " ".join(self.word() for _ in range(self.between(low, high)))

    def name(self) -> str:
        first = self.one(self.first_names)
        return first if self.chance(0.7) else f"{first} {self.one(self.surnames)}"

    def city(self) -> str:
        return self.one(self.cities)

    def colour(self) -> str:
        return self.one(words.COLOURS)

    def identifier(self) -> str:
        """A name such as code has: snake, camel, kebab, upper, with or without digits."""
        parts = [self.word() for _ in range(self.between(1, 3))]
        style = self.rng.random()
        if style < 0.4:
            return "_".join(parts)
        if style < 0.6:
            return parts[0] + "".join(part.capitalize() for part in parts[1:])
        if style < 0.75:
            return "-".join(parts)
        if style < 0.85:
            return "_".join(parts).upper()
        return parts[0] + self.digits(1, 3)

    def stem(self) -> str:
        roll = self.rng.random()
        if roll < 0.45:
            return self.one(self.stems)
        if roll < 0.75:
            return self.word()
        if roll < 0.9:
            return self.identifier()
        return self.letters(1, 5) + self.digits(1, 3)

    def file_name(self) -> str:
        stem = self.stem()
        stem = stem.upper() if self.chance(0.05) else stem
        if self.chance(0.05):
            return stem
        ext = self.one(words.EXTENSIONS[:6] if self.chance(0.6) else words.EXTENSIONS)
        return f"{stem}.{ext}"

    def folder(self) -> str:
        return self.one(words.FOLDERS) if self.chance(0.6) else self.word()

    def relative_path(self) -> str:
        depth = self.rng.choices((0, 1, 2), (6, 3, 1))[0]
        return "/".join([*(self.folder() for _ in range(depth)), self.file_name()])

    def root(self) -> str:
        """An absolute folder as machines have them."""
        user = self.one(self.first_names).lower() if self.chance(0.7) else self.word()
        heads = (f"/home/{user}", f"/Users/{user}", "/tmp", "/workspace", "/srv", "/opt", "/root")
        head = self.one(heads)
        tails = [self.stem() if self.chance(0.6) else self.folder()]
        if self.chance(0.4):
            tails.insert(0, self.one(("projects", "code", "dev", "work", "repos", "git")))
        if self.chance(0.1):
            tails.append(self.letters(4, 8))
        return "/".join([head, *tails])

    def mail(self) -> str:
        user = self.one((self.one(self.first_names).lower(), self.word(), self.syllables(2, 3)))
        return f"{user}{self.one(('', self.digits(1, 2)))}@{self.word()}.{self.one(('com', 'org', 'net', 'io'))}"

    def url(self) -> str:
        host = self.one((f"{self.word()}.com", f"www.{self.word()}.org", f"docs.{self.word()}.io"))
        path = "/".join(self.word() for _ in range(self.between(0, 2)))
        return f"{self.one(('https', 'https', 'http'))}://{host}/{path}".rstrip("/")

    def date(self) -> str:
        return f"20{self.between(10, 39)}-{self.between(1, 12):02}-{self.between(1, 28):02}"

    def day(self) -> str:
        """A date in words, as JavaScript writes it."""
        weekday, month = self.one("Sun Mon Tue Wed Thu Fri Sat".split()), self.one("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())
        return f"{weekday} {month} {self.between(1, 28):02} 20{self.between(24, 39)}"

    def clock(self) -> str:
        return f"{self.between(0, 23):02}:{self.one(('00', '15', '30', '45', '05', '10'))}"

    def sentence(self) -> str:
        """A short plain sentence to copy as text."""
        roll = self.rng.random()
        if roll < 0.4:
            text = f"{self.words(2, 7)}"
            return text.capitalize() + self.one((".", "", "!", "."))
        if roll < 0.6:
            return f"{self.name()} {self.one(('likes', 'has', 'sees', 'needs'))} the {self.word()}."
        if roll < 0.8:
            return self.one(("Hello ", "Hi ", "Hello, ", "Dear ")) + self.name() + self.one("!. ,").strip()
        return self.one(self.sentences)[:80].strip()

    def odd(self) -> str:
        """A string with accents, emoji, other scripts or any byte of ASCII."""
        roll = self.rng.random()
        if roll < 0.4:
            return " ".join([self.word(), self.one(words.EMOJI_AND_ACCENTS), self.word()])
        if roll < 0.6:
            return "".join(chr(self.between(0xA1, 0x24F)) for _ in range(self.between(2, 6)))
        if roll < 0.7:
            starts = (0x4E00, 0x3041, 0xAC00, 0x410, 0x1F600)
            start = self.one(starts)
            return "".join(chr(start + self.between(0, 40)) for _ in range(self.between(2, 5)))
        marks = "!#$%&'()*+,-./:;<=>?@[]^_`{|}~"
        return self.word() + "".join(self.rng.choices(marks, k=self.between(1, 4))) + self.word()

    def value(self) -> str:
        """Anything that a user may want copied on one line, mostly plain."""
        plain = (
            self.word, self.identifier, self.file_name, self.name, self.sentence, self.sentence,
            lambda: self.words(2, 4), lambda: self.digits(1, 5), self.mail, self.date,
        )
        odd = (self.odd, self.url, self.clock, self.relative_path, lambda: self.letters(2, 12))
        return self.one(odd if self.chance(0.15) else plain)()
