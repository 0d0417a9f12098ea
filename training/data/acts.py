"""Single things that a user asks of a coding agent: the wording, the call, the result, the close."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from training.data import contents, wordings
from training.data.source import Source


@dataclass(frozen=True)
class Act:
    """One request with its only right call; `ask` has no full stop and starts in lower case."""

    tool: str
    ask: str
    arguments: dict[str, Any]
    result: str
    close: str
    title: str
    gist: str
    block: bool = False
    needs_read: str = ""
    shown: str = ""


@dataclass
class Place:
    """Where the agent works, and what it has seen.

    Calls name files as the user does: OpenCode's tools take relative paths from its folder on.
    """

    root: str | None
    seen: set[str] = field(default_factory=set)

    def found(self, name: str) -> str:
        """A file as a tool's result names it."""
        return f"{self.root}/{name}" if self.root else name


PLAIN = re.compile(r"[\w@./:*+-]*[\w*]( [\w@./:*+-]*[\w*]){0,3}")
"""What nobody puts in quotes: few words, and no mark at the end that could belong to the sentence."""


def quoted(source: Source, text: str, *, always: bool = False) -> str:
    """A value as users write it: bare or in one of the usual quotes that it does not hold."""
    marks = [mark for mark in ('"', "'", "`", "“") if mark not in text]
    if not marks or (not always and PLAIN.fullmatch(text) and source.chance(0.35)):
        return text
    mark = '"' if '"' in marks and source.chance(0.6) else source.one(marks)
    return f"{mark}{text}{'”' if mark == '“' else mark}"


def named(source: Source, place: Place) -> tuple[str, str]:
    """A file as the user names it and as the call must name it."""
    name = source.relative_path()
    if source.chance(0.15):
        name = f"{place.root or source.root()}/{name}"
    shown = name if source.chance(0.75) else quoted(source, name, always=True)
    return shown, name


def write(source: Source, place: Place) -> Act:
    shown, path = named(source, place)
    block = source.chance(0.2)
    if block:
        text, inner = contents.enclosed(source)
        ask = source.phrase(wordings.WRITE_BLOCK).format(p=shown, c=inner)
    else:
        text = source.value() if source.chance(0.7) else contents.line(source)
        ask = source.phrase(wordings.WRITE_LINE).format(p=shown, c=quoted(source, text))
    place.seen.add(path)
    name = path.rsplit("/", 1)[-1]
    return Act(
        "write", ask, {"content": text, "filePath": path},
        source.one(("Wrote file successfully.", "Wrote file successfully.", "", "ok", f"Wrote {path}")),
        f"Created {name}.", f"Creating {name}", f"create {name}", block=block,
    )


def read(source: Source, place: Place) -> Act:
    shown, path = named(source, place)
    arguments: dict[str, Any] = {"filePath": path}
    offset, limit = source.between(2, 900), source.between(2, 500)
    asks = source.rng.choices((wordings.READ, wordings.READ_FROM, wordings.READ_FIRST, wordings.READ_BOTH), (8, 1, 1, 1))[0]
    if asks in (wordings.READ_FROM, wordings.READ_BOTH):
        arguments["offset"] = offset
    if asks in (wordings.READ_FIRST, wordings.READ_BOTH):
        arguments["limit"] = limit
    ask = source.phrase(asks).format(p=shown, o=offset, l=limit)
    text = contents.block(source) if source.chance(0.6) else contents.line(source)
    name = path.rsplit("/", 1)[-1]
    lines = text.split("\n")
    close = f"{name} contains:\n{text}" if len(lines) <= 3 else f"I have read {name}. It begins with: {lines[0]}"
    place.seen.add(path)
    return Act(
        "read", ask, arguments, contents.as_read(source, path, text),
        close, f"Reading {name}", f"read {name}",
    )


def edit(source: Source, place: Place) -> Act:
    """An edit that names both strings; the file is read first if it was not seen yet."""
    shown, path = named(source, place)
    text, old = contents.with_target(source)
    new = source.one((source.word, source.value, source.identifier))()
    whole = source.chance(0.15)
    marks = source.chance(0.7)
    a, b = ((quoted(source, part, always=True) if marks else part) for part in (old, new))
    ask = source.phrase(wordings.EDIT_ALL if whole else wordings.EDIT).format(p=shown, a=a, b=b)
    arguments: dict[str, Any] = {"filePath": path, "oldString": old, "newString": new}
    if whole:
        arguments["replaceAll"] = True
    name = path.rsplit("/", 1)[-1]
    return Act(
        "edit", ask, arguments,
        source.one(("Edit applied successfully.", "Edit applied successfully.", "", "ok")),
        f"Changed {old} to {new} in {name}.", f"Editing {name}", f"edit {name}",
        needs_read=path, shown=contents.as_read(source, path, text),
    )


def bash(source: Source, place: Place) -> Act:
    command = contents.command(source)
    shown = quoted(source, command, always=source.chance(0.6))
    ask = source.phrase(wordings.BASH).format(c=shown)
    arguments: dict[str, Any] = {"command": command}
    if source.chance(0.06):
        arguments["timeout"] = source.between(1, 600) * 1000
        ask += source.one((" with a timeout of {t} ms", " (timeout {t})", ", timeout {t}")).format(
            t=arguments["timeout"]
        )
    elif source.chance(0.06):
        folder = source.folder()
        arguments["workdir"] = folder
        ask += source.one((" in the folder {f}", " inside {f}", " in the directory {f}")).format(f=folder)
    output, close = contents.command_output(source)
    return Act("bash", ask, arguments, output, close, f"Running {command}", f"run {command}")


