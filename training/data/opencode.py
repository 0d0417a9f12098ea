"""OpenCode's ten tools and conversations that use them."""

from __future__ import annotations

import re
from typing import Any

from training.data import systems, wordings
from training.data.acts import MAKERS, Act, Place, any_act, edit
from training.data.contents import as_read
from training.data.source import Conversation, Source
from training.render import Message, Tool


def _tool(tool_name: str, descriptions: tuple[str, ...], required: str, **fields: Any) -> dict[str, Any]:
    return {"name": tool_name, "descriptions": descriptions, "required": required.split(), "fields": fields}


TEXT, NUMBER, FLAG = {"type": "string"}, {"type": "number"}, {"type": "boolean"}
TODO_ITEM = {
    "type": "object",
    "properties": {"content": TEXT, "status": TEXT, "priority": TEXT},
    "required": ["content", "status", "priority"],
}
TOOLS = {
    tool["name"]: tool
    for tool in (
        _tool("bash", ("Executes a given bash command in a persistent shell session", "Run a shell command",
              "Runs a command in the shell",
              "Executes a given bash command in a persistent shell session with optional timeout, ensuring"), "command",
              command=TEXT, timeout=NUMBER, workdir=TEXT),
        _tool("edit", ("Performs exact string replacements in files", "Modify an existing file",
              "Replaces text in a file", "Performs exact string replacements in files."), "filePath oldString newString",
              filePath=TEXT, oldString=TEXT, newString=TEXT, replaceAll=FLAG),
        _tool("glob", ("Fast file pattern matching tool that works with any codebase size",
              "Find files by pattern", "Finds files by name"), "pattern", pattern=TEXT, path=TEXT),
        _tool("grep", ("Fast content search tool that works with any codebase size",
              "Search file contents", "Searches the contents of files"), "pattern",
              pattern=TEXT, path=TEXT, include=TEXT),
        _tool("read", ("Reads a file from the local filesystem", "Read a file or directory",
              "Reads a file", "Read a file or directory from the local filesystem."), "filePath", filePath=TEXT, offset=NUMBER, limit=NUMBER),
        _tool("skill", ("Load a specialized skill", "Loads a skill by name",
              "Load a specialized skill when the task at hand matches one of the skills listed in the system prompt"), "name", name=TEXT),
        _tool("task", ("Launch a new agent to handle complex, multistep tasks autonomously",
              "Starts a subagent", "Launch a new agent to handle complex, multistep tasks autonomously."), "description prompt subagent_type",
              description=TEXT, prompt=TEXT, subagent_type=TEXT),
        _tool("todowrite", ("Use this tool to create and manage a structured task list",
              "Writes the todo list", "Create and maintain a structured task list for the current coding session."), "todos", todos={"type": "array", "items": TODO_ITEM}),
        _tool("webfetch", ("Fetches content from a specified URL", "Fetch a web page"), "url",
              url=TEXT, format={"type": "string", "enum": ["text", "markdown", "html"]}, timeout=NUMBER),
        _tool("write", ("Writes a file to the local filesystem", "Create or overwrite a file",
              "Writes a file", "Writes a file to the local filesystem."), "content filePath", content=TEXT, filePath=TEXT),
    )
}


def schema(name: str, description: str | None = None) -> Tool:
    """A tool in OpenAI's form."""
    tool = TOOLS[name]
    parameters = {"type": "object", "properties": tool["fields"], "required": tool["required"]}
    text = tool["descriptions"][0] if description is None else description
    return {"type": "function", "function": {"name": name, "description": text, "parameters": parameters}}


def toolbox(source: Source) -> tuple[list[str], list[Tool]]:
    """Mostly all ten, in OpenCode's order or mixed, sometimes fewer."""
    names = list(TOOLS)
    if source.brief:
        names = source.some(names, source.between(1, 4))
    elif source.chance(0.5):
        names = source.some(names, source.between(2, 7))
    elif source.chance(0.3):
        names = source.shuffled(names)
    if "edit" in names and "read" not in names:
        names = [*names, "read"]
    tools = [schema(name, source.one(TOOLS[name]["descriptions"])) for name in names]
    return names, tools


IMPERATIVES = frozenset(
    "write create make save put add store generate read show open look display print have check view tell cat replace "
    "change edit substitute update modify swap turn rename fix run execute use call start try find list search locate "
    "give get grep glob fetch download load visit plan track note set delete remove send book convert translate play "
    "reserve calculate compute evaluate register roll throw log record deploy ship release define schedule convert".split()
)
FIRST_WORD = re.compile(r"[a-z]+('s)?[ ,:]")
"""What may begin with a capital: a file's name may not, since the call must repeat it."""
WRAPPERS = (
    "please {}", "can you {}", "could you {}", "I want you to {}", "I need you to {}", "please {}", "now {}", "next, {}",
    "can you please {}", "could you please {}", "you should {}", "I would like you to {}", "go and {}", "now please {}",
    "would you {}", "then {}", "please can you {}", "I want to {}",
)


