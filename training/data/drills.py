"""Short conversations about one thing that long ones ask for now and then: which step is next,
whether a tool serves at all, where one request ends and which kind it is.

Long conversations show each of these once in some hundred tokens; here nearly every turn does.
"""

from __future__ import annotations

from dataclasses import replace

from training.data import made_up, opencode
from training.data.acts import Act, Place, any_act
from training.data.chat import NO_TOOL, said
from training.data.composed import noun
from training.data.invented import Argument, Invented, Style, articled
from training.data.source import Conversation, Source
from training.data.verbs import VERB_WORDS
from training.render import Message

DONE = "All steps are done."
SAY = ("say {}", "print {}", "{}", "write {}", "tell me {}", "{}", "name {}", "answer {}")
SHORT_ACT_CHARACTERS = 170
LIGHT = ("bash", "read", "glob", "grep", "webfetch", "skill", "write")


def _short_result(source: Source) -> str:
    return source.one(("ok", "ok", "done", "", source.word()))


def spoken_steps(source: Source) -> Conversation:
    """Plans of things to say one by one; after the last one all is done."""
    messages: list[Message] = []
    form = source.one(SAY)
    for _ in range(source.between(1, 3)):
        make = source.one((source.word, source.word, source.identifier, source.file_name, lambda: source.digits(1, 4)))
        items = list(dict.fromkeys(make() for _ in range(source.rng.choices((1, 2, 3, 4, 5, 6), (1, 4, 4, 3, 2, 1))[0])))
        asks = [(source.one(SAY) if source.chance(0.2) else form).format(item) for item in items]
        messages.append(said("user", opencode.sentence(source, opencode.plan_text(source, asks), block=True)))
        for item in items:
            messages += [said("assistant", item), said("tool", _short_result(source))]
        messages.append(said("assistant", DONE))
    return Conversation("steps", messages)


def short_act(source: Source, place: Place, names: list[str]) -> Act:
    """An act whose request, result and close are short."""
    for _ in range(30):
        act = any_act(source, place, names)
        if len(act.ask) + len(act.result) + len(act.close) < SHORT_ACT_CHARACTERS:
            break
    return act


def light_steps(source: Source) -> Conversation:
    """Plans of calls with short results."""
    place = Place(None)
    names = source.some(LIGHT, source.between(1, 3))
    tools = [opencode.schema(name, source.one(opencode.TOOLS[name]["descriptions"])) for name in names]
    messages: list[Message] = []
    for _ in range(source.between(1, 2)):
        acts = [short_act(source, place, names) for _ in range(source.rng.choices((1, 2, 3, 4, 5), (1, 4, 4, 2, 1))[0])]
        acts = [act for act in acts if not act.block] or acts[:1]
        plan = opencode.plan_text(source, [act.ask for act in acts]) if len(acts) > 1 else acts[0].ask
        messages.append(said("user", opencode.sentence(source, plan, block=True)))
        for act in acts:
            messages += opencode.turn(replace(act, result=_short_result(source)))
        messages.append(said("assistant", DONE if len(acts) > 1 else "Done."))
    return Conversation("loop", messages, tools)


def many(source: Source) -> Conversation:
    """Several short requests to OpenCode's tools."""
    place = Place(source.root() if source.chance(0.5) else None)
    names, tools = opencode.toolbox(source)
    messages: list[Message] = [said("system", f"cwd: {place.root}")] if place.root else []
    for _ in range(source.between(3, 7)):
        act = short_act(source, place, names)
        messages.append(said("user", opencode.sentence(source, act.ask, block=act.block)))
        messages += [*opencode.steps_of(act, place, names), said("assistant", act.close)]
    return Conversation("opencode", messages, tools)


ALIKE = ("glob", "grep", "read", "todowrite", "edit", "task")
"""Tools whose requests begin alike or whose arguments are long."""


def alike(source: Source) -> Conversation:
    """Several requests to the tools that are most easily taken for one another."""
    place = Place(source.root() if source.chance(0.5) else None)
    names, tools = opencode.toolbox(source)
    asked = [name for name in ALIKE if name in names] or names
    messages: list[Message] = []
    for _ in range(source.between(3, 6)):
        act = any_act(source, place, [source.one(asked)])
        messages.append(said("user", opencode.sentence(source, act.ask, block=act.block)))
        messages += [*opencode.steps_of(act, place, names), said("assistant", "Done.")]
    return Conversation("opencode", messages, tools)


def fits(source: Source) -> Conversation:
    """Requests of which about half have a tool."""
    tools, wishes = made_up.toolset(source, source.between(2, 6), alike=source.chance(0.3))
    gone = {wish.name for wish in wishes if source.chance(0.5)}
    kept = [tool for tool in tools if tool["function"]["name"] not in gone]
    if not kept:
        kept, gone = tools, set()
    messages: list[Message] = []
    for wish in source.shuffled(wishes):
        messages.append(said("user", opencode.sentence(source, wish.ask, block=False)))
        if wish.name in gone:
            messages.append(said("assistant", NO_TOOL))
            continue
        call = {"type": "function", "function": {"name": wish.name, "arguments": wish.arguments}}
        messages += [{"role": "assistant", "content": None, "tool_calls": [call]}, said("tool", "ok"), said("assistant", "Done.")]
    return Conversation("no-tool", messages, kept)


