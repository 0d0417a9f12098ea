"""Calls that no grammar holds to their schema: they wait until they are whole, and are checked."""

from collections.abc import Mapping, Sequence

from swarm.chat.calls import Arguments, Call
from swarm.chat.formats.canonical import call_text
from swarm.chat.formats.format import Part
from swarm.types import Check


class HeldCalls:
    """Passes parts on; calls of the tools in `checks` only when they are whole and right.

    One that is wrong becomes text: the asker sees what the model wrote, and no call.
    """

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._call: Call | None = None

    def feed(self, parts: Sequence[Part]) -> list[Part]:
        """The parts that need not wait."""
        passed: list[Part] = []
        for part in parts:
            if isinstance(part, Arguments) and self._call is not None:
                self._call = Call(self._call.name, self._call.arguments + part.text)
                continue
            passed += self.finish()
            if isinstance(part, Call) and part.name in self._checks:
                self._call = part
            else:
                passed.append(part)
        return passed

    def finish(self) -> list[Part]:
        """The call that waited: it is whole."""
        call, self._call = self._call, None
        if call is None:
            return []
        if self._checks[call.name](call.arguments) is None:
            return [call]
        return [call_text(call.name, call.arguments)]
