"""What is wrong in words of others that were checked, without those words: they may be secret."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Refused(Protocol):
    """pydantic's ValidationError, as far as it is read here."""

    def errors(
        self, *, include_url: bool, include_context: bool, include_input: bool
    ) -> Sequence[Mapping[str, Any]]:
        """Its details."""
        ...


def mistakes(error: Refused, whole: str) -> list[str]:
    """Where and why of each; `whole` is how to call what has no place of its own, "" for not."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return [_told(each, whole) for each in found]


def first_mistake(error: Refused, whole: str) -> str:
    """Where and why of the first."""
    return mistakes(error, whole)[0]


def _told(details: Mapping[str, Any], whole: str) -> str:
    where = ".".join(map(str, details["loc"])) or whole
    return f"{where}: {details['msg']}" if where else str(details["msg"])
