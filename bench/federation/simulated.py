"""What a vote costs the node that was asked, by the number of nodes that answer.

Nodes are in-process proposers with drawn latencies and accuracies, three workers each; team,
collect, count and reply are the real ones. Processor time is that of the whole request less
what the same proposers take when nobody counts. `--write` puts table and plot into the documents.
"""

import asyncio
import json
import math
import random
import statistics
import sys
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import pairwise

from api.openai.reply import named_envelope
from api.openai.rules import rules_of
from api.openai.schema import VoteBody
from api.openai.voted import whole
from bench.figures import parser, verdict
from bench.models import ROOT, text
from bench.plot import Line, Scale, plot
from swarm.chat.calls import Call
from swarm.chat.completion import Piece, Text
from swarm.proposer import Began, Ended, Offer, Said, Told
from swarm.team import Seat, team, voters_of
from swarm.types import Message, Question, SamplingParams, ToolSpec, Verdict
from swarm.vote import Party, by_vote, poll_of
from swarm.workers import VoteWeights

SIZES = (10, 50, 250)
WORKERS = 3
FASTEST_S, SLOWEST_S = 0.05, 0.6
WORDS = 160
PAGE = ROOT / "docs" / "federation.md"
PICTURE = ROOT / "docs" / "pictures" / "federation.svg"
MARKS = ("<!-- simulated -->", "<!-- /simulated -->")
READ = ToolSpec("read", "", {"type": "object", "properties": {"path": {"type": "string"}}})

Answer = Callable[[random.Random, float, int], Piece]
"""What a worker of this accuracy says to question `number`."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of answers; `tools` are offered with the question."""

    name: str
    answer: Answer
    wishes: VoteBody = field(default_factory=VoteBody)
    tools: tuple[ToolSpec, ...] = ()


def short(chance: random.Random, accuracy: float, number: int) -> Piece:
    right = chance.random() < accuracy
    return Text(f"Answer: {number if right else number + chance.randint(1, 9)}")


def call(chance: random.Random, accuracy: float, number: int) -> Piece:
    right = chance.random() < accuracy
    path = f"notes/{number if right else chance.randint(1, 40)}.txt"
    return Call("read" if chance.random() < 0.95 else "lost", json.dumps({"path": path}))


def long(chance: random.Random, accuracy: float, number: int) -> Piece:
    """The same text for all of a question, with words of one's own where one is not accurate."""
    words = text(WORDS, seed=number).split()
    own = text(WORDS, seed=chance.randrange(1 << 30)).split()
    return Text(
        " ".join(w if chance.random() < accuracy else o for w, o in zip(words, own, strict=True))
    )


def apart(chance: random.Random, accuracy: float, number: int) -> Piece:  # noqa: ARG001
    return Text(f"Answer: {chance.randrange(1 << 60)}")


KINDS = (
    Kind("exact", short),
    Kind("tools", call, tools=(READ,)),
    Kind("medoid", long),
    Kind("exact, nobody agrees", apart, VoteBody(decide="all")),
)


