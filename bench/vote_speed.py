"""What a vote costs: five workers against one worker's answer, and against five requests in a row.

Prompts of 1,000 tokens, answers of up to 128 by a model with random weights, which never agree
and never end early: the vote waits for all. Then the time to what a person sees first.
"""

import asyncio
import statistics
import sys

from bench.client import Timing, chat
from bench.figures import parser, spread, verdict
from bench.models import random_model, text
from bench.servers import Server, node

PROMPT_TOKENS = 1000
NEW_TOKENS = 128
VOTERS = 5
TIME_BAR = 2.0
FIRST_BAR = 1.1


def main() -> int:
    chosen = parser(__doc__, rounds=3).parse_args()
    with node(chosen.model or random_model(), "--ctx", "8192") as server:
        asked = Rounds(server)
        asked.one(-1)
        single = [asked.one(n) for n in range(chosen.rounds)]
        votes = [asked.vote(n) for n in range(chosen.rounds)]
        leaders = [asked.leader(n) for n in range(chosen.rounds)]
        row = [sum(asked.one(n, again).total_s for again in range(VOTERS)) for n in range(2)]
    total = statistics.median(t.total_s for t in single)
    for name, timings in (("one worker", single), ("vote of five", votes), ("leader", leaders)):
        print(
            f"{name}: {spread([t.total_s for t in timings])} s, "
            f"first sign {spread([t.first_s for t in timings])} s"
        )
    print(f"five requests in a row: {spread(row)} s")
    first = statistics.median(t.first_s for t in single)
    ratio = statistics.median(t.total_s for t in votes) / total
    met = verdict("time of a vote of five / one answer", ratio, TIME_BAR)
    sign = statistics.median(t.first_s for t in votes) / first
    met &= verdict("first sign of a vote with progress / first token of one", sign, FIRST_BAR)
    lead = statistics.median(t.first_s for t in leaders) / first
    return not (verdict("first token of a leader / of one", lead, FIRST_BAR) and met)


class Rounds:
    """Asks with a fresh prompt every time: nothing comes from the prefix cache."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._prompts = 0

    def one(self, number: int, again: int = 0) -> Timing:
        return self._ask(f"one {number} {again}")

    def vote(self, number: int) -> Timing:
        wishes = {"voters": VOTERS, "decide": "all"}
        return self._ask(f"vote {number}", model="swarm", swarm=wishes, progress=True)

    def leader(self, number: int) -> Timing:
        wishes = {"voters": VOTERS, "strategy": "leader"}
        return self._ask(f"leader {number}", model="swarm", swarm=wishes)

    def _ask(self, name: str, model: str = "swarm-fast", **fields: object) -> Timing:
        self._prompts += 1
        words = text(PROMPT_TOKENS, seed=70_000 + self._prompts)
        messages = [{"role": "user", "content": f"{name}{words}"}]
        asked = chat(
            self._server,
            messages,
            max_tokens=NEW_TOKENS,
            model=model,
            ignore_eos=True,
            **fields,
        )
        return asyncio.run(asked)


if __name__ == "__main__":
    sys.exit(main())
