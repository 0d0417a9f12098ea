"""Calls of tools as parsers of every format hand them out, and the JSON that they are made of."""

import json
from dataclasses import dataclass
from typing import Any

HEAD_CHARACTERS = 1024
"""A call comes to its arguments within this many characters, or it is judged as a whole."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call begins; `arguments` is as much of their JSON text as is known, often nothing."""

    name: str
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Arguments:
    """More of the JSON text of the last call's arguments, as the model writes it."""

    text: str


def strict_json(text: str) -> Any:
    """The value of a JSON text. Raises ValueError, for NaN and its like too, or RecursionError."""
    return json.loads(text, parse_constant=_refuse_constant)


def is_json(text: str) -> bool:
    """Whether a text is JSON, as `strict_json` reads it."""
    try:
        strict_json(text)
    except (ValueError, RecursionError):
        return False
    return True


def is_object(text: str) -> bool:
    """Whether a text is a JSON object, as arguments are, whatever a schema says of it."""
    try:
        return isinstance(strict_json(text), dict)
    except (ValueError, RecursionError):
        return False


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def string_of(text: str) -> str:
    """The string of a JSON text, nothing where it is none."""
    try:
        return str(json.loads(text))
    except ValueError:
        return ""
