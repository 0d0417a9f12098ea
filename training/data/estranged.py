"""Tools of known kinds about other things: what is known by heart cannot be called, what the line says can.

A frame's words that its line and its requests share become others, in both alike. What is left is the form of the
request: which part of it is a value, and for which field.
"""

from __future__ import annotations

import re
from dataclasses import replace

from training.data.frame import STEM, Frame, stems, without_fields
from training.data.source import Source
from training.data.verbs import VERB_WORDS

WORDS = re.compile(r"{.*?}|[A-Za-z]+")
LONG = re.compile("[a-z]{4,}")
LONG_VERBS = tuple(filter(LONG.fullmatch, VERB_WORDS))


def strangers(source: Source, frame: Frame) -> dict[str, str]:
    """For the words that the frame's line and its requests share, by their stems, others; none where two would be alike."""
    told = stems(without_fields(" ".join(frame.asks))) & frame.stems
    verb = frame.name.split()[0][:STEM]
    nouns = tuple(noun for noun in source.nouns if LONG.fullmatch(noun) and noun not in frame.fields)
    others = {stem: source.one(LONG_VERBS if stem == verb else nouns) for stem in sorted(told)}
    return others if len(set(others.values())) == len(others) else {}


def estranged(frame: Frame, others: dict[str, str]) -> Frame:
    """The frame with other words for what it is about, and only the requests that have one of them."""
    if not others:
        return frame

    def word(match: re.Match[str]) -> str:
        old = match[0]
        if old.startswith("{"):
            return "{" + field(old[1:-1]) + "}"
        new = others.get(old.lower()[:STEM])
        return old if new is None else new.capitalize() if old[0].isupper() else new

    def field(name: str) -> str:
        return others.get(name[:STEM], name) if name.isalpha() else name

    return replace(
        frame,
        name=WORDS.sub(word, frame.name),
        description=WORDS.sub(word, frame.description),
        fields={field(name): kind for name, kind in frame.fields.items()},
        asks=tuple(WORDS.sub(word, ask) for ask in frame.asks if stems(without_fields(ask)) & others.keys()),
        optional=tuple(map(field, frame.optional)),
        spoken={field(name): words for name, words in frame.spoken.items()},
    )
