"""The controls of the vote's figures, on answers that are made up: each is held to its bar."""

import random
from dataclasses import replace

from bench.slices import Question, Sampled, judged, with_steps
from bench.voting import SIZES, Measured, beside_single, controls, early, gains, lied_to
from swarm.types import Candidate

PART = with_steps(2)
SAMPLES = 24


def asked(number: int, right: float, chance: random.Random) -> Sampled:
    """A question whose answer is its number, and samples of which such a share is right."""
    wanted = Candidate("", f"Answer: {number}")
    said = [number if chance.random() < right else chance.randrange(10_000) for _ in range(SAMPLES)]
    answers = [Candidate(f"{at}", f"Answer: {each}") for at, each in enumerate(said)]
    question = Question([{"role": "user", "content": f"number {number}"}], [], wanted)
    return judged(PART, question, answers)


def measured(*, still: float, votes: float = 0.7) -> Measured:
    """Forty questions on which votes of any size and one worker at temperature 0 are so good."""
    chance = random.Random(7)
    sampled = [asked(number, 0.6, chance) for number in range(10_000, 10_040)]
    greedy = [asked(number, float(at < 40 * still), chance) for at, number in enumerate(range(40))]
    rates = {n: [votes + (0.01 if at % 2 else -0.01) for at in range(40)] for n in SIZES}
    return Measured(PART, sampled, greedy, rates)


def test_every_size_from_three_on_is_held_beside_both_single_workers() -> None:
    bars = beside_single([measured(still=0.5)] * 2)

    assert len(bars) == 2 * 4 * 2
    assert all(sum(f"N = {n} " in bar.what for bar in bars) == 4 for n in (3, 5, 9, 15))


def test_three_workers_below_one_at_temperature_0_are_missed_though_five_are_not() -> None:
    found = measured(still=0.9, votes=0.95)
    weak = replace(found, rates=found.rates | {3: [rate - 0.2 for rate in found.rates[3]]})

    assert all(bar.met for bar in beside_single([found]))
    [short] = [bar for bar in beside_single([weak]) if not bar.met]
    assert "N = 3 - one at temperature 0" in short.what


def test_a_vote_that_gains_nothing_misses_its_bar() -> None:
    assert not all(bar.met for bar in gains(measured(still=0.5)))


def test_shuffled_answers_a_liar_and_early_decisions_are_each_held_to_a_bar() -> None:
    bars = [bar for one in controls(measured(still=0.5)) for bar in one.bars]

    assert [bar.met for bar in bars] == [True] * 5
    assert sum("shuffled" in bar.what for bar in bars) == 1
    assert sum("liar" in bar.what for bar in bars) == 1
    assert sum("exact early decision" in bar.what for bar in bars) == 3


def test_a_liar_loses_to_honest_ones_that_agree_and_without_such_votes_nothing_is_shown() -> None:
    chance = random.Random(1)

    assert [bar.met for bar in lied_to([asked(5, 1.0, chance)], chance).bars] == [True]
    assert [bar.met for bar in lied_to([], chance).bars] == [False]


def test_the_exact_early_decision_is_counted_over_all_questions() -> None:
    chance = random.Random(2)
    [bar] = early([asked(at, 0.6, chance) for at in range(20)], 5, chance).bars
    assert (bar.measured, bar.bar, bar.met) == (100, 100, True)
