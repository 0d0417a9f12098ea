"""How much right answers a vote gives, by the number of workers, on questions of the bundled model.

So many samples of each question are drawn once from one worker; then votes among N of them are
counted with the rules of the node itself. Intervals are over questions (95 %, normal). Beside the
vote stand single workers: the best of fifteen, chosen afterwards, and one at temperature 0. The
main slice is the shortest sums with steps of which one sample is right 40 to 75 % of the time.
`--write` puts table, plot and missed bars into the documents. The status is 1 if one is missed.
"""

import math
import random
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from bench.figures import median_ratio, parser
from bench.models import ROOT
from bench.plot import Line, plot
from bench.samples import Asker
from bench.servers import node
from bench.slices import OTHERS, Sampled, Slice, with_steps
from bench.voting_bars import Bar, Told, always, judge, mean_and_half, missed, no_gain, not_below
from swarm.consensus.canonical import Form, form_of
from swarm.consensus.score import Score
from swarm.consensus.tally import Vote, Voter, count
from swarm.models.local import BUNDLED_PATH
from swarm.types import Candidate

SIZES = (1, 3, 5, 9, 15)
DRAWS = 20
"""Different sets of workers that are looked at for each question and size."""

FITS = (0.40, 0.75)
PROBE = 100
PAGE = ROOT / "bench" / "README.md"
PICTURE = ROOT / "docs" / "pictures" / "voting.svg"
MARKS = ("<!-- voting -->", "<!-- /voting -->")


@dataclass(frozen=True, slots=True)
class Measured:
    """One slice: its sampled questions, and the share of right votes by size and question."""

    part: Slice
    sampled: Sequence[Sampled]
    greedy: Sequence[Sampled]
    rates: dict[int, list[float]]

    @property
    def modal(self) -> list[bool]:
        """Whether a question's most frequent form is the right one."""
        return [Counter(one.forms).most_common(1)[0][0] == one.right for one in self.sampled]

    @property
    def best_worker(self) -> list[float]:
        """The one of the first fifteen workers that was right most often."""
        columns = zip(*(one.hits[: SIZES[-1]] for one in self.sampled), strict=True)
        return max(([float(hit) for hit in column] for column in columns), key=sum)


