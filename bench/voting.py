"""How much right answers a vote gives, by the number of workers, on questions of the bundled model.

So many samples of each question are drawn once from one worker; then votes among N of them are
counted with the rules of the node itself. The intervals are over questions (95 %, normal). The
questions are held out from the model's training. It is a small model: this shows the mechanism,
not what a large one gains.
"""

import asyncio
import json
import math
import random
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import openai

from bench.figures import parser, verdict
from bench.servers import Server, node
from swarm.consensus.canonical import Form, form_of
from swarm.consensus.stopping import settled
from swarm.consensus.tally import Vote, Voter, count
from swarm.models.local import BUNDLED_PATH
from swarm.types import Candidate
from training.data.source import Source
from training.data.sums import task

SIZES = (1, 3, 5, 9, 15)
DRAWS = 20
"""Different sets of workers that are looked at for each question and size."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, the form of the right answer, and the forms of all samples."""

    text: str
    right: Form
    answers: tuple[str, ...]

    @property
    def forms(self) -> list[Form]:
        return [form_of(Candidate("", answer)) for answer in self.answers]


def main() -> int:
    options = parser(__doc__, rounds=1)
    options.add_argument("--questions", type=int, default=400)
    options.add_argument("--samples", type=int, default=64)
    options.add_argument("--digits", type=int, default=2, help="of the numbers in the sums")
    options.add_argument("--temperature", type=float, default=0.8)
    options.add_argument("--save", type=Path, help="write all answers there, as JSON lines")
    chosen = options.parse_args()
    source = Source(f"voting {chosen.digits}", held_out=True)
    with node(chosen.model or BUNDLED_PATH) as server:
        sums = [sum_of(source, chosen.digits) for _ in range(chosen.questions)]
        drawn = asyncio.run(ask(server, sums, chosen.samples, chosen.temperature))
        greedy = asyncio.run(ask(server, sums, 4, 0.0))
    if chosen.save:
        lines = [json.dumps([q.text, q.answers]) for q in drawn]
        chosen.save.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return report(drawn, greedy)


def sum_of(source: Source, digits: int) -> tuple[str, str]:
    return task(source, source.one(("plus", "minus")), digits, digits, steps=False)


async def ask(
    server: Server, sums: Sequence[tuple[str, str]], samples: int, temperature: float
) -> list[Question]:
    """Draw the samples of every question from one worker's id."""
    gate = asyncio.Semaphore(4)
    async with openai.AsyncOpenAI(
        base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=600
    ) as client:

        async def one(text: str, right: str) -> Question:
            async with gate:
                said = await client.chat.completions.create(
                    model="swarm-fast",
                    messages=[{"role": "user", "content": text}],
                    n=min(samples, 64),
                    temperature=temperature,
                    max_tokens=64,
                    extra_body={"top_k": 0, "top_p": 1.0, "min_p": 0.0},
                )
            answers = tuple(choice.message.content or "" for choice in said.choices)
            return Question(text, form_of(Candidate("", right)), answers)

        return await asyncio.gather(*(one(text, right) for text, right in sums))


def report(questions: Sequence[Question], greedy: Sequence[Question]) -> int:
    """Print the table; the status says whether the bars are met."""
    chance = random.Random(0)
    print("| workers | right | 95 % | some worker right | where the mode is right | is wrong |")
    print("|---|---|---|---|---|---|")
    found: dict[int, list[float]] = {}
    modal = [Counter(q.forms).most_common(1)[0][0] == q.right for q in questions]
    for size in SIZES:
        rates = [rate(q, size, chance, winner) for q in questions]
        oracle = statistics.mean(rate(q, size, chance, any_right) for q in questions)
        found[size] = rates
        share, half = mean_and_half(rates)
        good = [r for r, m in zip(rates, modal, strict=True) if m]
        bad = [r for r, m in zip(rates, modal, strict=True) if not m]
        print(
            f"| {size} | {share:.1%} | ± {half:.1%} | {oracle:.1%} "
            f"| {statistics.mean(good or [0]):.1%} | {statistics.mean(bad or [0]):.1%} |"
        )
    print(f"ceiling, the share of questions whose mode is right: {statistics.mean(modal):.1%}")
    print(f"early decisions of 9 that differ from waiting for all: {differing(questions, chance)}")
    print(f"one liar of five: {lied_to(questions, chance)}")
    mixed = [strangers_to(question, questions, chance) for question in questions]
    lost = statistics.mean(rate(q, 5, chance, winner) for q in mixed)
    print(f"five workers that answer other questions: {lost:.1%}")
    same = [statistics.mean(rate(q, n, chance, winner) for q in greedy) for n in (1, 3)]
    print(f"temperature 0, one and three workers: {same[0]:.1%}, {same[1]:.1%}")
    gain = statistics.mean(found[5]) - statistics.mean(found[1])
    more = statistics.mean(found[9]) - statistics.mean(found[5])
    met = verdict("points that five workers gain over one", 100 * gain, 8, at_least=True)
    return not (verdict("points that nine gain over five", 100 * more, 0, at_least=True) and met)


def strangers_to(
    question: Question, questions: Sequence[Question], chance: random.Random
) -> Question:
    """The same question with answers that were given to others."""
    others = chance.sample(questions, 15)
    return Question(question.text, question.right, tuple(chance.choice(o.answers) for o in others))


Judge = Callable[[Question, Sequence[Vote]], bool]


def winner(question: Question, votes: Sequence[Vote]) -> bool:
    return count(votes, seed=question.text).standings[0].best.form == question.right


def any_right(question: Question, votes: Sequence[Vote]) -> bool:
    return any(vote.form == question.right for vote in votes)


def rate(question: Question, size: int, chance: random.Random, judge: Judge) -> float:
    """The share of draws of so many workers that are judged right."""
    ballots = (votes_of(chance.sample(question.answers, size)) for _ in range(DRAWS))
    return statistics.mean(judge(question, votes) for votes in ballots)


def votes_of(answers: Sequence[str]) -> list[Vote]:
    candidates = [Candidate(str(at), answer) for at, answer in enumerate(answers)]
    return [Vote(c, form_of(c), Voter(c.voter)) for c in candidates]


def differing(questions: Sequence[Question], chance: random.Random) -> int:
    """How often the exact early rule, one vote after the other, gives another class than all."""
    wrong = 0
    for question in questions:
        votes = votes_of(chance.sample(question.answers, 9))
        open_weight = [Fraction(9 - n) for n in range(10)]
        heard = next(n for n in range(1, 10) if n == 9 or settled(votes[:n], open_weight[n]))
        early = count(votes[:heard], seed="").standings[0].best.form
        if heard < 9 and early != count(votes, seed="").standings[0].best.form:
            wrong += 1
    return wrong


def lied_to(questions: Sequence[Question], chance: random.Random) -> str:
    """Whether four honest workers that agree are outvoted by one that always lies."""
    agreed = kept = 0
    for question in questions:
        honest = chance.sample(question.answers, 4)
        votes = votes_of([*honest, "Answer: -1"])
        top = Counter(vote.form for vote in votes[:4]).most_common(2)
        if top[0][1] >= 2 and (len(top) == 1 or top[0][1] > top[1][1]):
            agreed += 1
            kept += count(votes, seed="").standings[0].best.form == top[0][0]
    return f"the honest answer won in {kept} of {agreed} votes in which two or more agreed"


def mean_and_half(values: Sequence[float]) -> tuple[float, float]:
    """The mean and half of its 95 % interval."""
    return statistics.mean(values), 1.96 * statistics.stdev(values) / math.sqrt(len(values))


if __name__ == "__main__":
    sys.exit(main())
