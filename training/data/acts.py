"""Single things that a user asks of a coding agent: the wording, the call, the result, the close."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from training.data import contents
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


WRITE_LINE = (
    "create {p} with the content {c}", "write {c} to {p}", "make a file {p} containing {c}", "save {c} in {p}",
    "write a file {p} that says {c}", "create a file named {p} with the text {c}",
    "create a file called {p} containing {c}", "put {c} into {p}", "write {p} with the text {c}",
    "create the file {p} with {c} in it", "add a file {p} with {c}", "write a file named {p} containing {c}",
    "create {p} with {c}", "make {p} with the content {c}", "create {p} containing {c}",
    "generate a file named {p} with content {c}", "make a new file {p} that contains {c}",
    "write the text {c} to the file {p}", "I need a file {p} with the text {c}", "store {c} in a file named {p}",
    "create {p}: {c}", "can you create {p} with the text {c}", "please make a file named {p} with the content {c}",
    "write {c} into a new file called {p}", "write {c} into the file {p}", "put the text {c} in the file {p}",
    "save the text {c} to {p}", "add {c} to a new file {p}", "make {p} say {c}", "new file {p} with the text {c}",
    "the file {p} should contain {c}", "create a new file named {p} with {c}", "write {c} in {p}",
    "make the file {p} with {c} in it", "save {c} as {p}", "a file {p} with the content {c}",
    "write a new file {p} with the text {c}", "store the text {c} in {p}", "create a file {p} that contains {c}",
    "put {c} in a file called {p}", "write {c} to a file called {p}", "create {p} and write {c} into it",
    "make a text file {p} with {c}", "add the file {p} with the text {c}", "save a file {p} containing {c}",
    "write to {p}: {c}", "put this text into {p}: {c}", "I want a file {p} that says {c}",
)
WRITE_BLOCK = (
    "create {p} with this content:\n{c}", "write the following to {p}:\n{c}", "create a file named {p} with:\n{c}",
    "save this as {p}:\n{c}", "put this into {p}:\n{c}", "write {p}:\n{c}", "create {p} containing:\n{c}",
    "make a file {p} with this text:\n{c}", "create the file {p} with the following content:\n{c}",
    "here is {p}, please write it:\n{c}", "add a new file {p} with these lines:\n{c}",
    "write a file {p} containing:\n{c}", "save the following in {p}:\n{c}", "new file {p}:\n{c}",
    "write this to {p}:\n{c}", "write this code to {p}:\n{c}", "the file {p} should be:\n{c}",
    "make {p} with these lines:\n{c}", "create a file {p}:\n{c}", "write these lines to {p}:\n{c}",
    "save this text as {p}:\n{c}", "put the following into the file {p}:\n{c}",
    "make a new file {p} containing:\n{c}", "create {p} with:\n{c}",
)


def write(source: Source, place: Place) -> Act:
    shown, path = named(source, place)
    block = source.chance(0.2)
    if block:
        text = contents.block(source)
        inner = f"```\n{text}\n```" if source.chance(0.4) else text
        ask = source.phrase(WRITE_BLOCK).format(p=shown, c=inner)
    else:
        text = source.value() if source.chance(0.7) else contents.line(source)
        ask = source.phrase(WRITE_LINE).format(p=shown, c=quoted(source, text))
    place.seen.add(path)
    name = path.rsplit("/", 1)[-1]
    return Act(
        "write", ask, {"content": text, "filePath": path},
        source.one(("Wrote file successfully.", "Wrote file successfully.", "", "ok", f"Wrote {path}")),
        f"Created {name}.", f"Creating {name}", f"create {name}", block=block,
    )


READ = (
    "read {p}", "show me {p}", "open {p}", "read the file {p}", "look at {p}", "what is in {p}",
    "show the content of {p}", "display {p}", "print the file {p}", "what does {p} say", "have a look at {p}",
    "please read {p}", "check what is in {p}", "view {p}", "let me see {p}", "tell me what is in {p}",
    "what are the contents of {p}", "cat the file {p}", "show {p}", "show me the file {p}",
    "what does the file {p} contain", "open the file {p}", "look into {p}", "give me the content of {p}",
    "I want to see {p}", "read out {p}", "print {p}", "see what is in {p}", "what is written in {p}",
    "let me see the file {p}", "take a look at {p}", "what is inside {p}", "cat {p}",
    "please show me {p}", "read me {p}", "show what is in the file {p}",
)
READ_FROM = (
    "read {p} starting at line {o}", "show {p} from line {o} on", "open {p} at line {o}",
    "show me {p} beginning with line {o}", "read the file {p} from line {o}", "read {p} from line {o}",
    "read {p} beginning at line {o}", "open the file {p} from line {o}", "show {p} starting with line {o}",
    "print {p} from line {o} on", "look at {p} from line {o}", "starting at line {o}, read {p}",
)
READ_FIRST = (
    "read the first {l} lines of {p}", "show the first {l} lines of {p}", "read only {l} lines of {p}",
    "show me the top {l} lines of {p}", "print the first {l} lines of {p}", "read {l} lines of {p}",
    "show me {l} lines of {p}", "show only the first {l} lines of {p}", "read the top {l} lines of {p}",
    "give me {l} lines of {p}", "the first {l} lines of {p} please", "show me the first {l} lines of the file {p}",
    "print {l} lines of {p}", "open {p}, only {l} lines", "just read {l} lines of {p}",
    "look at the first {l} lines of {p}", "display {l} lines of the file {p}", "what are the first {l} lines of {p}",
)
READ_BOTH = (
    "read {l} lines of {p} from line {o}", "show {l} lines of {p} starting at line {o}",
    "starting at line {o}, read {l} lines of {p}", "from line {o} of {p}, show {l} lines",
    "open {p} at line {o} and read {l} lines", "read {p} from line {o}, {l} lines",
    "show me {l} lines of {p} from line {o} on", "print {l} lines of {p} from line {o}",
    "from line {o}, read {l} lines of {p}", "read {l} lines of the file {p} starting with line {o}",
    "open {p} from line {o} and show {l} lines", "show {p} from line {o}, {l} lines",
)


def read(source: Source, place: Place) -> Act:
    shown, path = named(source, place)
    arguments: dict[str, Any] = {"filePath": path}
    offset, limit = source.between(2, 900), source.between(2, 500)
    asks = source.rng.choices((READ, READ_FROM, READ_FIRST, READ_BOTH), (8, 1, 1, 1))[0]
    if asks in (READ_FROM, READ_BOTH):
        arguments["offset"] = offset
    if asks in (READ_FIRST, READ_BOTH):
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


EDIT = (
    "replace {a} with {b} in {p}", "in {p}, replace {a} with {b}", "change {a} to {b} in {p}",
    "in {p} change {a} to {b}", "substitute {b} for {a} in {p}", "edit {p}: replace {a} with {b}",
    "update {p}: {a} should become {b}", "edit {p} and change {a} to {b}", "modify {p} so that {a} becomes {b}",
    "swap {a} for {b} in {p}", "in the file {p}, {a} must be {b}", "in the file {p}, change {a} to {b}",
    "please replace {a} by {b} in {p}", "turn {a} into {b} in {p}", "in {p}: replace {a} with {b}",
    "can you change {a} to {b} in {p}", "rename {a} to {b} in {p}", "fix {p}: change {a} to {b}",
    "make {a} into {b} in {p}", "in {p} replace {a} by {b}", "put {b} in place of {a} in {p}",
    "edit {p}, {a} becomes {b}", "change {a} into {b} in the file {p}", "replace {a} in {p} with {b}",
    "in {p}, {a} should be {b}", "update {a} to {b} in {p}", "modify {p}: change {a} to {b}",
    "edit the file {p}: replace {a} with {b}", "in the file {p}, replace {a} with {b}", "correct {a} to {b} in {p}",
)
EDIT_ALL = (
    "replace all {a} with {b} in {p}", "change every {a} to {b} in {p}",
    "in {p}, replace all occurrences of {a} with {b}", "replace {a} with {b} everywhere in {p}",
    "replace each {a} by {b} in {p}", "in {p} change all {a} to {b}",
    "change all {a} to {b} in {p}", "replace every {a} with {b} in {p}", "in the file {p}, replace all {a} by {b}",
    "change {a} to {b} everywhere in {p}", "all {a} in {p} should become {b}", "replace all occurrences of {a} by {b} in {p}",
)


def edit(source: Source, place: Place) -> Act:
    """An edit that names both strings; the file is read first if it was not seen yet."""
    shown, path = named(source, place)
    text, old = contents.with_target(source)
    new = source.one((source.word, source.value, source.identifier))()
    whole = source.chance(0.15)
    marks = source.chance(0.7)
    a, b = ((quoted(source, part, always=True) if marks else part) for part in (old, new))
    ask = source.phrase(EDIT_ALL if whole else EDIT).format(p=shown, a=a, b=b)
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


BASH = (
    "run {c}", "execute {c}", "please run {c}", "run {c} in the terminal", "use the shell to run {c}",
    "run the command {c}", "run the tests with {c}", "call {c} in bash", "start {c}", "build it with {c}",
    "run {c} for me", "execute the command {c}", "run this: {c}", "can you run {c}", "try {c}", "check it with {c}",
    "do a {c}", "run the shell command {c}", "run {c} in bash", "use bash to run {c}", "in the terminal, run {c}",
    "what does {c} print", "execute {c} in the shell", "I want to run {c}", "type {c} in the terminal",
    "the command is {c}, run it", "start the command {c}", "run {c} and show the output", "launch {c}",
    "call the command {c}",
)


def bash(source: Source, place: Place) -> Act:
    command = contents.command(source)
    shown = quoted(source, command, always=source.chance(0.6))
    ask = source.phrase(BASH).format(c=shown)
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


GLOB = (
    "find all {e} files", "which {e} files are there", "find every {e} file", "show me all the {e} files",
    "are there any {e} files", "list all {e} files", "look for {e} files", "search for {e} files",
    "give me a list of the {e} files", "get all {e} files", "where are the {e} files", "locate all {e} files",
    "list the {e} files", "find the {e} files", "show all {e} files", "which files are {e} files",
    "are there {e} files", "give me all the {e} files",
)
GLOB_PATTERN = (
    "find files matching {g}", "list the files that match {g}", "glob {g}", "which files match {g}",
    "show all files matching {g}", "find {g}", "find all files that match {g}", "list files matching {g}",
    "find the files with the pattern {g}", "look for files matching {g}", "use the pattern {g} to find files",
    "search for files that match {g}", "glob for {g}", "glob files with {g}", "give me the files matching {g}",
    "are there files that match {g}", "list all files like {g}", "find every file that matches {g}",
)


def glob(source: Source, place: Place) -> Act:
    ext = source.one(("py", "js", "ts", "md", "txt", "json", "go", "rs", "css", "html", "yaml", "toml", "sh"))
    if source.chance(0.6):
        pattern = f"**/*.{ext}"
        ask = source.phrase(GLOB).format(e=source.one((f".{ext}", ext, f"*.{ext}")))
    else:
        stem = source.one(("*", f"{source.word()}*", "**/*", f"**/{source.stem()}", f"*{source.word()}*"))
        pattern = f"{stem}.{ext}"
        ask = source.phrase(GLOB_PATTERN).format(g=quoted(source, pattern))
    arguments = {"pattern": pattern}
    if source.chance(0.3):
        folder = source.folder()
        ask += source.one((" in {f}", " under {f}", " in the folder {f}", " in the {f} directory")).format(f=folder)
        arguments["path"] = folder
    found = [place.found(f"{source.folder()}/{source.stem()}.{ext}") for _ in range(source.between(0, 4))]
    close = "Found:\n" + "\n".join(found) if found else "No files found."
    return Act("glob", ask, arguments, "\n".join(found) or "No files found", close,
               f"Finding {pattern}", f"find {pattern}")


GREP = (
    "search for {x}", "grep for {x}", "find where {x} is used", "where is {x} used", "which files contain {x}",
    "search the code for {x}", "look for {x} in the code", "find {x} in the files", "find all lines with {x}",
    "where does {x} appear", "find occurrences of {x}", "search the files for {x}", "grep {x}",
    "find every use of {x}", "where is {x} defined", "look up where {x} is mentioned", "search all files for {x}",
    "find all places with {x}", "search in the files for {x}", "look for {x} in the files", "which lines contain {x}",
    "in which files is {x}", "where do we use {x}", "find the word {x} in the code", "grep the code for {x}",
    "grep the files for {x}", "show me where {x} is used", "search the project for {x}", "which file has {x} in it",
    "find lines that contain {x}",
)


def grep(source: Source, place: Place) -> Act:
    text = source.one((source.identifier, source.word, source.identifier, lambda: source.words(2, 2)))()
    ask = source.phrase(GREP).format(x=quoted(source, text, always=" " in text or source.chance(0.5)))
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


FETCH = (
    "fetch {u}", "open {u}", "what does {u} say", "download {u}", "read the page {u}", "get the page {u}", "load {u}",
    "look at {u}", "visit {u}", "please fetch the website {u}", "show me the page {u}", "get {u}",
    "what is on the page {u}", "fetch the page {u}", "read {u}", "open the website {u}", "what is at {u}",
    "show me {u}", "load the page {u}", "get the content of {u}", "look up {u}", "open the page {u}",
    "download the page {u}", "what does the page {u} say",
)


def webfetch(source: Source, place: Place) -> Act:
    url = source.url()
    ask = source.phrase(FETCH).format(u=url)
    arguments = {"url": url}
    if source.chance(0.35):
        arguments["format"] = source.one(("text", "markdown", "html"))
        ask += source.one((" as {f}", " in {f} format", " as {f}")).format(f=arguments["format"])
    text = source.sentence()
    return Act("webfetch", ask, arguments, text, f"The page says: {text}",
               f"Fetching {url}", f"fetch {url}")


TODO = (
    "make a todo list: {t}", "plan these tasks: {t}", "write a todo list with {t}", "create todos for: {t}",
    "put these on the todo list: {t}", "add these todos: {t}", "track these tasks: {t}", "note these todos: {t}",
    "set up a todo list: {t}", "add to my todos: {t}", "list as todos: {t}", "todo: {t}", "my todos: {t}",
    "new todos: {t}", "todo list: {t}", "todos: {t}", "write these todos: {t}", "put on my todo list: {t}",
    "add todos for {t}", "the todos are: {t}", "I have these todos: {t}", "remember these tasks: {t}",
    "write down these tasks: {t}", "tasks: {t}",
)


def todowrite(source: Source, place: Place) -> Act:
    items = [source.words(1, 4) for _ in range(source.between(1, 4))]
    level = source.one(("high", "low")) if source.chance(0.2) else "medium"
    joined = source.one((", ", "; ", ", ")).join(items)
    ask = source.phrase(TODO).format(t=joined)
    if level != "medium":
        ask = source.one((f"with {level} priority, {ask}", f"{level} priority: {ask}"))
    todos = [{"content": item, "status": "pending", "priority": level} for item in items]
    return Act("todowrite", ask, {"todos": todos}, contents.as_todo_result(source, todos),
               "The todo list is written.", "Writing a todo list", "write a todo list")


SKILL = (
    "use the {s} skill", "load the skill {s}", "activate the {s} skill", "open the skill named {s}",
    "get the {s} skill", "load the {s} skill", "use the skill {s}", "load the skill named {s}",
    "activate the skill {s}", "I need the {s} skill", "open the {s} skill", "get the skill {s}",
)
TASK = (
    "start a task {d} for the {a} agent: {p}", "let the {a} agent do the task {d}: {p}",
    "run the {a} agent on {d}: {p}", "delegate {d} to the {a} agent: {p}",
    "have the {a} subagent do {d} with the prompt {p}", "give the {a} agent the task {d} with the prompt {p}",
    "start the {a} agent on {d}: {p}", "ask the {a} agent to do {d} with the prompt {p}",
    "task {d} for the {a} agent: {p}", "give {d} to the {a} agent with the prompt {p}",
    "launch the {a} agent for {d}: {p}", "use the {a} agent for the task {d}: {p}",
)


def skill(source: Source, place: Place) -> Act:
    name = source.one((source.word, lambda: f"{source.word()}-{source.word()}"))()
    ask = source.phrase(SKILL).format(s=quoted(source, name))
    return Act("skill", ask, {"name": name}, f"# Skill: {name}\n{source.sentence()}",
               f"The {name} skill is loaded.", f"Loading {name}", f"load the {name} skill")


def task(source: Source, place: Place) -> Act:
    title, prompt = source.words(2, 4), source.words(3, 8)
    agent = source.one(("general", "explore", "explore", "general", source.word()))
    ask = source.phrase(TASK).format(
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
