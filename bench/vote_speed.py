"""What a vote costs: five workers against one worker's answer, and against five requests in a row.

Prompts of 1,000 tokens, answers of up to 128 by a model with random weights, which never agree
and never end early: the vote waits for all. Then the time to what a person sees first, and what
counting nine long candidates takes by itself.
"""

import asyncio
import statistics
import sys
import time

from bench.client import Timing, chat, streamed
from bench.figures import parser, spread, verdict
from bench.models import random_model, text
from bench.servers import Server, node
from swarm.consensus.canonical import form_of
from swarm.consensus.tally import Vote, Voter, count
from swarm.consensus.validity import flaw
from swarm.types import Candidate

PROMPT_TOKENS = 1000
NEW_TOKENS = 128
VOTERS = 5
TIME_BAR = 2.0
FIRST_BAR = 1.1
COUNT_BAR_MS = 15
CANDIDATES = 9
CHARACTERS = 6000


def main() -> int:
    chosen = parser(__doc__, rounds=3).parse_args()
    with node(chosen.model or random_model(), "--ctx", "8192") as server:
        asked = Rounds(server)
        asked.one(-1)
        plain = [asked.plain(n) for n in range(chosen.rounds)]
        single = [asked.one(n) for n in range(chosen.rounds)]
        votes = [asked.vote(n) for n in range(chosen.rounds)]
        leaders = [asked.leader(n) for n in range(chosen.rounds)]
        row = [sum(asked.one(n, again).total_s for again in range(VOTERS)) for n in range(2)]
    total = statistics.median(t.total_s for t in single)
    named = (("plain", plain), ("one worker", single), ("vote of five", votes), ("leader", leaders))
    for name, timings in named:
        print(
            f"{name}: {spread([t.total_s for t in timings])} s, "
            f"first sign {spread([t.first_s for t in timings])} s"
        )
    print(f"five requests in a row: {spread(row)} s")
    alone = statistics.median(t.first_s for t in plain)
    first = statistics.median(t.first_s for t in single)
    ratio = statistics.median(t.total_s for t in votes) / total
    met = verdict("time of a vote of five / one answer", ratio, TIME_BAR)
    sign = statistics.median(t.first_s for t in votes) / first
    met &= verdict("first sign of a vote with progress / first token of one", sign, FIRST_BAR)
    lead = statistics.median(t.first_s for t in leaders)
    met &= verdict("first token of a leader / of one worker", lead / first, FIRST_BAR)
    met &= verdict("first token of a leader / of a plain completion", lead / alone, FIRST_BAR)
    met &= verdict("first token of one worker / of a plain completion", first / alone, FIRST_BAR)
    counted = counting_ms()
    return not (verdict("counting nine texts of 6 kB, ms of a core", counted, COUNT_BAR_MS) and met)


def counting_ms() -> float:
    """Processor time of judging, reading and counting the candidates of a vote, median of 20."""
    answers = [
        Candidate(f"{at}", text(CHARACTERS, seed=at)[:CHARACTERS]) for at in range(CANDIDATES)
    ]
    times: list[float] = []
    for _ in range(20):
        began = time.process_time()
        votes = [Vote(a, form_of(a), Voter(a.voter)) for a in answers if not flaw(a)]
        count(votes, seed="s")
        times.append(1000 * (time.process_time() - began))
        if len(votes) != CANDIDATES:
            raise RuntimeError("the texts are no answers")
    return statistics.median(times)


class Rounds:
    """Asks with a fresh prompt every time: nothing comes from the prefix cache."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._prompts = 0

    def plain(self, number: int) -> Timing:
        """A completion without a conversation around it."""
        self._prompts += 1
        words = text(PROMPT_TOKENS, seed=70_000 + self._prompts)
        asked = streamed(self._server, f"plain {number}{words}", max_tokens=NEW_TOKENS)
        return asyncio.run(asked)

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