def main() -> int:
    options = parser(__doc__, rounds=40)
    options.add_argument("--questions", type=int, default=400, help="of the main slice")
    options.add_argument("--samples", type=int, default=48)
    options.add_argument("--write", action="store_true", help="table and plot into the documents")
    chosen = options.parse_args()
    if chosen.samples < SIZES[-1]:
        options.error(
            f"--samples: {SIZES[-1]} workers are drawn from them, so at least {SIZES[-1]}"
        )
    with node(chosen.model or BUNDLED_PATH) as server:
        asker = Asker(server)
        main_slice = fitting(asker)
        first = measured(asker, main_slice, chosen.questions, chosen.samples)
        others = [measured(asker, part, chosen.questions // 2, chosen.samples) for part in OTHERS]
        timed = [early_against_all(asker, first, n, chosen.rounds) for n in (3, 5, 9)]
        timed.append(still(asker, first))
    found = [first, *others]
    told = [*controls(first), *timed]
    bars = [*gains(first), *beside_single(found), *(bar for one in told for bar in one.bars)]
    points = "\n".join(f"- {one.line}" for one in told)
    page = "\n\n".join([head(first), table(found), by_mode(first), points, missed(bars)])
    print(page)
    if chosen.write:
        write(page, found)
    return judge(bars)


def fitting(asker: Asker) -> Slice:
    """The shortest sums with steps that are neither too hard nor too easy."""
    for digits in range(1, 7):
        part = with_steps(digits)
        probes = part.questions(PROBE, seed="probe")
        drawn = asker.sampled(part, probes, temperature=part.temperature, samples=8)
        right = statistics.mean(hit for one in drawn for hit in one.hits)
        print(f"{part.name}: {right:.1%} in a probe", flush=True)
        if FITS[0] <= right <= FITS[1]:
            return part
    sys.exit("there are no sums with steps of which one sample is right 40 to 75 % of the time")


def measured(asker: Asker, part: Slice, questions: int, samples: int) -> Measured:
    asked = part.questions(questions)
    sampled = asker.sampled(part, asked, temperature=part.temperature, samples=samples)
    greedy = asker.sampled(part, asked, temperature=0.0, samples=1)
    chance = random.Random(0)
    rates = {n: [rate(part, one, n, chance) for one in sampled] for n in SIZES}
    print(f"{part.name}: {statistics.mean(rates[1]):.1%}", flush=True)
    return Measured(part, sampled, greedy, rates)


def rate(part: Slice, one: Sampled, size: int, chance: random.Random) -> float:
    """The share of draws of `size` workers whose vote is right; of one worker, that are right."""
    if size == 1:
        return statistics.mean(one.hits)
    places = range(len(one.votes))
    ballots = ([one.votes[at] for at in chance.sample(places, size)] for _ in range(DRAWS))
    return statistics.mean(won(part, one, ballot) for ballot in ballots)


def won(part: Slice, one: Sampled, ballot: Sequence[Vote | None]) -> bool:
    """Whether these votes give the right answer; none valid is a wrong one."""
    votes = [vote for vote in ballot if vote]
    if not votes:
        return False
    best = count(votes, seed=str(one.question.messages)).standings[0].best
    return part.level(best.form) == one.right


def head(first: Measured) -> str:
    asked = len(first.sampled)
    samples = len(first.sampled[0].forms)
    return (
        f"The main slice is *{first.part.name}*: {asked} questions held out from training, "
        f"{samples} samples each, {DRAWS} draws of N workers a question; the other slices have "
        f"{asked // 2} questions. In brackets half of the 95 % interval over questions."
    )


def table(found: Sequence[Measured]) -> str:
    sizes = " | ".join(f"N = {n}" for n in SIZES)
    lines = [
        f"| slice, temperature | {sizes} | mode right | best of 15 workers | temperature 0 |",
        "|---|" + "---|" * (len(SIZES) + 3),
    ]
    for one in found:
        votes = [interval(one.rates[n]) for n in SIZES]
        alone = [interval([float(r) for r in one.modal]), interval(one.best_worker)]
        still = interval([float(q.hits[0]) for q in one.greedy])
        cells = " | ".join([*votes, *alone, still])
        lines.append(f"| {one.part.name}, {one.part.temperature} | {cells} |")
    return "\n".join(lines)


def by_mode(first: Measured) -> str:
    """The main slice apart: where the most frequent answer is right, and where it is wrong."""
    lines = [
        "| main slice | some worker right | where the mode is right | where it is wrong |",
        "|---|---|---|---|",
    ]
    for n in SIZES:
        some = statistics.mean(1 - _all_miss(one.hits, n) for one in first.sampled)
        both = list(zip(first.rates[n], first.modal, strict=True))
        good, bad = ([r for r, m in both if m == wanted] for wanted in (True, False))
        means = " | ".join(f"{statistics.mean(rates or [0]):.1%}" for rates in (good, bad))
        lines.append(f"| N = {n} | {some:.1%} | {means} |")
    return "\n".join(lines)


def _all_miss(hits: Sequence[bool], size: int) -> float:
    """The chance that none of that many samples is right."""
    return math.comb(hits.count(False), size) / math.comb(len(hits), size)


def controls(first: Measured) -> list[Told]:
    """What must not gain, and what must hold."""
    chance = random.Random(1)
    part, sampled = first.part, first.sampled
    mixed = [strangers_to(one, sampled, chance) for one in sampled]
    lost = {n: [rate(part, one, n, chance) for one in mixed] for n in (1, 5)}
    means = {n: statistics.mean(rates) for n, rates in lost.items()}
    more, most = points_gained(first, 5, 1), points_gained(first, 9, 5)
    return [
        Told(
            f"gain of five workers over one, by question: {more} points; of nine over five: {most}"
        ),
        Told(
            f"against one worker at temperature 0, by question: {', '.join(against_still(first))}"
        ),
        Told(
            f"answers shuffled among questions: {means[1]:.1%} with one worker, "
            f"{means[5]:.1%} with five",
            (no_gain("points that five workers gain of shuffled answers", lost[5], lost[1]),),
        ),
        lied_to(sampled, chance),
        *(early(sampled, n, chance) for n in (3, 5, 9)),
    ]


def points_gained(first: Measured, more: int, fewer: int) -> str:
    return _points(first.rates[more], first.rates[fewer])


def against_still(first: Measured) -> list[str]:
    """What votes gain over the worker that always says what is most likely."""
    still = [float(one.hits[0]) for one in first.greedy]
    return [f"N = {n} {_points(first.rates[n], still)} points" for n in SIZES[1:]]


def _points(rates: Sequence[float], others: Sequence[float]) -> str:
    gains = [100 * (a - b) for a, b in zip(rates, others, strict=True)]
    mean, half = mean_and_half(gains)
    return f"{mean:+.1f} ± {half:.1f}"


def strangers_to(one: Sampled, others: Sequence[Sampled], chance: random.Random) -> Sampled:
    """The same question with answers that were given to others."""
    picked = [(other, chance.randrange(len(other.forms))) for other in chance.sample(others, 15)]
    return Sampled(
        one.question,
        one.right,
        tuple(other.answers[at] for other, at in picked),
        tuple(other.forms[at] for other, at in picked),
        tuple(other.votes[at] for other, at in picked),
    )


def early(sampled: Sequence[Sampled], size: int, chance: random.Random) -> Told:
    """The exact early rule on drawn ballots, as if a character took every worker the same time."""
    ratios: list[float] = []
    same = 0
    for one in sampled:
        picked = chance.sample(range(len(one.votes)), size)
        picked.sort(key=lambda at: len(one.answers[at].text))
        ballot = [one.votes[at] for at in picked]
        heard = next(n for n in range(1, size + 1) if n == size or _settled(ballot, n))
        took, longest = (len(one.answers[picked[n - 1]].text) for n in (heard, size))
        ratios.append(took / longest if longest else 1.0)
        same += heard == size or _class(ballot[:heard]) == _class(ballot)
    what = f"exact early decision of {size} workers: the class of waiting for all"
    waited = f"median of the time waited {statistics.median(ratios):.2f} of it"
    bar = always(f"{what}, percent", same, len(sampled))
    return Told(f"{what} in {same} of {len(sampled)}, {waited}", (bar,))


def _settled(ballot: Sequence[Vote | None], heard: int) -> bool:
    votes = [vote for vote in ballot[:heard] if vote]
    return Score.of(votes).settled(Fraction(len(ballot) - heard))


def _class(ballot: Sequence[Vote | None]) -> Form:
    votes = [vote for vote in ballot if vote]
    return count(votes, seed="").standings[0].best.form


def lied_to(sampled: Sequence[Sampled], chance: random.Random) -> Told:
    """Whether four honest workers of which most agree are outvoted by one that always lies."""
    agreed = kept = 0
    lie = Candidate("liar", "Answer: -1")
    liar = Vote(lie, form_of(lie), Voter("liar"))
    for one in sampled:
        honest = [vote for vote in chance.sample(one.votes, 4) if vote]
        top = Counter(vote.form for vote in honest).most_common(2)
        if top and top[0][1] >= 2 and (len(top) == 1 or top[0][1] > top[1][1]):
            agreed += 1
            kept += count([*honest, liar], seed="").standings[0].best.form == top[0][0]
    won_by = f"the honest answer won in {kept} of {agreed} votes in which two or more agreed"
    bar = always("one liar of five: the honest answer won, percent", kept, agreed)
    return Told(f"one liar of five: {won_by}", (bar,))


def early_against_all(asker: Asker, first: Measured, size: int, rounds: int) -> Told:
    """The exact early decision against waiting for all, by the node itself with the same seeds.

    No bar: two runs with the same seeds are not always the same samples.
    """
    pairs: list[tuple[float, float]] = []
    same = 0
    for at, one in enumerate(first.sampled[:rounds]):
        rules = ("exact", "all") if at % 2 else ("all", "exact")
        said = {
            rule: asker.vote(first.part, one.question, voters=size, decide=rule, seed=1000 * at)
            for rule in rules
        }
        pairs.append((said["exact"][1], said["all"][1]))
        same += said["exact"][0] == said["all"][0]
    return Told(
        f"the same through the node, {size} workers, same seeds twice: "
        f"the same class in {same} of {len(pairs)}, median latency ratio {median_ratio(pairs):.2f}"
    )


def still(asker: Asker, first: Measured) -> Told:
    """What five workers gain over one of them at temperature 0, where all say the same: nothing."""
    agreed = same = 0
    for one in first.sampled:
        five, unanimous = asker.still(first.part, one.question, voters=5)
        agreed += unanimous
        same += five == asker.still(first.part, one.question, voters=1)[0]
    what, asked = "temperature 0 through the node: five workers say the same", len(first.sampled)
    line = f"{what} in {agreed} of {asked}, and what one says that is asked alone in {same}"
    return Told(line, (always(f"{what}, percent", agreed, asked),))


def write(page: str, found: Sequence[Measured]) -> None:
    """Table and plot into the documents, between their marks."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(MARKS[0])
    behind = rest.split(MARKS[1])[1]
    PAGE.write_text(f"{before}{MARKS[0]}\n{page}\n{MARKS[1]}{behind}", encoding="utf-8")
    lines = [drawn(one.part.name, [one.rates[n] for n in SIZES]) for one in found]
    first = found[0]
    wrong = [
        [rate for rate, right in zip(first.rates[n], first.modal, strict=True) if not right]
        for n in SIZES
    ]
    lines.append(drawn("of the first, mode wrong", wrong, dashed=True))
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(plot("Right answers by the number of workers", SIZES, lines), "utf-8")


def drawn(name: str, rates: Sequence[Sequence[float]], *, dashed: bool = False) -> Line:
    ends = [mean_and_half(values) for values in rates]
    return Line(name, [mean for mean, _ in ends], [half for _, half in ends], dashed)


def gains(first: Measured) -> list[Bar]:
    """What more workers must gain on the main slice, in points."""
    mean = {n: 100 * statistics.mean(first.rates[n]) for n in SIZES}
    return [
        Bar("points that five workers gain over one", mean[5] - mean[1], 8),
        Bar("points that nine gain over five", mean[9] - mean[5], 0),
    ]


def beside_single(found: Sequence[Measured]) -> list[Bar]:
    """Votes of three workers or more beside the best single ones, on every slice."""
    return [
        not_below(f"{one.part.name}, points of N = {n} - {name}", one.rates[n], single)
        for one in found
        for n in SIZES[1:]
        for name, single in (
            ("best of fifteen single ones", one.best_worker),
            ("one at temperature 0", [float(q.hits[0]) for q in one.greedy]),
        )
    ]


def interval(values: Sequence[float]) -> str:
    mean, half = mean_and_half(values)
    return f"{100 * mean:.1f} % (± {100 * half:.1f})"


if __name__ == "__main__":
    sys.exit(main())
