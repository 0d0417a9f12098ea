"""The files beneath a folder, without what Git ignores. Links are not followed."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from pathspec import GitIgnoreSpec

from tools.errors import ToolError, ToolFailed
from tools.rules import spec_of_file
from tools.workspace import Entry, Workspace

_RULES = ".gitignore"
_RULES_BYTES = 1 << 20
_DEPTH = 64
_ALWAYS_LEFT_OUT = frozenset({".git"})


@dataclass(frozen=True, slots=True)
class Found:
    """A file: its path from the workspace's root, and what the folder says of it."""

    path: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class _Rules:
    """Patterns that hold for the paths beneath a folder, to which `way` leads from their own."""

    folder: str
    spec: GitIgnoreSpec
    way: str = ""

    def ignore(self, path: str, *, is_folder: bool) -> bool | None:
        """Yes, no (taken in again by `!`), or nothing said."""
        inner = path.removeprefix(f"{self.folder}/") if self.folder != "." else path
        return self.spec.check_file(f"{self.way}{inner}{'/' if is_folder else ''}").include


def walk(workspace: Workspace, start: str, *, deadline: float) -> Iterator[Found]:
    """Files by folder, then name. Raises ToolFailed past the deadline (time.monotonic)."""
    base = workspace.relative(start)
    stack: list[tuple[str, tuple[_Rules, ...]]] = [(base, _above(workspace, base))]
    while stack:
        folder, rules = stack.pop()
        if time.monotonic() > deadline:
            raise ToolFailed("there are too many files for one search; name a smaller folder")
        entries = _entries(workspace, folder, is_start=folder == base)
        rules = (*rules, *_rules(workspace, folder, entries))
        below: list[tuple[str, tuple[_Rules, ...]]] = []
        for entry in entries:
            path = entry.name if folder == "." else f"{folder}/{entry.name}"
            if entry.name in _ALWAYS_LEFT_OUT or _ignored(rules, path, entry):
                continue
            if entry.kind == "file":
                yield Found(path, entry)
            elif entry.kind == "folder" and path.count("/") < _DEPTH:
                below.append((path, rules))
        stack += reversed(below)


def _entries(workspace: Workspace, folder: str, *, is_start: bool) -> list[Entry]:
    """Nothing for a folder that went away or may not be read, unless it was asked for."""
    try:
        return workspace.entries(folder)
    except ToolError:
        if is_start:
            raise
        return []


def _above(workspace: Workspace, base: str) -> tuple[_Rules, ...]:
    """What the folders from the root down to `base` say of the paths beneath it. Rules that ignore
    `base` itself are left out: who names an ignored folder wants what is in it.
    """
    place = workspace.led_to(base)
    parts = [] if place == "." else place.split("/")
    found: list[_Rules] = []
    for depth in range(len(parts)):
        folder, way = "/".join(parts[:depth]) or ".", "/".join(parts[depth:])
        rules = _rules(workspace, folder, _entries(workspace, folder, is_start=False))
        holding = (each for each in rules if not each.ignore(place, is_folder=True))
        found += (_Rules(base, each.spec, f"{way}/") for each in holding)
    return tuple(found)


def _rules(workspace: Workspace, folder: str, entries: list[Entry]) -> list[_Rules]:
    if not any(entry.name == _RULES and entry.kind == "file" for entry in entries):
        return []
    path = _RULES if folder == "." else f"{folder}/{_RULES}"
    try:
        text = workspace.read(path, most_bytes=_RULES_BYTES).decode("utf-8-sig", "replace")
    except ToolError:
        return []  # unreadable rules hide nothing
    return [_Rules(folder, spec_of_file(text))]


def _ignored(rules: tuple[_Rules, ...], path: str, entry: Entry) -> bool:
    for each in reversed(rules):
        said = each.ignore(path, is_folder=entry.kind == "folder")
        if said is not None:
            return said
    return False
