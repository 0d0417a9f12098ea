"""The tools `todowrite` and `todoread`: a conversation's list of tasks."""

import json
from typing import Literal

from pydantic import Field

from tools.tool import Arguments, CallContext, Output, Tool

_MOST = 200


class Todo(Arguments):
    """One task."""

    content: str = Field(description="Brief description of the task", max_length=2000)
    status: Literal["pending", "in_progress", "completed", "cancelled"]
    priority: Literal["high", "medium", "low"] = "medium"


class TodowriteArguments(Arguments):
    """OpenCode's names."""

    todos: list[Todo] = Field(description="The whole list, as it is now", max_length=_MOST)


class TodoreadArguments(Arguments):
    """None."""


async def _write(arguments: TodowriteArguments, context: CallContext) -> Output:
    context.session.todos[:] = [todo.model_dump() for todo in arguments.todos]
    return _told(context)


async def _read(arguments: TodoreadArguments, context: CallContext) -> Output:  # noqa: ARG001
    return _told(context)


def _told(context: CallContext) -> Output:
    todos = context.session.todos
    left = sum(todo["status"] not in ("completed", "cancelled") for todo in todos)
    return Output(json.dumps(todos, indent=2, ensure_ascii=False), {"todos": todos, "left": left})


TODOWRITE = Tool(
    "todowrite",
    "Write the list of tasks of this conversation: give the whole list each time, with at most "
    "one task in_progress. For work of three steps or more.",
    TodowriteArguments,
    _write,
)
TODOREAD = Tool(
    "todoread", "Read the list of tasks of this conversation.", TodoreadArguments, _read
)