def as_argument(ask: str) -> str:
    """A request as `opencode run "..."` sends it on: in quotes, those inside it escaped."""
    return '"' + (ask[0].upper() + ask[1:] if FIRST_WORD.match(ask) else ask).replace('"', '\\"') + '"'


def sentence(source: Source, ask: str, *, block: bool) -> str:
    """A request as a user types it."""
    if ask.split(" ", 1)[0] in IMPERATIVES and source.chance(0.25):
        ask = source.phrase(WRAPPERS).format(ask)
    if source.chance(0.07):
        return as_argument(ask)
    if source.chance(0.7) and FIRST_WORD.match(ask):
        ask = ask[0].upper() + ask[1:]
    if source.chance(0.06) and not block:
        ask = source.one(("Hi! ", "Hello, ", "Hey, ", "OK, ")) + ask
    if block or source.chance(0.5):
        return ask
    tail = ask[-1]
    if tail in "\"'`”":
        return ask + source.one((".", "", ".", " please", ", please."))
    return ask


def call_of(act: Act) -> dict[str, Any]:
    return {"type": "function", "function": {"name": act.tool, "arguments": act.arguments}}


def turn(*acts: Act) -> list[Message]:
    """The assistant's calls and their results."""
    calls: Message = {"role": "assistant", "content": None, "tool_calls": [call_of(act) for act in acts]}
    return [calls, *({"role": "tool", "content": act.result} for act in acts)]


def read_before(act: Act) -> Act:
    """The read that an edit needs when the file was not seen."""
    return Act("read", "", {"filePath": act.needs_read}, act.shown, "", "", "")


def steps_of(act: Act, place: Place, names: list[str]) -> list[Message]:
    """All turns that carry one act out, its closing sentence left out."""
    messages: list[Message] = []
    if act.needs_read and act.needs_read not in place.seen and "read" in names:
        messages += turn(read_before(act))
        place.seen.add(act.needs_read)
    return messages + turn(act)


def _place(source: Source) -> Place:
    return Place(source.root() if source.chance(0.75) else None)


def _opened(source: Source, place: Place) -> list[Message]:
    text = systems.system(source, place.root)
    return [{"role": "system", "content": text}] if text else []


def _says(text: str) -> Message:
    return {"role": "assistant", "content": text}


def _asks(text: str) -> Message:
    return {"role": "user", "content": text}


def single(source: Source) -> Conversation:
    """One to five requests one after another, each carried out and closed."""
    place, (names, tools) = _place(source), toolbox(source)
    messages = _opened(source, place)
    for _ in range(source.rng.choices((1, 2, 3, 4, 5), (3, 3, 3, 2, 1))[0]):
        act = any_act(source, place, names)
        messages.append(_asks(sentence(source, act.ask, block=act.block)))
        messages += [*steps_of(act, place, names), _says(act.close)]
    return Conversation("opencode", messages, tools)


BOTH = (
    "{a} and {b}", "{a}. Also {b}", "{a} and also {b}", "do both: {a}; {b}", "{a}, and at the same time {b}",
    "{a} and {b}, please", "both of these: {a} and {b}", "{a}; also {b}", "{a}, and {b}", "at once: {a}; {b}",
    "two things: {a} and {b}", "{a} as well as this: {b}",
)


def _plain_act(source: Source, place: Place, names: list[str]) -> Act:
    """An act on one line that needs no read first."""
    for _ in range(50):
        act = any_act(source, place, names)
        if not act.block and not (act.needs_read and "read" in names):
            return act
    return any_act(source, place, ["bash"])


def two_at_once(source: Source) -> Conversation:
    """Two independent acts in one answer."""
    place, (names, tools) = _place(source), toolbox(source)
    if source.chance(0.5):
        kind = source.one([name for name in names if name not in ("edit", "todowrite")] or names)
        pair = [kind, kind]
    else:
        pair = [source.one(names), source.one(names)]
    acts = [_plain_act(source, place, [name, *(["read"] if name == "edit" and "read" in names else [])])
            for name in pair]
    ask = source.phrase(BOTH).format(a=acts[0].ask, b=acts[1].ask)
    messages = [*_opened(source, place), _asks(sentence(source, ask, block=True)), *turn(*acts)]
    messages.append(_says("Both are done."))
    return Conversation("two-calls", messages, tools)