class Simulated:
    """A node that answers after a drawn time, right as often as it is accurate."""

    def __init__(self, number: int, kind: Kind, chance: random.Random) -> None:
        self.node = f"{number:064x}"
        self.name = f"node{number}"
        self.names = (self.name,)
        self.address = f"10.0.{number // 256}.{number % 256}"
        self.told_s = 0.0
        self._kind = kind
        self._chance = chance
        self._accuracy = chance.uniform(0.45, 0.95)
        self._pace_s = chance.lognormvariate(math.log(0.15), 0.5)

    def models(self) -> tuple[str, ...]:
        return ("simulated",)

    def offer(self, model: str) -> Offer | None:
        return Offer(model, WORKERS, free=64, most=64)

    def won(self) -> None: ...

    async def propose(
        self,
        question: Question,
        workers: int,
        *,
        remaining_s: float,  # noqa: ARG002
        live: bool,  # noqa: ARG002
    ) -> AsyncGenerator[list[Told]]:
        """As a peer does: all begin at once, each answer comes in one piece."""
        number = len(question.messages[0].content or "")
        waits = sorted(self._chance.uniform(0.5, 1.5) * self._pace_s for _ in range(workers))
        began_s = time.monotonic()
        await asyncio.sleep(FASTEST_S / 10)
        yield [(at, Began(100, 0)) for at in range(workers)]
        for at, wait_s in enumerate(waits):
            until_s = began_s + min(SLOWEST_S, max(FASTEST_S, wait_s))
            await asyncio.sleep(until_s - time.monotonic())
            said = self._kind.answer(self._chance, self._accuracy, number)
            self.told_s = time.monotonic()
            yield [(at, Said((said,), tokens=20, calling=bool(self._kind.tools)))]
            yield [(at, Ended("stop", 20))]


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one request: processor time, all the time, and how much of it after the last answer."""

    cpu_s: float
    seconds: float
    behind_s: float


async def ask(kind: Kind, nodes: Sequence[Simulated], number: int) -> tuple[Cost, Verdict]:
    """One request, from the choice of the team to the bytes of the reply."""
    cpu_s, began_s = time.process_time(), time.monotonic()
    question = asked(kind, number)
    seats = [
        Seat(node.node, node.name, node.address, Offer("simulated", WORKERS, 64, 64), own=not at)
        for at, node in enumerate(nodes)
    ]
    chosen = team(seats, None, temperature_0=False)
    voters = voters_of(seats, chosen.counts, VoteWeights())
    parties = [Party(n, "simulated", v) for n, v in zip(nodes, voters, strict=True)]
    rules = rules_of(kind.wishes, question, patience_s=20)
    parts = by_vote(question, parties, poll_of(parties, rules))
    body, said = await whole(parts, named_envelope("chatcmpl", "simulated"))
    json.dumps(body)
    ended_s = time.monotonic()
    behind_s = ended_s - max(node.told_s for node in nodes)
    return Cost(time.process_time() - cpu_s, ended_s - began_s, behind_s), said


async def unheard(kind: Kind, nodes: Sequence[Simulated], number: int, until_s: float) -> float:
    """Processor time of the same proposers in that many seconds, when nobody counts."""

    async def listen(node: Simulated) -> None:
        told = node.propose(asked(kind, number), WORKERS, remaining_s=60, live=False)
        async with aclosing(told) as steps:
            async for _ in steps:
                pass

    cpu_s = time.process_time()
    tasks = [asyncio.create_task(listen(node)) for node in nodes]
    await asyncio.wait(tasks, timeout=until_s)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return time.process_time() - cpu_s


def asked(kind: Kind, number: int) -> Question:
    said = Message("user", "?" * (number + 1))
    return Question("swarm", (said,), SamplingParams(), kind.tools)


@dataclass(frozen=True, slots=True)
class Measured:
    """Medians of one kind with that many nodes."""

    cpu_ms: float
    seconds: float
    behind_ms: float
    decided_by: str


async def measure(kind: Kind, size: int, rounds: int) -> Measured:
    costs: list[Cost] = []
    own: list[float] = []
    reasons: list[str] = []
    for number in range(rounds):
        nodes = [Simulated(at, kind, random.Random(1000 * number + at)) for at in range(size)]
        cost, said = await ask(kind, nodes, number)
        nodes = [Simulated(at, kind, random.Random(1000 * number + at)) for at in range(size)]
        idle_s = await unheard(kind, nodes, number, cost.seconds)
        costs.append(cost)
        own.append(max(0.0, cost.cpu_s - idle_s))
        reasons.append(said.decided_by)
    return Measured(
        1000 * statistics.median(own),
        statistics.median(cost.seconds for cost in costs),
        1000 * statistics.median(cost.behind_s for cost in costs),
        statistics.mode(reasons),
    )


def growth(figures: Sequence[float]) -> float:
    """How much faster than n log n a figure has grown, where it has most, from size to size."""
    each = [figure / (n * math.log(n)) for figure, n in zip(figures, SIZES, strict=True)]
    return max(after / before for before, after in pairwise(each))


def table(found: dict[str, list[Measured]]) -> str:
    heads = ("answers", "nodes", "processor", "latency", "after the last answer", "decided by")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name, measured in found.items():
        lines += [
            f"| {name} | {n} | {one.cpu_ms:.1f} ms | {one.seconds:.2f} s | {one.behind_ms:.0f} ms "
            f"| {one.decided_by} |"
            for n, one in zip(SIZES, measured, strict=True)
        ]
    return "\n".join(lines)


def write(found: dict[str, list[Measured]]) -> None:
    """Table and plot into the documents, between their marks."""
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(MARKS[0])
    behind = rest.split(MARKS[1])[1]
    PAGE.write_text(f"{before}{MARKS[0]}\n{table(found)}\n{MARKS[1]}{behind}", encoding="utf-8")
    lines = [
        Line(name, [one.cpu_ms / n for one, n in zip(measured, SIZES, strict=True)], [0.0] * 3)
        for name, measured in found.items()
    ]
    least = lines[0].shares[0]
    rising = [least * math.log(n) / math.log(SIZES[0]) for n in SIZES]
    lines.append(Line("growth as n log n", rising, [0.0] * 3, dashed=True))
    top = math.ceil(max(share for line in lines for share in line.shares) * 5) / 5
    scale = Scale("nodes", top, "{:.2f} ms")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    drawn = plot("Milliseconds of the asked node's processor per node", SIZES, lines, scale)
    PICTURE.write_text(drawn, encoding="utf-8")


def main() -> int:
    options = parser(__doc__, rounds=15)
    options.add_argument("--write", action="store_true", help="table and plot into the documents")
    chosen = options.parse_args()
    found: dict[str, list[Measured]] = {}
    for kind in KINDS:
        asyncio.run(measure(kind, SIZES[0], 2))  # the first requests pay for imports
        found[kind.name] = [asyncio.run(measure(kind, n, chosen.rounds)) for n in SIZES]
        print(kind.name, *found[kind.name], sep="\n  ", flush=True)
    if chosen.write:
        write(found)
    met = True
    for name, measured in found.items():
        cpu = growth([one.cpu_ms for one in measured])
        met &= verdict(f"{name}: processor time, growth through that of n log n", cpu, 1)
        slower = growth([one.seconds for one in measured])
        met &= verdict(f"{name}: latency, growth through that of n log n", slower, 1)
    return not met


if __name__ == "__main__":
    sys.exit(main())