GLUE = tuple("the a of for to in with on by from and or at this that one all my your as is it me please can you want".split())
"""Words that tell nothing of what a line is about."""


def glued(source: Source, parts: list[str]) -> str:
    """Words in this order with glue before and between them."""
    said: list[str] = []
    for part in parts:
        said += source.some(GLUE, source.rng.choices((0, 1, 2, 3), (3, 4, 2, 1))[0])
        said.append(part)
    return " ".join(said)


def pick(source: Source) -> Conversation:
    """Many requests to tools that can be told by any word of their lines, wherever it stands.

    Lines of fixed forms teach to compare one place of the line with one place of the request.
    """
    style, pools = Style.any(source), (source.nouns, source.nouns, source.rare, VERB_WORDS)
    count = source.between(2, 5)
    words = list(dict.fromkeys(source.one(source.one(pools)) for _ in range(9 * count)))
    lines = [[words.pop() for _ in range(source.between(2, 5))] for _ in range(count)]
    shared = words.pop() if source.chance(0.4) else ""
    kinds: list[tuple[list[str], Invented]] = []
    for line in lines:
        key = source.one(made_up.KEYS)
        told = [*line, shared] if shared and source.chance(0.6) else line
        text = glued(source, source.shuffled(told))
        named = source.some(line, 2) if source.chance(0.75) else [words.pop(), ""]
        item = Argument(key, {"type": "string"}, "")
        kinds.append((line, Invented(style.named(*named), text[:1].upper() + text[1:], (item,) * source.chance(0.6), 1)))
    messages: list[Message] = []
    for _ in range(source.between(4, 8)):
        line, tool = source.one(kinds)
        missing = source.chance(0.15)
        asked = [words.pop()] if missing else source.some(line, source.rng.choices((1, 2, 3), (3, 3, 1))[0])
        parts = [*asked, shared] if shared and not missing and source.chance(0.3) else asked
        arguments = {}
        ask = glued(source, source.shuffled(parts))
        if tool.arguments and not missing:
            value = source.one((source.name, source.city, lambda: source.digits(1, 4), source.identifier))()
            arguments = {tool.arguments[0].name: value}
            ask = source.one((f"{ask} {value}", f"{ask}: {value}", f'{ask} "{value}"', f"{ask} ({value})"))
        messages.append(said("user", opencode.sentence(source, ask, block=False)))
        call = {"type": "function", "function": {"name": tool.name, "arguments": arguments}}
        messages.append(said("assistant", NO_TOOL) if missing else {"role": "assistant", "content": None, "tool_calls": [call]})
    return Conversation("choose", messages, source.shuffled([tool.tool for _, tool in kinds]))


def filled(source: Source) -> Conversation:
    """Many requests to one to five tools: which value belongs to which parameter, and which are not given."""
    box, found = made_up.makers(source, source.one((1, 1, 2, 3, 4, 5)), alike=source.chance(0.4))
    messages: list[Message] = []
    for _ in range(source.between(3, 6)):
        asked = made_up.wish(source, source.one(found))
        messages.append(said("user", opencode.sentence(source, asked.ask, block=False)))
        call = {"type": "function", "function": {"name": asked.name, "arguments": asked.arguments}}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
    return Conversation("made-up", messages, [tool.tool for tool in box])


def _distinct_nouns(source: Source, count: int) -> list[str]:
    """Things of which no two share a word."""
    found: list[str] = []
    while len(found) < count:
        fresh = noun(source)
        if not set(fresh.split()) & {word for old in found for word in old.split()}:
            found.append(fresh)
    return found


def choose(source: Source) -> Conversation:
    """Many short requests to a few tools that can be told by a word; some have no tool.

    The bridge from looking up a line by its key to choosing a tool by what is asked.
    """
    style, forms = Style.any(source), list(made_up.NATURAL)
    *about, absent = _distinct_nouns(source, source.between(2, 4) + 1)
    pairs = [(source.one(forms), thing) for thing in about]
    if source.chance(0.4):
        pairs = [(form, thing) for thing in about[:2] for form in source.some(forms, 2)]
    kinds: list[tuple[str, str, str, Invented]] = []
    for form, thing in pairs:
        act, key = form.removesuffix("_{a}"), source.one(made_up.KEYS)
        told = articled(source.phrase(made_up.NATURAL[form][0]).format(a=thing))
        item = Argument(key, {"type": "string"}, "")
        kinds.append((form, thing, key, Invented(style.named(act, thing), told, (item,), 1)))
    messages: list[Message] = []
    for _ in range(source.between(3, 6)):
        form, thing, key, tool = source.one(kinds)
        missing = source.chance(0.2)
        value = source.one((source.word, source.word, source.name, source.identifier))()
        ask = source.phrase(made_up.NATURAL[form][1]).replace("{a}", absent if missing else thing)
        messages.append(said("user", opencode.sentence(source, articled(ask).replace("{v}", value), block=False)))
        if missing:
            messages.append(said("assistant", NO_TOOL))
            continue
        call = {"type": "function", "function": {"name": tool.name, "arguments": {key: value}}}
        messages += [{"role": "assistant", "content": None, "tool_calls": [call]}, said("tool", "ok"), said("assistant", "Done.")]
    return Conversation("choose", messages, source.shuffled([kind[3].tool for kind in kinds]))
