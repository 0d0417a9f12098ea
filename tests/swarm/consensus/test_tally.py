"""How votes are counted: what a tie goes to, what likeness decides, what the numbers say."""

from fractions import Fraction

import pytest

from swarm.consensus.tally import COMPARED, Voter, capped, count, settled_by_weight
from tests.swarm.consensus.votes import LONG, call, vote, votes_of

TWELVE = {"text": "Answer: 12"}
THIRTEEN = {"text": "Answer: 13"}
SEEDS = "abcdefgh"
Seat = tuple[str, str, int]


def seated(answer: dict[str, object], *seats: Seat):
    """A vote for this answer from each seat: a model, a node and a weight."""
    name = answer["text"]
    return [
        vote(Voter(f"{name} {at}", node=node, model=model, weight=Fraction(weight)), **answer)
        for at, (model, node, weight) in enumerate(seats)
    ]


@pytest.mark.parametrize(
    ("ahead", "behind"),
    [
        # of equal support: more models, whatever the nodes and the single weights are
        ([("x", "a", 1), ("y", "a", 1)], [("x", "a", 2)]),
        ([("x", "a", 2), ("y", "a", 2)], [("x", "a", 1), ("x", "b", 1), ("x", "c", 2)]),
        # of equally many models: more nodes, whatever the single weights are
        ([("x", "a", 2), ("x", "b", 2)], [("x", "a", 3), ("x", "a", 1)]),
        # of equally many nodes: the highest single weight
        ([("x", "a", 3), ("x", "b", 1)], [("x", "a", 2), ("x", "b", 2)]),
        # before all of them: support
        ([("x", "a", 5)], [("x", "a", 2), ("y", "b", 2)]),
    ],
)
def test_a_tie_goes_to_models_then_nodes_then_the_highest_weight(
    ahead: list[Seat], behind: list[Seat]
) -> None:
    for won, lost in ((TWELVE, THIRTEEN), (THIRTEEN, TWELVE)):
        votes = [*seated(lost, *behind), *seated(won, *ahead)]
        assert {count(votes, seed=seed).winner.text for seed in SEEDS} == {won["text"]}


def test_a_tie_of_kinds_and_of_structures_is_broken_in_the_same_way() -> None:
    for other in ({"text": LONG.format("roof")}, {"text": "", "tool_calls": (call("a", "{}"),)}):
        votes = [*seated(TWELVE, ("x", "a", 2)), *seated(other, ("x", "a", 1), ("y", "a", 1))]
        assert {count(votes, seed=seed).winner.text for seed in SEEDS} == {other["text"]}


def test_what_is_equal_in_all_is_broken_by_the_seed_alone() -> None:
    votes = votes_of(TWELVE, THIRTEEN)
    won = [count(votes, seed=seed).winner for seed in SEEDS]
    assert won == [count(votes[::-1], seed=seed).winner for seed in SEEDS]
    assert len(set(won)) == 2


def test_a_tie_of_texts_that_are_no_unicode_is_broken_too() -> None:
    """JSON can tell half of a pair, and a peer may send it."""
    votes = votes_of({"text": "\ud800"}, {"text": "\udfff"})
    assert count(votes, seed="s") == count(votes[::-1], seed="s")


def test_the_best_of_a_class_is_its_heaviest_vote() -> None:
    votes = [*seated(TWELVE, ("x", "a", 1), ("x", "a", 3), ("x", "a", 2)), *votes_of(THIRTEEN)]
    assert {count(votes, seed=seed).standings[0].best for seed in SEEDS} == {votes[1]}


READS = [call("read", f'{{"path": "{path}"}}') for path in ("src/roof", "src/root", "b")]


def reads(*counts: int):
    """This many votes for each of the calls, of which the first two are alike."""
    answers = [{"text": "", "tool_calls": (made,)} for made in READS]
    return votes_of(*[each for each, n in zip(answers, counts, strict=True) for _ in range(n)])


def test_calls_need_more_than_half_else_the_one_closest_to_all_leads() -> None:
    assert count(reads(2, 2, 3), seed="s").winner.tool_calls != (READS[2],)
    assert not settled_by_weight(reads(2, 2, 4))
    assert settled_by_weight(reads(2, 1, 4))
    assert count(reads(2, 1, 4), seed="s").winner.tool_calls == (READS[2],)


def test_code_needs_no_more_than_the_most_and_a_tie_is_compared() -> None:
    blocks = [{"text": f"```python\nx = {n}\n```"} for n in ("1 + 1 + 1", "1 + 1 + 2", "y")]
    first, second, third = blocks
    assert settled_by_weight(votes_of(first, second, third, third))
    tied = votes_of(first, second, second, third, third)
    assert not settled_by_weight(tied)
    assert third["text"] not in {count(tied, seed=seed).winner.text for seed in SEEDS}