PLANS = (
    "first {0}, then {1}", "{0}, then {1}", "{0}. Then {1}", "first {0}. After that {1}", "{0}, after that {1}",
    "first {0} and then {1}",
)
LISTS = (
    "do these steps one after another:\n{list}", "steps:\n{list}", "please do this in order:\n{list}", "{list}",
    "follow this plan:\n{list}", "work through this list:\n{list}",
)


def plan_text(source: Source, asks: list[str]) -> str:
    """Several asks in a clear order, as a sentence or as a list."""
    if len(asks) == 2 and source.chance(0.6):
        return source.phrase(PLANS).format(*asks)
    if source.chance(0.5):
        joint = source.one((", then ", ". Then ", ", then ", "; then "))
        last = source.one((", and finally ", ". Finally ", ", then ", "; then "))
        start = source.one(("first ", "first ", ""))
        return start + joint.join(asks[:-1]) + last + asks[-1]
    mark = source.one(("{}. ", "{}) ", "- ", "Step {}: "))
    rows = "\n".join(mark.format(at) + ask for at, ask in enumerate(asks, 1))
    return source.phrase(LISTS).format(list=rows)


def loop(source: Source, steps: int | None = None) -> Conversation:
    """Two to six steps, one call at a time, then a closing sentence."""
    place, (names, tools) = _place(source), toolbox(source)
    count = steps or source.rng.choices((2, 3, 4, 5, 6), (3, 3, 2, 2, 1))[0]
    usual = [name for name in ("write", "bash", "read", "glob", "grep") if name in names]
    acts = [
        _plain_act(source, place, usual if usual and source.chance(0.8) else names)
        for _ in range(count)
    ]
    ask = plan_text(source, [act.ask for act in acts])
    messages = [*_opened(source, place), _asks(sentence(source, ask, block=True))]
    for act in acts:
        messages += steps_of(act, place, names)
    messages.append(_says("All steps are done."))
    return Conversation("loop", messages, tools, {"steps": count})


def edit_after_read(source: Source) -> Conversation:
    """An edit of a file that is read first, or that a turn before has shown."""
    place = Place(source.root() if source.chance(0.75) else None)
    names, tools = toolbox(source)
    for needed in ("edit", "read"):
        if needed not in names:
            names.append(needed)
            tools.append(schema(needed))
    act = edit(source, place)
    messages = _opened(source, place)
    if source.chance(0.4):
        seen = read_before(act)
        asked = source.phrase(wordings.READ).format(p=act.needs_read)
        messages += [_asks(sentence(source, asked, block=False)), *turn(seen)]
        messages.append(_says(f"I have read {act.needs_read.rsplit('/', 1)[-1]}."))
        place.seen.add(act.needs_read)
    messages.append(_asks(sentence(source, act.ask, block=False)))
    messages += [*steps_of(act, place, names), _says(act.close)]
    return Conversation("edit-after-read", messages, tools)


def value_change(source: Source) -> Conversation:
    """`set KEY to VALUE in FILE`: read it, then edit the line that holds the key."""
    place, (names, tools) = _place(source), toolbox(source)
    for needed in ("edit", "read"):
        if needed not in names:
            names.append(needed)
            tools.append(schema(needed))
    keys = list(dict.fromkeys(source.identifier() for _ in range(source.between(2, 6))))
    mark = source.one((" = ", ": ", "="))
    lines = [f"{key}{mark}{source.one((source.word(), source.digits(1, 4)))}" for key in keys]
    at, new = source.between(0, len(keys) - 1), source.one((source.word(), source.digits(1, 4)))
    name = path = source.relative_path()
    ask = source.phrase(SET_VALUE).format(k=keys[at], v=new, p=name)
    act = Act("edit", ask, {"filePath": path, "oldString": lines[at], "newString": f"{keys[at]}{mark}{new}"},
              "Edit applied successfully.", f"Set {keys[at]} to {new} in {name.rsplit('/', 1)[-1]}.", "", "",
              needs_read=path, shown=as_read(source, path, "\n".join(lines)))
    messages = [*_opened(source, place), _asks(sentence(source, ask, block=False))]
    messages += [*steps_of(act, place, names), _says(act.close)]
    return Conversation("edit-after-read", messages, tools)


SET_VALUE = (
    "set {k} to {v} in {p}", "in {p}, set {k} to {v}", "in {p} the value of {k} should be {v}",
    "set the value of {k} to {v} in {p}", "make {k} {v} in {p}", "give {k} the value {v} in {p}",
)


TOOL_NAMES = tuple(MAKERS)
