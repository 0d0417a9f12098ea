"""Whether JSON text is what a schema asks for: a call's arguments, or an answer."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast

from jsonschema import Draft202012Validator, SchemaError, ValidationError
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from swarm.chat.calls import strict_json
from swarm.chat.keywords import Texts, bounded
from swarm.chat.recalled import recalled
from swarm.errors import InvalidRequest
from swarm.json_schema import with_known_drafts
from swarm.types import Check, ToolSpec

_NOTHING_ELSE: Any = Registry()  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
"""No other documents: a schema's references stay inside it, and nothing is fetched."""


class _Validator(Protocol):
    def iter_errors(self, instance: object) -> Any: ...


def checks_of(tools: Sequence[ToolSpec]) -> dict[str, Check]:
    """A check for each tool by its name. Raises InvalidRequest where a schema is none."""
    return {
        tool.name: check_of(tool.parameters, f"tools[{at}].function.parameters")
        for at, tool in enumerate(tools)
    }


def check_of(schema: Mapping[str, Any], path: str) -> Check:
    """A check of JSON text by a schema. Raises InvalidRequest at `path` where it is none."""
    try:
        validator = _validator(json.dumps(schema))
    except SchemaError as error:
        raise InvalidRequest(f"{path} is no JSON schema: {error.message}", param=path) from error
    except InvalidRequest as error:
        raise InvalidRequest(f"{path}: {error}", param=path) from error
    except ValueError as error:  # an address in it that is none
        raise InvalidRequest(f"{path} is no JSON schema: {error}", param=path) from error

    def wrong(text: str) -> str | None:
        try:
            found = next(iter(validator().iter_errors(strict_json(text))), None)
        except (ValueError, RecursionError):
            return "it is not JSON"
        except OverflowError:
            return "a number in it is too large"
        except TimeoutError:
            return "it takes too long to look for the patterns of its schema"
        except InvalidRequest as error:
            return str(error)
        except Unresolvable as error:
            return f"the schema refers to {error.ref!r}, which is not in it"
        return None if found is None else _in_words(found)

    return wrong


@recalled(256)
def _validator(text: str) -> Callable[[], _Validator]:
    """For a schema's JSON text, one for each check; an agent sends the same tools every time."""
    schema = with_known_drafts(json.loads(text))
    # jsonschema has types for little of this
    draft: Any = Draft202012Validator
    if isinstance(schema.get("$schema"), str):
        draft = validator_for(schema, default=Draft202012Validator)  # pyright: ignore[reportUnknownVariableType]
    formats = draft.FORMAT_CHECKER
    draft.check_schema(schema, format_checker=Texts(formats))
    validator = bounded(draft)(schema, registry=_NOTHING_ELSE)
    return lambda: cast(_Validator, validator.evolve(format_checker=Texts(formats)))


def _in_words(error: ValidationError) -> str:
    where = ".".join(map(str, error.absolute_path))
    message = str(error.message)
    said = message if len(message) <= 200 else message[:197] + "..."
    return f"{where}: {said}" if where else said
