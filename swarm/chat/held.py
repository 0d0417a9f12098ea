"""Calls that no grammar holds to their schema: they wait until they are whole, and are checked."""

from collections.abc import Collection, Mapping, Sequence

from swarm.chat.calls import Arguments, Call, is_json, is_object
from swarm.chat.formats.canonical import call_text
from swarm.chat.formats.format import Part
from swarm.types import Check, ToolSpec


def may_be_wrong(tools: Sequence[ToolSpec]) -> frozenset[str]:
    """The names of those of which a call may be given that breaks the schema, if an engine itself
    tells it apart: as with OpenAI, all that are not strict. Agents tell the model what was wrong.
    """
    return frozenset(tool.name for tool in tools if not tool.strict)


def stays_call(name: str, arguments: str, beside: bool, may_be_wrong: Collection[str]) -> bool:
    """Whether a call that breaks its tool's schema is given as a call: one that came `beside` the
    text, of a tool of which that `may_be_wrong`, and whose arguments are at least a JSON object.
    """
    return beside and name in may_be_wrong and is_object(arguments)


class HeldCalls:
    """Passes parts on; calls of the tools in `checks` only when they are whole and right.

    One that is wrong becomes text, unless it is one that `stays_call`: the asker sees what the
    model wrote, and no call. `flaw` is what was wrong with the first of them, or None. One in which
    the answer was cut is neither: it stays a call, as it came.
    """

    def __init__(self, checks: Mapping[str, Check], may_be_wrong: Collection[str] = ()) -> None:
        self._checks = checks
        self._may_be_wrong = may_be_wrong
        self._call: Call | None = None
        self._beside = False
        self.flaw: str | None = None

    def feed(self, parts: Sequence[Part], *, beside: bool = False) -> list[Part]:
        """The parts that need not wait."""
        passed: list[Part] = []
        for part in parts:
            if isinstance(part, Arguments) and self._call is not None:
                self._call = Call(self._call.name, self._call.arguments + part.text)
                continue
            passed += self.finish()
            if isinstance(part, Call) and part.name in self._checks:
                self._call, self._beside = part, beside
            else:
                passed.append(part)
        return passed

    def cut(self) -> list[Part]:
        """The call that waited, where the answer has ended within one."""
        call = self._call
        if call is None or is_json(call.arguments):
            return self.finish()
        self._call = None
        return [call]

    def finish(self) -> list[Part]:
        """The call that waited: it is whole."""
        call, self._call = self._call, None
        if call is None:
            return []
        problem = self._checks[call.name](call.arguments)
        if problem is None:
            return [call]
        self.flaw = self.flaw or f"{call.name}: {problem}"
        if stays_call(call.name, call.arguments, self._beside, self._may_be_wrong):
            return [call]
        return [call_text(call.name, call.arguments)]
