"""An engine whose sequences speak by script, and what tests of votes ask of it."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

from swarm.engines.base import Accepted, Delta, Event, Finished, Started
from swarm.types import Prompt
from tests.fakes import FakeEngine

HELLO: Any = [{"role": "user", "content": "hello"}]
READ: Any = {
    "type": "function",
    "function": {
        "name": "read",
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}},
    },
}


class Voters(FakeEngine):
    """Sequence i says the i-th script, a word a step; who is through is finished at once."""

    def __init__(self, *scripts: str, step_s: float = 0.0) -> None:
        super().__init__(step_s=step_s)
        self.scripts = scripts

    async def generate(self, prompt: Prompt) -> AsyncGenerator[list[Event]]:
        self.prompts.append(prompt)
        self.running += 1
        words = [script.split("|") for script in self.scripts[: prompt.n]]
        done = False
        try:
            yield [Accepted(5)]
            yield [Started(5, 2)]
            for at in range(max(map(len, words)) + 1):
                await asyncio.sleep(self.step_s)
                events: list[Event] = []
                for index, said in enumerate(words):
                    if at < len(said):
                        events.append(Delta(index, said[at], 1))
                    elif at == len(said):
                        events.append(Finished(index, "stop", len(said), 0.01, 0.02))
                yield events
            done = True
        finally:
            self.running -= 1
            self.cancelled += not done
