"""Edits a JSON file as a person left it: comments, order, indentation and line ends stay. Pure.

Reads JSONC: JSON with `//` and `/* */` comments and trailing commas. Of two equal keys the last
counts. OpenCode puts the text of `{env:NAME}` and `{file:PATH}` in their place before it reads the
rest, so one without quotes may stand for any value: here it is a string of itself.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from swarm.errors import ConfigurationError

Json: TypeAlias = Any

_BLANK = re.compile(r"(?:[\s\ufeff]|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_PLAIN = re.compile(r"true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_REFERENCE = re.compile(r"\{(?:env|file):[^}\n]+\}")
_REST_OF_LINE = re.compile(r"[ \t]*(?:/\*[^\n]*?\*/[ \t]*)*(?://[^\n\r]*)?")
_DEEPEST = 100


@dataclass(slots=True)
class _Node:
    """A value and where it stands; `keys` is None unless it is an object.

    `comma` is the end of a trailing comma, if there is one.
    """

    start: int
    end: int = 0
    keys: list[str] | None = None
    members: "list[_Node]" = field(default_factory=list["_Node"])
    member_starts: list[int] = field(default_factory=list[int])
    comma: int | None = None
    value: Json = None


def parse(text: str) -> Json:
    """The value of a JSONC text. Raises ConfigurationError that says where it is wrong."""
    return _Reader(text).document().value


def put(text: str, path: Sequence[str], value: Json) -> str:
    """The text with `value` at `path`; objects on the way are made where they are not there."""
    root = _Reader(text).document()
    node, depth = _deepest(root, path)
    if depth == len(path):
        if node.value == value and type(node.value) is type(value):
            return text
        return text[: node.start] + _written(text, value, node.start) + text[node.end :]
    if node.keys is None:
        where = ".".join(path[:depth]) or "the file"
        raise ConfigurationError(f"{where} is not an object, so it can have no {path[depth]!r}")
    for step in reversed(path[depth + 1 :]):
        value = {step: value}
    return _with_member(text, node, json.dumps(path[depth], ensure_ascii=False) + ": ", value)


def append(text: str, path: Sequence[str], value: Json) -> str:
    """The text with `value` at the end of the list at `path`."""
    node, depth = _deepest(_Reader(text).document(), path)
    if depth < len(path) or not isinstance(node.value, list):
        raise ConfigurationError(f"{'.'.join(path)} is not a list")
    return _with_member(text, node, "", value)


def _deepest(node: _Node, path: Sequence[str]) -> tuple[_Node, int]:
    """The value at the longest beginning of a path that is there, and that length."""
    for depth, step in enumerate(path):
        if not node.keys or step not in node.keys:
            return node, depth
        last = len(node.keys) - 1 - node.keys[::-1].index(step)
        node = node.members[last]
    return node, len(path)


def _with_member(text: str, node: _Node, key: str, value: Json) -> str:
    """The text with one more member behind the others, in the style of the last one."""
    if not node.members:
        return _first_member(text, node, key, value)
    last, end = node.member_starts[-1], node.members[-1].end
    line = text[text.rfind("\n", 0, last) + 1 : last]
    if line.strip():  # the members share a line
        at = node.comma or end
        comma = " " if node.comma else ", "
        return text[:at] + comma + key + _written(text, value, last) + text[at:]
    after = node.comma or end
    rest = _REST_OF_LINE.match(text, after)
    at = rest.end() if rest else after
    added = f"{_newline(text)}{line}{key}{_written(text, value, last)}"
    if node.comma:
        return text[:at] + added + "," + text[at:]
    return text[:end] + "," + text[end:at] + added + text[at:]


def _first_member(text: str, node: _Node, key: str, value: Json) -> str:
    newline, indent = _newline(text), _indent_at(text, node.start)
    inner = indent + _unit(text)
    body = text[node.start + 1 : node.end - 1].rstrip()
    written = _dump(value, _unit(text), inner, newline)
    closing = f"{newline}{indent}{text[node.end - 1]}"
    added = f"{body}{newline}{inner}{key}{written}{closing}"
    return text[: node.start + 1] + added + text[node.end :]


def _written(text: str, value: Json, at: int) -> str:
    return _dump(value, _unit(text), _indent_at(text, at), _newline(text))


def _dump(value: Json, unit: str, indent: str, newline: str) -> str:
    lines = json.dumps(value, indent=unit, ensure_ascii=False).split("\n")
    return (newline + indent).join(lines)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _indent_at(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _unit(text: str) -> str:
    """One step of the file's indentation; two blanks where it shows none."""
    found = re.search(r"^[ \t]+(?=\")", text, re.MULTILINE)
    return found.group() if found and len(found.group()) <= 8 else "  "


