"""When a vote ends."""

from dataclasses import replace
from fractions import Fraction
from typing import get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from swarm.consensus.score import Outstanding, Score
from swarm.consensus.stopping import (
    LEAST_GRACE_S,
    Course,
    Decide,
    confident,
    decided,
    hurried_until,
    patient_until,
    quorum_until,
    wake_s,
)
from swarm.consensus.tally import Voter, count
from tests.swarm.consensus.votes import LONG, ballots, call, vote

CUT = {"text": "It is because", "finish": "length"}
TWELVE = {"text": "Answer: 12"}
THIRTEEN = {"text": "Answer: 13"}


def course(*answers, outstanding=0, now_s=1.0, weights=(), deadline_s=30.0, arrived=None):
    votes = [vote(Voter(f"v{at}"), **answer) for at, answer in enumerate(answers)]
    waiting = [
        Voter(f"w{at}", weight=Fraction(weights[at] if weights else 1)) for at in range(outstanding)
    ]
    whole = sum(not vote.form.weak for vote in votes)
    times = arrived or [0.1 * (at + 1) for at in range(whole)]
    return Course(Score.of(votes), times, Outstanding(waiting), now_s=now_s, deadline_s=deadline_s)


def test_all_of_one_mind_is_unanimous_and_one_alone_is_only_one():
    assert decided(course(TWELVE, TWELVE)) == "unanimous"
    assert decided(course(TWELVE, THIRTEEN)) == "all"
    assert decided(course(TWELVE)) == "only one"


def test_a_majority_that_nobody_can_overtake_ends_it():
    assert decided(course(TWELVE, TWELVE, outstanding=1)) == "majority"
    assert decided(course(TWELVE, TWELVE, outstanding=2)) is None
    assert decided(course(TWELVE, TWELVE, THIRTEEN, outstanding=1)) is None


def test_who_wants_all_waits_for_all():
    assert decided(course(TWELVE, TWELVE, outstanding=1), "all") is None


@pytest.mark.parametrize("rule", get_args(Decide))
def test_what_is_cut_ends_nothing_while_somebody_still_writes(rule):
    hurried = replace(course(*[CUT] * 4, outstanding=1, now_s=29.0), hurried=True)
    assert decided(hurried, rule) is None
    assert decided(replace(hurried, now_s=30.0), rule) == "deadline"
    assert decided(course(*[CUT] * 4), rule) == "unanimous"


def test_the_strongest_vote_that_is_cut_does_not_end_it():
    weak = vote(Voter("strong", weight=Fraction(3)), **CUT)
    score = Score.of([weak, vote(Voter("v"), **TWELVE)])
    strong = Outstanding([Voter("w", weight=Fraction(2))])
    waiting = Course(score, [0.1], strong, now_s=1.0, deadline_s=30.0)
    assert decided(waiting, "best") is None
    assert decided(replace(waiting, outstanding=Outstanding([Voter("w")])), "best") == "best"


def test_one_whole_text_among_those_that_are_cut_is_no_quorum():
    text = {"text": LONG.format("roof")}
    waiting = replace(course(text, CUT, CUT, outstanding=2, now_s=20.0), hurried=True)
    assert decided(waiting) is None
    assert decided(replace(waiting, outstanding=Outstanding([]))) == "only one"


def test_unanimous_are_those_that_count():
    assert decided(course(TWELVE, TWELVE, CUT)) == "unanimous"
    assert decided(course(TWELVE, THIRTEEN, CUT)) == "all"


