"""Calls that an engine tells beside the text, as a server does that reads them itself.

What looks like a call in such a text is a quotation, of a page, a log or a template, and stays one.
"""

from collections.abc import Sequence

from swarm.chat.formats.format import Format, Part, Spelling
from swarm.types import ToolSpec

SIGN = "calls are told beside the text"
"""The words in a template that tell that its engine is of this kind."""


class _TextOnly:
    """Finds no calls."""

    inside = False
    thinking = False

    def feed(self, text: str) -> Sequence[Part]:
        """The text, whatever is in it."""
        return [text] if text else []

    def finish(self) -> Sequence[Part]:
        """Nothing is ever held back."""
        return []


def _spelling(tools: Sequence[ToolSpec], one_call: bool) -> Spelling:  # noqa: ARG001 - a Format's
    return Spelling(called="PLAIN", free="PLAIN", rules=())  # such engines take no grammar


BESIDE = Format("beside", lambda _: _TextOnly(), _spelling, ())