class _Reader:
    """A recursive descent through a JSONC text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def document(self) -> _Node:
        self._skip()
        node = self._value(0)
        self._skip()
        if self._at < len(self._text):
            raise self._wrong("something follows the value")
        return node

    def _value(self, depth: int) -> _Node:
        if depth > _DEEPEST:
            raise self._wrong("it is nested too deeply")
        opening = self._text[self._at : self._at + 1]
        if found := _REFERENCE.match(self._text, self._at):
            self._at = found.end()
            return _Node(found.start(), found.end(), value=found.group())
        if opening == "{":
            return self._object(depth)
        if opening == "[":
            return self._list(depth)
        node = _Node(self._at)
        node.value = self._scalar()
        node.end = self._at
        return node

    def _scalar(self) -> Json:
        found = _STRING.match(self._text, self._at) or _PLAIN.match(self._text, self._at)
        if found is None:
            raise self._wrong("a value was expected")
        try:
            value = json.loads(found.group())
        except ValueError as error:
            raise self._wrong(str(error)) from None
        self._at = found.end()
        return value

    def _object(self, depth: int) -> _Node:
        keys: list[str] = []
        node = _Node(self._at, keys=keys, value={})
        for start in self._starts(node, "}"):
            key = self._scalar()
            if not isinstance(key, str):
                raise self._wrong("a key in double quotes was expected")
            self._skip()
            self._expect(":")
            self._skip()
            member = self._value(depth + 1)
            self._add(node, start, member)
            keys.append(key)
            node.value[key] = member.value
        return node

    def _list(self, depth: int) -> _Node:
        node = _Node(self._at, value=[])
        for start in self._starts(node, "]"):
            member = self._value(depth + 1)
            self._add(node, start, member)
            node.value.append(member.value)
        return node

    @staticmethod
    def _add(node: _Node, start: int, member: _Node) -> None:
        node.members.append(member)
        node.member_starts.append(start)

    def _starts(self, node: _Node, closing: str) -> Iterator[int]:
        """Where each member begins; afterwards the node's end is known."""
        self._at += 1
        self._skip()
        while self._text[self._at : self._at + 1] != closing:
            if node.members and node.comma is None:
                raise self._wrong(f"',' or '{closing}' was expected")
            node.comma = None
            yield self._at
            self._skip()
            if self._text[self._at : self._at + 1] == ",":
                self._at += 1
                node.comma = self._at
                self._skip()
        self._at += 1
        node.end = self._at

    def _expect(self, mark: str) -> None:
        if self._text[self._at : self._at + 1] != mark:
            raise self._wrong(f"'{mark}' was expected")
        self._at += 1

    def _skip(self) -> None:
        found = _BLANK.match(self._text, self._at)
        if found is not None:
            self._at = found.end()

    def _wrong(self, what: str) -> ConfigurationError:
        line = self._text.count("\n", 0, self._at) + 1
        column = self._at - self._text.rfind("\n", 0, self._at)
        return ConfigurationError(f"line {line}, column {column}: {what}")