@given(ballots(least=2), st.sampled_from(get_args(Decide)), st.booleans(), st.integers(0, 30))
def test_what_is_cut_beside_whole_votes_is_as_if_it_had_not_come(votes, rule, hurried, now_s):
    heard, out = votes[: len(votes) // 2 + 1], [vote.voter for vote in votes[len(votes) // 2 + 1 :]]
    whole = [vote for vote in heard if not vote.form.weak]
    times = [0.1 * at for at in range(len(whole))]
    seconds = {"now_s": now_s, "deadline_s": 30.0}
    with_cut, without = (
        decided(Course(Score.of(some), times, Outstanding(out), hurried=hurried, **seconds), rule)
        for some in (heard, whole)
    )
    assert with_cut == without or (not whole and not out)


def test_the_deadline_ends_everything():
    assert decided(course(TWELVE, outstanding=4, now_s=30.0), "all") == "deadline"
    assert decided(course(outstanding=4, now_s=30.0)) == "deadline"


def test_the_statistical_rule_needs_three_votes_and_a_clear_lead():
    assert not confident(course(TWELVE, TWELVE).score)
    assert confident(course(TWELVE, TWELVE, TWELVE).score)
    assert not confident(course(TWELVE, TWELVE, THIRTEEN).score)
    assert decided(course(*[TWELVE] * 3, outstanding=6), "statistical") == "statistical"
    assert decided(course(*[TWELVE] * 3, outstanding=6)) is None


NO = {"text": "No."}
READS = [{"text": "", "tool_calls": (call("read", f'{{"path": "{at}"}}'),)} for at in range(10)]


@pytest.mark.parametrize(
    "answers",
    [
        [*[NO] * 5, *READS[:6]],  # of the kind that leads, no call leads
        [*[NO] * 9, *READS[:8]],  # the kind may still be the other one
        [*[NO] * 6, *[{"text": LONG.format(word)} for word in "abcde"]],  # the structure likewise
    ],
)
def test_a_class_that_leads_by_heads_is_not_sure_where_another_may_be_given(answers):
    assert not confident(course(*answers).score)
    assert decided(course(*answers, outstanding=9), "statistical") is None


def test_a_class_that_leads_by_heads_is_not_sure_where_weight_gives_another():
    strong = Voter("strong", weight=Fraction(6))
    votes = [*course(*[TWELVE] * 5).score.votes, vote(strong, **THIRTEEN)]
    assert not confident(Score.of(votes))


@given(ballots(least=3, most=12))
def test_what_is_sure_is_what_is_given(votes):
    assume(confident(Score.of(votes, "s")))
    won = count(votes, seed="s").standings[0].best.form
    forms = [each.form for each in votes if not each.form.weak]
    beside = {f for f in forms if (f.kind, f.structure) == (won.kind, won.structure)} - {won}
    assert all(forms.count(form) < forms.count(won) for form in beside)
    kinds = [form.kind for form in forms]
    assert all(kinds.count(kind) < kinds.count(won.kind) for kind in set(kinds) - {won.kind})


def test_likeness_is_decided_by_a_quorum_after_a_grace():
    texts = [{"text": LONG.format(word)} for word in ("roof", "door", "wall")]
    waiting = {"outstanding": 2, "arrived": [1.0, 2.0, 4.0]}
    assert decided(course(*texts, now_s=4.5, **waiting)) is None
    assert wake_s(course(*texts, now_s=4.5, **waiting)) == 5.0
    assert decided(course(*texts, now_s=5.0, **waiting)) == "quorum"
    assert decided(course(*texts[:2], outstanding=3, now_s=20.0)) is None


def test_no_quorum_outruns_a_stronger_voter_within_its_patience():
    texts = [{"text": LONG.format(word)} for word in ("roof", "door")]
    strong = course(*texts, outstanding=1, weights=(3,), now_s=3.0, arrived=[1.0, 2.0])
    assert patient_until(strong) == 4.0
    assert decided(strong) is None
    later = course(*texts, outstanding=1, weights=(3,), now_s=4.0, arrived=[1.0, 2.0])
    assert decided(later) == "quorum"


def test_an_agents_wait_is_bounded_once_most_have_answered():
    calls = ({"text": "", "tool_calls": (call("a", "{}"),)}, {"text": "no"})
    waiting = course(*calls, outstanding=1, arrived=[1.0, 2.0], now_s=3.9)
    assert decided(waiting) is None
    hurried = replace(waiting, hurried=True)
    assert decided(hurried) is None
    assert wake_s(hurried) == 4.0
    assert decided(replace(hurried, now_s=4.0)) == "quorum"
    assert decided(replace(hurried, now_s=4.0), "all") is None
    assert decided(replace(waiting, now_s=4.0)) is None
    few = course(*calls, outstanding=3, arrived=[1.0, 2.0], now_s=20.0)
    assert decided(replace(few, hurried=True)) is None


def test_the_owner_bounds_the_patience():
    texts = [{"text": LONG.format(word)} for word in ("roof", "door")]
    waiting = course(*texts, outstanding=1, weights=(3,), now_s=3.0, arrived=[1.0, 2.0])
    assert patient_until(replace(waiting, patience_s=0.5)) == 2.5
    assert patient_until(replace(waiting, patience_s=0)) == 2.0


def test_confidence_does_not_outrun_a_stronger_voter_either():
    weak = course(*[TWELVE] * 3, outstanding=2, weights=(3, 1), now_s=0.4)
    assert confident(weak.score)
    assert decided(weak, "statistical") is None
    assert decided(replace(weak, now_s=0.7), "statistical") == "statistical"


@pytest.mark.parametrize("deadline_s", [3.0, 30.0])
def test_sleep_never_lasts_past_the_deadline(deadline_s):
    assert wake_s(course(outstanding=2, now_s=1.0, deadline_s=deadline_s)) == deadline_s


READ_A, READ_B = READS[:2]


def test_calls_of_one_mind_end_it_once_they_are_more_than_half_of_all():
    """Another call may be closest to all until then: arguments are compared, unlike short texts."""
    assert decided(course(*[READ_A] * 3, outstanding=2)) == "majority"
    assert decided(course(*[READ_A] * 3, READ_B, outstanding=2)) is None
    assert decided(course(*[READ_A] * 3, READ_B, outstanding=1)) == "majority"
    assert decided(course(*[TWELVE] * 3, THIRTEEN, NO, outstanding=1)) == "majority"
    assert decided(course(*[READ_A] * 3, *READS[1:3], outstanding=1)) is None


def test_who_wants_the_first_has_the_first_whole_one():
    assert decided(course(TWELVE, outstanding=4), "first") == "first"
    assert decided(course(CUT, outstanding=4), "first") is None
    assert decided(course(TWELVE, outstanding=4, weights=(1, 1, 2, 1)), "first") == "first"


@pytest.mark.parametrize(
    ("leading", "other", "sure"),
    [(3, 0, True), (4, 1, False), (5, 1, True), (6, 2, False), (7, 2, True), (8, 3, False)],
)
def test_a_lead_is_clear_where_a_tie_is_less_likely_than_seven_in_a_hundred(leading, other, sure):
    assert confident(course(*[TWELVE] * leading, *[THIRTEEN] * other).score) is sure


@pytest.mark.parametrize(
    ("arrived", "until"),
    [
        ([0.1, 0.2, 0.2], 0.45),  # a quarter of a second at least
        ([1.0, 2.0, 4.0], 5.0),  # half of the middle one
        ([1.0, 2.0, 4.0, 9.0], 4.0 + 1.5),  # from the quorum on, not from the last one
        ([1.0, 2.0], 30.0),  # no quorum: the deadline
        ([1.0, 20.0, 29.0], 30.0),
    ],
)
def test_a_grace_is_half_of_the_usual_time(arrived, until):
    texts = [{"text": LONG.format(at)} for at in range(len(arrived))]
    waiting = course(*texts, outstanding=5 - len(texts), arrived=arrived)
    assert LEAST_GRACE_S == 0.25
    assert quorum_until(waiting) == pytest.approx(until)


@pytest.mark.parametrize(
    ("arrived", "until"),
    [([0.1, 0.1], 0.35), ([0.1, 0.3], 0.6), ([1.0, 3.0], 6.0), ([1.0], 30.0), ([1.0, 16.0], 30.0)],
)
def test_a_hurry_ends_when_the_others_have_had_as_long_again(arrived, until):
    waiting = course(*[TWELVE] * len(arrived), outstanding=3 - len(arrived), arrived=arrived)
    assert hurried_until(waiting) == pytest.approx(until)


def test_patience_is_for_a_voter_that_is_stronger_than_all_who_have_voted():
    def until(weight, **how):
        return patient_until(course(TWELVE, outstanding=2, weights=(1, weight), **how))

    assert until(1, arrived=[2.0]) == 0.0
    assert until(2, arrived=[2.0]) == 4.0
    assert until(2, arrived=[25.0], deadline_s=60.0) == 45.0  # 20 s at most
    assert until(2, arrived=[25.0]) == 30.0
    waiting = course(outstanding=2, weights=(1, 2))
    assert patient_until(waiting) == 0.0  # nobody has voted: there is nothing to hold back


def test_it_wakes_when_the_next_of_its_times_comes():
    texts = [{"text": LONG.format(at)} for at in range(2)]
    how = {"outstanding": 1, "weights": (3,), "arrived": [1.0, 4.0]}
    waiting = replace(course(*texts, **how), patience_s=1.0, hurried=True)
    assert (patient_until(waiting), quorum_until(waiting), hurried_until(waiting)) == (5.0, 5.25, 8)
    times = [wake_s(replace(waiting, now_s=now_s)) for now_s in (4.0, 5.0, 5.25, 8.0)]
    assert times == [5.0, 5.25, 8.0, 30.0]
    assert wake_s(replace(waiting, now_s=5.25, hurried=False)) == 30.0
