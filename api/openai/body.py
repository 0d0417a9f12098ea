"""A request's bytes to a checked body: bounded in size and time, errors name the field."""

import asyncio
import re
from codecs import BOM_UTF8
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from api.openai.schema import NO_SUCH_WISH
from swarm.errors import InvalidRequest
from swarm.proposer import most_bytes

_READ_SECONDS = 60.0
_NAMED_MISTAKES = 10_000
"""A body with more mistakes than this has none of them named: pydantic describes all or none."""

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""An escape in JSON, whatever its backslash begins; `half` is one half of a character that needs
two."""

_MAYBE_HALF = re.compile(rb"\\u[dD][89a-fA-F]")

BodyT = TypeVar("BodyT", bound=BaseModel)


async def read_body(request: web.Request, *, context_tokens: int) -> bytes:
    """The whole body. What could not fit the context anyway is refused: 413; a slow one: 408."""
    limit = most_bytes(context_tokens)
    received = bytearray()
    if (request.content_length or 0) > limit:
        raise web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=request.content_length or 0)
    try:
        async with asyncio.timeout(_READ_SECONDS):
            async for piece in request.content.iter_any():
                received += piece
                if len(received) > limit:
                    raise web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=len(received))
    except web.RequestPayloadError as error:
        raise InvalidRequest(f"the body cannot be read: {error}") from error
    except TimeoutError:
        raise web.HTTPRequestTimeout(
            text=f"the body took longer than {_READ_SECONDS:.0f} s"
        ) from None
    return bytes(received)


async def body_of(request: web.Request, form: type[BodyT], *, context_tokens: int = 0) -> BodyT:
    """The body of a request as `form`, read in a thread. Raises as its two halves do."""
    raw = await read_body(request, context_tokens=context_tokens)
    return await asyncio.to_thread(parse_body, form, raw)


def parse_body(form: type[BodyT], raw: bytes) -> BodyT:
    """The body as `form`. Raises InvalidRequest that names the first wrong field.

    Half a character is read as U+FFFD: JavaScript cuts strings there, and its JSON tells it.
    A byte order mark is ignored: .NET and PowerShell write one (RFC 8259 leaves it to the reader).
    """
    try:
        return form.model_validate_json(_with_whole_characters(raw.removeprefix(BOM_UTF8)))
    except ValidationError as error:
        if error.error_count() > _NAMED_MISTAKES:
            message = f"the body has {error.error_count()} mistakes"
            raise InvalidRequest(message) from None
        # pydantic types the details as a TypedDict with a `ctx` of unknown content
        details: Any = error.errors(include_url=False)[0]
        raise _invalid(details) from None


def _with_whole_characters(raw: bytes) -> bytes:
    if _MAYBE_HALF.search(raw) is None:
        return raw
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found["half"] else found[0], raw)


def _invalid(details: Any) -> InvalidRequest:
    param = field_path(details["loc"])
    if details["type"] == "json_invalid":
        return InvalidRequest(f"the body is not JSON: {details['ctx']['error']}")
    if not param:
        return InvalidRequest("the body should be a JSON object")
    if details["type"] == "missing":
        return InvalidRequest(f"{param} is required", param=param)
    if details["type"] == "extra_forbidden":
        return InvalidRequest(f"{param}: {NO_SUCH_WISH}", param=param)
    wish = re.sub(r"^\w+ should", "should", str(details["msg"]))
    wish = wish.replace(" after validation", "")
    if details["type"] not in ("too_short", "too_long"):  # those tell the length themselves
        wish = f"{wish}, not {_shown(details['input'])}"
    return InvalidRequest(f"{param}: {wish}", param=param)


def field_path(location: tuple[int | str, ...]) -> str:
    """A pydantic location as a path such as `messages[0].content`; union tags are left out."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif not step.startswith("<"):
            path += f".{step}" if path else step
    return path


def _shown(value: object) -> str:
    """A value in an error message: short, and of a container only its kind."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    names: dict[object, str] = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return names[value]
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
