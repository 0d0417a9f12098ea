"""Tools, tool choice and response format as what an answer is held to; what is wrong is a 400."""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from api.openai.schema import AllowedTools, ChatBody, FunctionBody, NamedTool, ToolChoice
from printable import printable
from swarm.chat.arguments import check_of
from swarm.chat.grammar import unenforced
from swarm.chat.recalled import recalled
from swarm.errors import InvalidRequest
from swarm.json_schema import closed_as_meant
from swarm.types import Constraint, Message, ToolSpec

logger = logging.getLogger(__name__)

_NO_NAME = re.compile(r"[\s<>\[\]{}`\x00-\x1f\x7f]")
"""Characters that no tool's name may have: in one format of calls or another a name ends there."""

_ANY_OBJECT = '{"type": "object"}'


def offered_tools(body: ChatBody) -> tuple[ToolSpec, ...]:
    """The tools that the model may know of. Raises InvalidRequest that says which is wrong."""
    tools: dict[str, ToolSpec] = {}
    for at, tool in enumerate(body.tools or ()):
        name, path = tool.function.name, f"tools[{at}].function.name"
        if found := _NO_NAME.search(name):
            message = f"{path}: {found[0]!r} may not stand in a name, as it does in {name!r}"
            raise InvalidRequest(message, param=path)
        if name in tools:
            raise InvalidRequest(f"{path}: there are two tools {name!r}", param=path)
        try:
            tools[name] = _tool(tool.function, at, body.tool_choice)
        except InvalidRequest as error:  # a person has no list in which to count
            raise InvalidRequest(f"the tool {name!r}: {error}", param=error.param) from error
    return () if body.tool_choice == "none" else tuple(tools.values())


def _tool(function: FunctionBody, at: int, choice: ToolChoice | None) -> ToolSpec:
    """The tool; where nothing satisfies its schema it takes any object, for it is one of many.

    The schema of one that is strict is read to the letter; there, and where the tool is chosen,
    InvalidRequest is raised instead.
    """
    schema: Mapping[str, Any] = function.parameters or {"type": "object", "properties": {}}
    path = f"tools[{at}].function.parameters"
    if schema.get("type", "object") != "object":
        message = f"{path}.type is {schema['type']!r}; arguments are an 'object'"
        raise InvalidRequest(message, param=f"{path}.type")
    check_of(_typed(schema), path)
    if not function.strict:
        schema = closed_as_meant(schema)
    try:
        unenforced(_typed(schema))
    except ValueError as error:
        chosen = isinstance(choice, NamedTool) and choice.function.name == function.name
        if function.strict or chosen:
            raise InvalidRequest(f"{path}: {error}", param=path) from error
        what = f"the schema of the tool {function.name!r} cannot be kept"
        _tell(f"{what}, its arguments may be any JSON object: {error}")
        schema = {"type": "object"}
    return ToolSpec(function.name, function.description or "", schema, bool(function.strict))


def _typed(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema with the type that arguments have; itself, so that what was made of its text is
    found again, where it says that.
    """
    return schema if "type" in schema else {"type": "object", **schema}


@recalled(256)
def _tell(what: str) -> None:
    """Warn of it once, not with each request of a session. What is kept of it is that it was said:
    a warning that was pushed out by newer ones, or is very long, is given again.
    """
    logger.warning("%s", printable(what))


def constraint_of(body: ChatBody, tools: Sequence[ToolSpec]) -> Constraint:
    """What the answer is held to. Raises InvalidRequest for a choice that cannot be made."""
    schema = _wanted_schema(body)
    choice = body.tool_choice
    if isinstance(choice, NamedTool):
        name = _offered(choice, tools, "tool_choice")
        return Constraint(must_call=True, tools=(name,))
    names: tuple[str, ...] = ()
    if isinstance(choice, AllowedTools):
        listed, path = choice.allowed_tools, "tool_choice.allowed_tools.tools"
        names = tuple(_offered(one, tools, f"{path}[{at}]") for at, one in enumerate(listed.tools))
        choice = listed.mode
    if choice == "required":
        if not tools:
            message = "tool_choice 'required' needs tools"
            raise InvalidRequest(message, param="tool_choice")
        return Constraint(must_call=True, tools=names)
    return Constraint(tools=names, schema=schema)


def _offered(named: NamedTool, tools: Sequence[ToolSpec], path: str) -> str:
    """Its name. Raises InvalidRequest where no tool has it."""
    name = named.function.name
    if name not in (tool.name for tool in tools):
        path = f"{path}.function.name"
        raise InvalidRequest(f"{path}: there is no tool {name!r} in tools", param=path)
    return name


def _wanted_schema(body: ChatBody) -> str | None:
    """The JSON text of the schema that a response format asks for."""
    wish = body.response_format
    if wish is None:
        return None
    match wish.type:
        case "text":
            if wish.content:
                path = "response_format.schema"
                message = f"{path} asks for JSON: say the type 'json_object' or 'json_schema'"
                raise InvalidRequest(message, param=path)
            return None
        case "json_object":
            content = wish.content
            return _enforced(content, "response_format.schema") if content else _ANY_OBJECT
        case "json_schema":
            if wish.json_schema is None:
                path = "response_format.json_schema"
                raise InvalidRequest(f"{path} is required with the type 'json_schema'", param=path)
            return _enforced(wish.json_schema.content, "response_format.json_schema.schema")


def _enforced(schema: Mapping[str, Any], path: str) -> str:
    """Its JSON text. Raises InvalidRequest where an answer cannot be held to all of it."""
    check_of(schema, path)
    try:
        left = unenforced(schema)
    except ValueError as error:
        raise InvalidRequest(f"{path}: {error}", param=path) from error
    if left:
        message = f"{path} asks for what cannot be enforced: {'; '.join(left)}"
        raise InvalidRequest(message, param=path)
    return json.dumps(schema)


def with_results(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages, each result with its call's id: the old form's names only its tool.

    Raises InvalidRequest where a result has no call before it.
    """
    called: set[str] = set()
    waiting: dict[str, str] = {}
    made: list[Message] = []
    for at, message in enumerate(messages):
        if message.tool_calls:
            waiting = {call.id: call.name for call in message.tool_calls}
            called |= waiting.keys()
        call_id = message.tool_call_id
        if message.role == "function":
            call_id = next((key for key, name in waiting.items() if name == message.name), None)
        if message.role in ("tool", "function") and call_id not in called:
            raise _no_call(message, at)
        waiting.pop(call_id or "", None)
        made.append(replace(message, tool_call_id=call_id))
    return tuple(made)


def _no_call(message: Message, at: int) -> InvalidRequest:
    if message.role == "function":
        path = f"messages[{at}].name"
        said = f"{path}: no call of {message.name!r} waits for its result"
    else:
        path = f"messages[{at}].tool_call_id"
        said = f"{path}: no call {message.tool_call_id!r} stands in a message before it"
    return InvalidRequest(said, param=path)