def glob(source: Source, place: Place) -> Act:
    ext = source.one(("py", "js", "ts", "md", "txt", "json", "go", "rs", "css", "html", "yaml", "toml", "sh"))
    if source.chance(0.6):
        pattern = f"**/*.{ext}"
        ask = source.phrase(wordings.GLOB).format(e=source.one((f".{ext}", ext, f"*.{ext}")))
    else:
        stem = source.one(("*", f"{source.word()}*", "**/*", f"**/{source.stem()}", f"*{source.word()}*"))
        pattern = f"{stem}.{ext}"
        ask = source.phrase(wordings.GLOB_PATTERN).format(g=quoted(source, pattern))
    arguments = {"pattern": pattern}
    if source.chance(0.3):
        folder = source.folder()
        ask += source.one((" in {f}", " under {f}", " in the folder {f}", " in the {f} directory")).format(f=folder)
        arguments["path"] = folder
    found = [place.found(f"{source.folder()}/{source.stem()}.{ext}") for _ in range(source.between(0, 4))]
    close = "Found:\n" + "\n".join(found) if found else "No files found."
    return Act("glob", ask, arguments, "\n".join(found) or "No files found", close,
               f"Finding {pattern}", f"find {pattern}")


def grep(source: Source, place: Place) -> Act:
    text = source.one((source.identifier, source.word, source.identifier, lambda: source.words(2, 2)))()
    ask = source.phrase(wordings.GREP).format(x=quoted(source, text, always=" " in text or source.chance(0.5)))
    arguments = {"pattern": text}
    roll = source.rng.random()
    if roll < 0.2:
        folder = source.folder()
        ask += source.one((" in the folder {f}", " under {f}", " in {f}/")).format(f=folder)
        arguments["path"] = folder
    elif roll < 0.4:
        ext = source.one(("py", "js", "ts", "md", "go", "rs"))
        ask += source.one((" in {e} files", " in all .{e} files", " only in *.{e}")).format(e=ext)
        arguments["include"] = f"*.{ext}"
    where, line = place.found(source.relative_path()), source.between(1, 400)
    if source.chance(0.2):
        return Act("grep", ask, arguments, "No files found", "No matches found.",
                   f"Searching for {text}", f"search for {text}")
    result = f"Found 1 matches\n{where}:\n  Line {line}: {source.word()} {text} {source.word()}"
    return Act("grep", ask, arguments, result, f"Found in {where}, line {line}.",
               f"Searching for {text}", f"search for {text}")


def webfetch(source: Source, place: Place) -> Act:
    url = source.url()
    ask = source.phrase(wordings.FETCH).format(u=url)
    arguments = {"url": url}
    if source.chance(0.35):
        arguments["format"] = source.one(("text", "markdown", "html"))
        ask += source.one((" as {f}", " in {f} format", " as {f}")).format(f=arguments["format"])
    text = source.sentence()
    return Act("webfetch", ask, arguments, text, f"The page says: {text}",
               f"Fetching {url}", f"fetch {url}")


def todowrite(source: Source, place: Place) -> Act:
    items = [source.words(1, 4) for _ in range(source.between(1, 4))]
    level = source.one(("high", "low")) if source.chance(0.2) else "medium"
    joined = source.one((", ", "; ", ", ")).join(items)
    ask = source.phrase(wordings.TODO).format(t=joined)
    if level != "medium":
        ask = source.one((f"with {level} priority, {ask}", f"{level} priority: {ask}"))
    todos = [{"content": item, "status": "pending", "priority": level} for item in items]
    return Act("todowrite", ask, {"todos": todos}, contents.as_todo_result(source, todos),
               "The todo list is written.", "Writing a todo list", "write a todo list")


def skill(source: Source, place: Place) -> Act:
    name = source.one((source.word, lambda: f"{source.word()}-{source.word()}"))()
    ask = source.phrase(wordings.SKILL).format(s=quoted(source, name))
    return Act("skill", ask, {"name": name}, f"# Skill: {name}\n{source.sentence()}",
               f"The {name} skill is loaded.", f"Loading {name}", f"load the {name} skill")


def task(source: Source, place: Place) -> Act:
    title, prompt = source.words(2, 4), source.words(3, 8)
    agent = source.one(("general", "explore", "explore", "general", source.word()))
    ask = source.phrase(wordings.TASK).format(
        d=quoted(source, title, always=True), a=agent, p=quoted(source, prompt)
    )
    answer = source.sentence()
    return Act("task", ask, {"description": title, "prompt": prompt, "subagent_type": agent}, answer,
               f"The agent says: {answer}", f"Task: {title}", f"start the task {title}")


Maker = Callable[[Source, Place], Act]
MAKERS: dict[str, tuple[Maker, float]] = {
    "write": (write, 5), "read": (read, 3), "edit": (edit, 4), "bash": (bash, 3), "glob": (glob, 2),
    "grep": (grep, 2), "webfetch": (webfetch, 1), "todowrite": (todowrite, 1), "skill": (skill, 0.5),
    "task": (task, 0.7),
}


def any_act(source: Source, place: Place, names: list[str]) -> Act:
    """A random act among the tools at hand."""
    makers = [MAKERS[name] for name in names]
    return source.rng.choices([m for m, _ in makers], [w for _, w in makers])[0](source, place)
