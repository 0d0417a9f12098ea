"""What a chat template takes, found out by showing it small conversations.

Templates refuse what their model was not trained on, or leave it out without a word: a second
system message, two turns of the user, the second of two calls. What a client says must be in the
prompt, so a conversation that a template does not take as it is will be rewritten.
llama.cpp finds out what templates can do in the same way (`common_chat_template`'s capabilities).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from swarm.chat.turns import (
    Rewriting,
    ToolDict,
    TurnDict,
    apart_from_results,
    joined,
    later_system_as_user,
    one_call_each,
    system_as_user,
    with_text_arguments,
    with_text_before_calls,
    with_thinking,
)

Show = Callable[[Sequence[TurnDict]], str | None]
"""The text that a template makes of the turns; None where it refuses them."""

PROBING_S = 2.0
"""A template that computes for longer than this with a few words is probed no further."""

_ORDER: tuple[Rewriting, ...] = (
    with_text_arguments,
    with_thinking,
    with_text_before_calls,
    one_call_each,
    later_system_as_user,
    system_as_user,
    apart_from_results,
    joined,
)
"""The order in which rewritings are applied: whatever makes neighbours of one role comes before
`joined`."""


@dataclass(frozen=True, slots=True)
class _Probe:
    """A conversation, the words that must not be lost, and the rewritings that may be needed."""

    turns: tuple[TurnDict, ...]
    words: tuple[str, ...]
    remedies: tuple[tuple[Rewriting, ...], ...]


def _says(role: str, content: str) -> TurnDict:
    return {"role": role, "content": content}


def _calls(*names: str, **more: str) -> TurnDict:
    calls = [
        {
            "id": f"{name}12345"[:9],
            "type": "function",
            "function": {"name": name, "arguments": {"path": f"{name}-path"}},
        }
        for name in names
    ]
    return {**_says("assistant", ""), "tool_calls": calls, **more}


def _result(name: str) -> TurnDict:
    return {**_says("tool", f"{name}-result"), "tool_call_id": f"{name}12345"[:9], "name": name}


PROBED_TOOL: ToolDict = {
    "type": "function",
    "function": {
        "name": "read",
        "description": "Read a file.",
        "parameters": {
            "type": "object",
            "properties": {"path": {"type": "string", "description": "Where it is."}},
            "required": ["path"],
        },
    },
}
"""The tool in every conversation that is shown to a template: some go through the tools for the
calls."""

_ASKED = _says("user", "asked")
_PROBES = (
    _Probe(
        (_says("system", "ruled"), _ASKED),
        ("ruled", "asked"),
        ((system_as_user,), (system_as_user, joined)),
    ),
    _Probe(
        (
            _says("system", "ruled"),
            _ASKED,
            _says("assistant", "said"),
            _says("system", "amended"),
            _says("user", "urged"),
        ),
        ("ruled", "asked", "said", "amended", "urged"),
        ((later_system_as_user,), (later_system_as_user, joined)),
    ),
    _Probe(
        (_says("system", "ruled"), _ASKED, _calls("read"), _result("read")),
        ("ruled", "asked", "read-path", "read-result"),
        (
            (with_text_arguments,),
            (joined,),
            (with_text_arguments, joined),
            (system_as_user, joined),
        ),
    ),
    _Probe(
        (_ASKED, _calls("read", "list"), _result("read"), _result("list")),
        ("asked", "read-path", "read-result", "list-path", "list-result"),
        ((one_call_each,), (joined,)),
    ),
    _Probe(
        (_ASKED, _calls("read", reasoning_content="thought"), _result("read")),
        ("asked", "thought", "read-path", "read-result"),
        ((with_thinking,),),
    ),
    _Probe(
        (_ASKED, {**_calls("read"), "content": "said"}, _result("read")),
        ("asked", "said", "read-path", "read-result"),
        ((with_text_before_calls,),),
    ),
    _Probe(
        (_ASKED, _calls("read"), _result("read"), _says("user", "urged")),
        ("asked", "read-path", "read-result", "urged"),
        ((joined,), (apart_from_results,)),
    ),
    _Probe((_ASKED, _says("user", "urged")), ("asked", "urged"), ((joined,),)),
    _Probe(
        (_ASKED, _says("assistant", "said"), _says("assistant", "added"), _says("user", "urged")),
        ("asked", "said", "added", "urged"),
        ((joined,),),
    ),
)


def needed_rewritings(
    show: Show, always: Sequence[Rewriting] = (), budget_s: float = PROBING_S
) -> tuple[Rewriting, ...]:
    """The rewritings with which this template takes every conversation whole, in their order.

    `always` comes before all. Where none helps, the template has it as it is. The time is this
    thread's own: what others compute meanwhile is not the template's fault, and rewritings last.
    """
    chosen: set[Rewriting] = set()
    ends_s = time.thread_time() + budget_s
    for probe in _PROBES:
        best, taken = chosen, -1
        for remedy in ((), *probe.remedies):
            if time.thread_time() > ends_s:
                return (*always, *(each for each in _ORDER if each in chosen))
            rewritings = [each for each in _ORDER if each in chosen | set(remedy)]
            text = show(rewritten(probe.turns, (*always, *rewritings)))
            kept = -1 if text is None else sum(word in text for word in probe.words)
            if kept > taken:
                best, taken = chosen | set(remedy), kept
        chosen = best
    return (*always, *(each for each in _ORDER if each in chosen))


def rewritten(turns: Sequence[TurnDict], rewritings: Sequence[Rewriting]) -> list[TurnDict]:
    """The same conversation, after each of the rewritings."""
    found = list(turns)
    for rewriting in rewritings:
        found = rewriting(found)
    return found