def test_short_answers_are_never_alike_only_equal() -> None:
    votes = votes_of(TWELVE, THIRTEEN, {"text": "Answer: 7"})
    assert settled_by_weight(votes)


def test_of_short_answers_that_of_most_leads_though_others_look_alike() -> None:
    words = ["red"] * 3 + ["the blue cat"] * 2 + ["the blue cats"] * 2
    assert count(votes_of(*[{"text": text} for text in words]), seed="s").winner.text == "red"


def test_of_texts_that_are_alike_the_one_closest_to_all_weight_leads() -> None:
    roof, roofs, other = LONG.format("roof"), LONG.format("roofs"), "Nobody knows it. " * 9
    even = votes_of({"text": roof}, {"text": roofs}, {"text": other})
    assert count(even, seed="s").winner.text in (roof, roofs)
    strong = [*even[:2], *seated({"text": other}, ("x", "a", 5))]
    assert count(strong, seed="s").winner.text == other


def test_no_more_than_so_many_texts_are_compared_the_heaviest_first() -> None:
    """Those that are left out are closest to all, and lead all the same not."""
    apart = [f"{chr(ord('a') + at)}{at:02} " * 40 for at in range(COMPARED)]
    heavy = [vote(Voter(f"h{at}", weight=Fraction(2)), text=text) for at, text in enumerate(apart)]
    light = [vote(Voter(f"l{at}"), text=LONG.format(at)) for at in range(COMPARED)]
    standings = count([*light, *heavy], seed="s").standings
    assert [standing.weight for standing in standings] == [2] * COMPARED + [1] * COMPARED


@pytest.mark.parametrize(("second", "other", "margin"), [(2, 1, 2 / 7), (1, 3, 1 / 8)])
def test_support_and_margin_are_shares_of_all_weight_that_counts(
    second: int, other: int, margin: float
) -> None:
    votes = [
        *seated(TWELVE, ("x", "a", 3), ("x", "b", 1)),
        *seated(THIRTEEN, ("x", "a", second)),
        *seated({"text": LONG.format("roof")}, ("y", "b", other)),
    ]
    tally = count(votes, seed="s")
    assert (tally.support, tally.margin) == (4 / (4 + second + other), margin)
    assert tally.counted == 4


def test_one_class_alone_is_ahead_of_nobody() -> None:
    alone = count(seated(TWELVE, ("x", "a", 3)), seed="s")
    assert (alone.support, alone.margin) == (1.0, 1.0)


def test_classes_of_other_structures_come_last_however_heavy_they_are() -> None:
    other = {"text": LONG.format("roof")}
    votes = votes_of(TWELVE, TWELVE, THIRTEEN, {"text": "14"}, other, other, other)
    texts = [standing.best.candidate.text for standing in count(votes, seed="s").standings]
    assert texts[0] == TWELVE["text"]
    assert texts[-1] == other["text"]


def test_classes_of_other_structures_come_from_the_best_on() -> None:
    others = [{"text": LONG.format(word)} for word in ("roof", "door", "wall")]
    votes = votes_of(*[TWELVE] * 7, *[others[0]] * 2, *[others[1]] * 3, others[2])
    weights = [standing.weight for standing in count(votes, seed="s").standings]
    assert weights == [7, 3, 2, 1]


def test_a_cap_scales_down_the_groups_that_exceed_it_and_no_others() -> None:
    voters = [
        *(Voter(f"a{at}", node="a", weight=Fraction(weight)) for at, weight in enumerate((1, 3))),
        Voter("b", node="b", weight=Fraction(2)),
        Voter("c", node="c", weight=Fraction(1, 2)),
    ]
    scaled = capped(voters, Fraction(2), lambda voter: voter.node)
    assert [voter.weight for voter in scaled] == [Fraction(1, 2), Fraction(3, 2), 2, Fraction(1, 2)]
    assert [voter.id for voter in scaled] == [voter.id for voter in voters]


def test_another_class_can_be_put_first_and_none_is_lost() -> None:
    tally = count(votes_of(TWELVE, TWELVE, TWELVE, THIRTEEN, THIRTEEN, {"text": "14"}), seed="s")
    first, second, third = tally.standings
    assert tally.led_by(1).standings == (second, first, third)
    assert tally.led_by(1).weight == tally.weight
    strong = count([*votes_of(*[TWELVE] * 3), *seated(THIRTEEN, ("x", "a", 2))], seed="s")
    assert strong.winner.text == TWELVE["text"]
    assert strong.most_trusted().winner.text == THIRTEEN["text"]
