"""What a vote costs: five workers against one worker's answer, a plain completion, five in a row.

Prompts of 1,000 tokens, answers of up to 128 by a model with random weights, which never agree
and never end early: the vote waits for all. Then the time to what a person sees first, and what
counting nine long candidates takes by itself.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import Sequence

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
    named = (("plain", plain), ("one worker", single), ("vote of five", votes), ("leader", leaders))
    for name, timings in named:
        print(
            f"{name}: {spread([t.total_s for t in timings])} s, "
            f"first sign {spread([t.first_s for t in timings])} s"
        )
    print(f"five requests in a row: {spread(row)} s")
    met = judge(plain, single, votes, leaders)
    counted = counting_ms()
    return not (verdict("counting nine texts of 6 kB, ms of a core", counted, COUNT_BAR_MS) and met)


def judge(
    plain: Sequence[Timing],
    single: Sequence[Timing],
    votes: Sequence[Timing],
    leaders: Sequence[Timing],
) -> bool:
    """Print the ratios of the medians beside their bars; whether all are met.

    A vote and a leader are held beside one worker's answer in the same conversation, and beside a
    plain completion, which knows neither.
    """
    met = True
    for name, alone in (("one answer", single), ("a plain completion", plain)):
        total = statistics.median(t.total_s for t in alone)
        first = statistics.median(t.first_s for t in alone)
        took = statistics.median(t.total_s for t in votes) / total
        met &= verdict(f"time of a vote of five / of {name}", took, TIME_BAR)
        sign = statistics.median(t.first_s for t in votes) / first
        met &= verdict(f"first sign of a vote with progress / of {name}", sign, FIRST_BAR)
        lead = statistics.median(t.first_s for t in leaders) / first
        met &= verdict(f"first token of a leader / of {name}", lead, FIRST_BAR)
    one, bare = (statistics.median(t.first_s for t in each) for each in (single, plain))
    return verdict("first token of one answer / of a plain completion", one / bare, FIRST_BAR) & met


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
