"""An invented tool: its arguments, how it is named and how it tells what it does."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from training.data.frame import Frame, spoken, stems
from training.data.frames import rivals
from training.data.source import Source
from training.data.verbs import akin, third
from training.render import Tool


@dataclass(frozen=True)
class Argument:
    """A parameter with the schema that describes it and one value."""

    name: str
    schema: dict[str, Any]
    value: Any

    @property
    def shown(self) -> str:
        return spoken(self.value)


@dataclass(frozen=True)
class Invented:
    """A tool and its arguments, of which the first `needed` are required.

    What it does is `act` (the first verb of a group) to `about`, or what its frame does, with `others` for
    some of its words.
    """

    name: str
    description: str
    arguments: tuple[Argument, ...]
    needed: int
    act: str = ""
    about: frozenset[str] = frozenset()
    frame: Frame | None = None
    others: dict[str, str] = field(default_factory=dict)

    @property
    def tool(self) -> Tool:
        properties = {argument.name: argument.schema for argument in self.arguments}
        required = [argument.name for argument in self.arguments[: self.needed]]
        parameters = {"type": "object", "properties": properties, "required": required}
        function = {"name": self.name, "description": self.description, "parameters": parameters}
        return {"type": "function", "function": function}

    def clashes(self, other: Invented) -> bool:
        """Whether a request for the one could be meant for the other."""
        if self.name == other.name or self.description.lower() == other.description.lower() != "":
            return True
        if self.frame and other.frame:
            return rivals(self.frame.name, other.frame.name)
        if self.frame or other.frame:
            framed, free = (self, other) if self.frame else (other, self)
            return bool(framed.frame and framed.frame.stems & stems(" ".join(free.about)))
        return akin(self.act, other.act) and (self.about <= other.about or other.about <= self.about)


@dataclass(frozen=True)
class Style:
    """How the tools of one set are named."""

    case: str
    noun_first: bool = False

    @classmethod
    def any(cls, source: Source) -> Style:
        cases = ("snake", "snake", "snake", "snake", "camel", "kebab", "dot", "pascal")
        return cls(source.one(cases), source.chance(0.15))

    def named(self, verb: str, noun: str) -> str:
        words = [noun, verb] if self.noun_first else [verb, noun]
        parts = " ".join(words).replace("_", " ").split()
        if self.case == "pascal":
            return "".join(part.capitalize() for part in parts)
        if self.case == "camel":
            return parts[0] + "".join(part.capitalize() for part in parts[1:])
        return {"snake": "_", "kebab": "-", "dot": "."}[self.case].join(parts)


TELLINGS = (
    "{one}", "{this}", "Use this to {do}", "Tool to {do}", "A tool that {does}", "Lets you {do}", "Can {do}", "This tool {does}",
    "Allows you to {do}", "{do}", "Used to {do}", "Call this to {do}",
)


def retold(source: Source, description: str) -> str:
    """A description that begins with a verb, as other authors would write it."""
    form = "{one}" if source.chance(0.5) else source.phrase(TELLINGS)
    do = description[:1].lower() + description[1:]
    does = third(do)
    told = form.format(one=description, this=does[:1].upper() + does[1:], do=do, does=does)
    return told + source.one((".", ". Returns JSON.", ". Ask first.")) if source.chance(0.15) else told


def articled(text: str) -> str:
    """`a` before a vowel becomes `an`."""
    return re.sub(r"\b([Aa]) (?=[aeio]|u(?!se|ni|ti))", r"\1n ", text)


SPARE = (
    "verbose", "timeout", "locale", "dry_run", "debug", "retries", "cache", "trace_id", "tenant", "api_version", "callback_url", "page",
    "page_size", "cursor", "fields", "sort_by", "offset", "strict", "silent", "wait", "encoding", "extra",
)
KINDS: tuple[dict[str, Any], ...] = ({"type": "string"}, {"type": "integer"}, {"type": "boolean"}, {"type": "number"})


def with_spare(source: Source, arguments: tuple[Argument, ...]) -> tuple[Argument, ...]:
    """Now and then optional parameters that no request names."""
    if not source.chance(0.15):
        return arguments
    taken = {argument.name for argument in arguments}
    names = [name for name in source.some(SPARE, source.between(1, 2)) if name not in taken]
    return (*arguments, *(Argument(name, source.one(KINDS), None) for name in names))
