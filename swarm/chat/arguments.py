"""Whether a call's arguments are what its tool asks for, by the tool's own JSON schema."""

from collections.abc import Sequence
from typing import Any, Protocol, cast

from jsonschema import Draft202012Validator, SchemaError, ValidationError
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from swarm.chat.tool_calls import strict_json
from swarm.consensus.validity import Check
from swarm.errors import InvalidRequest
from swarm.types import ToolSpec

_NOTHING_ELSE: Any = Registry()  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
"""No other documents: a schema's references stay inside it, and nothing is fetched."""


class _Validator(Protocol):
    def iter_errors(self, instance: object) -> Any: ...


def checks_of(tools: Sequence[ToolSpec]) -> dict[str, Check]:
    """A check for each tool by its name. Raises InvalidRequest where a schema is none."""
    return {tool.name: _check(tool, at) for at, tool in enumerate(tools)}


def _check(tool: ToolSpec, at: int) -> Check:
    schema = dict(tool.parameters)
    # jsonschema has types for little of this
    kind: Any = validator_for(schema, default=Draft202012Validator)  # pyright: ignore[reportUnknownVariableType]
    path = f"tools[{at}].function.parameters"
    try:
        kind.check_schema(schema)
    except SchemaError as error:
        raise InvalidRequest(f"{path} is no JSON schema: {error.message}", param=path) from error
    validator = cast(_Validator, kind(schema, registry=_NOTHING_ELSE))

    def wrong(arguments: str) -> str | None:
        try:
            found = next(iter(validator.iter_errors(strict_json(arguments))), None)
        except (ValueError, RecursionError):
            return "the arguments are not JSON"
        except Unresolvable as error:
            return f"the schema refers to {error.ref!r}, which is not in it"
        return None if found is None else _in_words(found)

    return wrong


def _in_words(error: ValidationError) -> str:
    where = ".".join(map(str, error.absolute_path))
    message = str(error.message)
    said = message if len(message) <= 200 else message[:197] + "..."
    return f"{where}: {said}" if where else said
