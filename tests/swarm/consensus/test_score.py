"""The score that is kept as votes come says what counting all of them again would say."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from swarm.consensus.score import Outstanding, Score, Sums
from swarm.consensus.tally import Voter, count, leading, weights, whole
from tests.swarm.consensus.votes import LONG, ballots, votes_of

WEIGHTS = st.integers(1, 12).map(lambda quarters: Fraction(quarters, 4))


@given(st.lists(st.tuples(st.sampled_from("abcdef"), WEIGHTS), min_size=1))
def test_the_two_greatest_sums_are_known_after_each_addition(added):
    sums: Sums[str] = Sums()
    for at, (value, weight) in enumerate(added, 1):
        sums.add(value, weight)
        counted: dict[str, Fraction] = {}
        for name, more in added[:at]:
            counted[name] = counted.get(name, Fraction(0)) + more
        first, second, *_ = [*sorted(counted.values(), reverse=True), Fraction(0)]
        assert (sums.most, sums.next, sums.total) == (first, second, sum(counted.values()))
        assert counted[sums.first or ""] == first
        assert {counted[value] for value in sums.tied()} == {first}


@given(ballots())
def test_answers_that_are_alike_lead_where_the_count_says_so(votes):
    for heard in range(1, len(votes) + 1):
        expected = leading(votes[:heard], "s")[0].form.alike
        assert Score.of(votes[:heard], "s").alike() == expected
        assert count(votes[:heard], seed="s").standings[0].best.form.alike == expected


@given(ballots(most=12))
def test_the_leader_is_the_class_that_is_given_if_nobody_else_votes(votes):
    leader = Score.of(votes).leader()
    assert leader in (None, count(votes, seed="s").standings[0].best.form)


@given(ballots())
def test_how_things_stand_is_told_with_the_weight_of_a_real_class(votes):
    first, share = Score.of(votes).ahead()
    counted = whole(votes)
    behind = weights(counted, lambda form: form)
    assert first in counted
    assert share == float(behind[first.form] / sum(behind.values()))


@given(ballots())
def test_the_counts_are_those_of_the_votes_that_count(votes):
    counts = Score.of(votes).counts
    assert counts.total == len(whole(votes))
    score = Score.of(votes)
    assert score.forms == len({vote.form for vote in whole(votes)})
    strong = [vote for vote in votes if not vote.form.weak]
    assert score.whole == len(strong)
    assert score.heaviest == max((vote.weight for vote in strong), default=0)


@given(st.lists(WEIGHTS, min_size=1, max_size=9), st.randoms(use_true_random=False))
def test_the_strongest_of_those_who_are_out_is_known_as_they_go(weighed, random):
    left = [Voter(f"v{at}", weight=weight) for at, weight in enumerate(weighed)]
    out = Outstanding(left)
    while left:
        assert out.heaviest == max(voter.weight for voter in left)
        assert out.weight == sum(voter.weight for voter in left)
        assert len(out) == len(left)
        out.remove(left.pop(random.randrange(len(left))).id)
    assert (len(out), out.heaviest, out.weight) == (0, 0, 0)


def test_a_tie_of_an_answer_and_a_text_is_broken_as_the_count_breaks_it():
    votes = votes_of({"text": "Answer: 12"}, {"text": LONG.format("roof")})
    said = {seed: Score.of(votes, seed).alike() for seed in "abcdefgh"}
    assert said == {
        seed: count(votes, seed=seed).standings[0].best.form.alike for seed in "abcdefgh"
    }
    assert set(said.values()) == {True, False}
