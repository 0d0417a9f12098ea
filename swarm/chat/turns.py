"""Messages as the dictionaries that chat templates read, and a plain form for simple ones."""

import hashlib
import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

from swarm.chat.formats.canonical import CALL_CLOSE, CALL_OPEN
from swarm.types import Message, ToolCall

TurnDict: TypeAlias = dict[str, Any]
ToolDict: TypeAlias = dict[str, Any]
Rewriting: TypeAlias = Callable[[Sequence[TurnDict]], list[TurnDict]]
"""Another way of putting the same conversation."""

_NOT_AN_OBJECT = "arguments"
_ROLES = {"developer": "system", "function": "tool"}


def as_turns(messages: Sequence[Message]) -> list[TurnDict]:
    """One dictionary a message, with the keys that templates of model families expect."""
    return [_turn(message) for message in messages]


def _turn(message: Message) -> TurnDict:
    turn: TurnDict = {
        "role": _ROLES.get(message.role, message.role),
        "content": message.content or "",
    }
    if message.name is not None:
        turn["name"] = message.name
    if message.reasoning is not None:
        turn["reasoning_content"] = message.reasoning
    if message.tool_call_id is not None:
        turn["tool_call_id"] = _id(message.tool_call_id)
    if message.tool_calls:
        turn["tool_calls"] = [_call(call) for call in message.tool_calls]
    return turn


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": _arguments(call.arguments)}
    return {"id": _id(call.id), "type": "function", "function": function}


def _id(told: str) -> str:
    """A call's id as nine letters and digits: templates of Mistral's refuse any other."""
    return hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()[:9]


def _arguments(text: str) -> dict[str, Any]:
    """Templates print arguments with `tojson` or go through them: always an object.

    None is an empty one; text that is none, such as that of a call that was cut, stands in one.
    """
    try:
        found = json.loads(text) if text else None
    except (ValueError, RecursionError):
        found = text
    if found is None:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {_NOT_AN_OBJECT: found}


def one_system(turns: Sequence[TurnDict]) -> list[TurnDict]:
    """The system messages with which a conversation begins as one: few templates have more."""
    leading = list(itertools.takewhile(lambda turn: turn["role"] == "system", turns))
    return [*joined(leading), *turns[len(leading) :]]


def later_system_as_user(turns: Sequence[TurnDict]) -> list[TurnDict]:
    """System messages amid the conversation as the user's, where they stand."""
    return [*turns[:1], *system_as_user(turns[1:])]


def system_as_user(turns: Sequence[TurnDict]) -> list[TurnDict]:
    """Every system message as the user's: some models know no other role."""
    return [{**turn, "role": "user"} if turn["role"] == "system" else turn for turn in turns]


def joined(turns: Sequence[TurnDict]) -> list[TurnDict]:
    """Neighbours of one role as one turn, results and calls apart."""
    found: list[TurnDict] = []
    for turn in turns:
        last = found[-1] if found else None
        if last and last["role"] == turn["role"] != "tool" and "tool_calls" not in last:
            content = "\n\n".join(filter(None, (last["content"], turn["content"])))
            found[-1] = {**last, **turn, "content": content}
        else:
            found.append(turn)
    return found


def apart_from_results(turns: Sequence[TurnDict]) -> list[TurnDict]:
    """A word of the assistant between the result of a tool and the user's next turn."""
    found: list[TurnDict] = []
    for turn in turns:
        if found and found[-1]["role"] == "tool" and turn["role"] == "user":
            found.append({"role": "assistant", "content": "OK."})
        found.append(turn)
    return found


def with_text_before_calls(turns: Sequence[TurnDict]) -> list[TurnDict]:
    """What was said before a call as a turn of its own, as templates drop what stands beside it."""
    found: list[TurnDict] = []
    for turn in turns:
        if "tool_calls" in turn and turn["content"]:
            said = {"role": turn["role"], "content": turn["content"]}
            found += [said, {**turn, "content": ""}]
        else:
            found.append(turn)
    return found


def with_thinking(turns: Sequence[TurnDict]) -> list[TurnDict]:
    """The reasoning before calls under the key of gpt-oss, which takes no text beside it."""
    return [
        {
            **{key: value for key, value in turn.items() if key != "reasoning_content"},
            "content": "",
            "thinking": "\n".join(filter(None, (turn["reasoning_content"], turn["content"]))),
        }
        if "tool_calls" in turn and "reasoning_content" in turn
        else turn
        for turn in turns
    ]


def with_text_arguments(turns: Sequence[TurnDict]) -> list[TurnDict]:
    """The arguments of calls as JSON, as some templates of DeepSeek want them."""
    return [_with_text(turn) for turn in turns]


def _with_text(turn: TurnDict) -> TurnDict:
    if "tool_calls" not in turn:
        return turn
    calls: list[dict[str, Any]] = []
    for call in turn["tool_calls"]:
        text = json.dumps(call["function"]["arguments"], ensure_ascii=False)
        calls.append({**call, "function": {**call["function"], "arguments": text}})
    return {**turn, "tool_calls": calls}


def one_call_each(turns: Sequence[TurnDict]) -> list[TurnDict]:
    """The same conversation with at most one call in a message, each before its own result."""
    apart: list[TurnDict] = []
    waiting: list[TurnDict] = []
    for turn in turns:
        answers = turn["role"] == "tool"
        due = [w for w in waiting if not answers or _calls_for(w, turn)]
        waiting = [w for w in waiting if w not in due]
        calls = turn.get("tool_calls", [])
        waiting += [{"role": turn["role"], "content": "", "tool_calls": [c]} for c in calls[1:]]
        apart += [*due, {**turn, "tool_calls": calls[:1]} if calls else turn]
    return apart + waiting


def _calls_for(turn: TurnDict, result: TurnDict) -> bool:
    return bool(turn["tool_calls"][0]["id"] == result.get("tool_call_id"))


def plain_turns(turns: Sequence[TurnDict]) -> list[TurnDict]:
    """The same conversation without tool turns: calls and results become text."""
    return [_plain(turn) for turn in turns]


def _plain(turn: TurnDict) -> TurnDict:
    if turn["role"] == "tool":
        return {"role": "user", "content": f"<tool_response>\n{turn['content']}\n</tool_response>"}
    if calls := turn.get("tool_calls"):
        texts = [
            CALL_OPEN + json.dumps(call["function"], ensure_ascii=False) + CALL_CLOSE
            for call in calls
        ]
        content = "\n".join(filter(None, [turn["content"], *texts]))
        told = {key: value for key, value in turn.items() if key != "tool_calls"}
        return {**told, "content": content}
    return turn


def describe_tools(tools: Sequence[ToolDict]) -> str:
    """The canonical words that offer tools to a model whose template knows none."""
    listed = "\n".join(json.dumps(tool["function"], ensure_ascii=False) for tool in tools)
    form = CALL_OPEN + '{"name": "...", "arguments": {...}}' + CALL_CLOSE
    return f"You may call these tools:\n{listed}\nTo call one, write {form} and nothing after it."
