"""How many workers a machine affords, how they differ, and what their votes weigh."""

from fractions import Fraction

from swarm.workers import VoteWeights, outweighing, temperatures, usual_workers


def test_the_machine_says_how_many_are_usual():
    assert usual_workers(2, accelerated=False) == 3
    assert usual_workers(8, accelerated=False) == 5
    assert usual_workers(2, accelerated=True) == 5


def test_workers_differ_a_little_in_temperature():
    spread = temperatures(0.8, 5)
    assert spread[0] == 0.8
    assert len(set(spread)) == 5
    assert all(0.67 < t < 0.93 for t in spread)
    assert temperatures(0.0, 3) == (0.0, 0.0, 0.0)
    assert temperatures(0.8, 1) == (0.8,)


def test_one_outweighs_the_others_only_with_more_than_all_of_them():
    assert outweighing([Fraction(1), Fraction(3), Fraction(1)]) == 1
    assert outweighing([Fraction(1), Fraction(2), Fraction(1)]) is None
    assert outweighing([Fraction(5)]) is None


def test_a_weight_is_the_nodes_own_else_its_models():
    weights = VoteWeights({"big": Fraction(2), "kitchen": Fraction(3)})
    assert weights.of("big") == 2
    assert weights.of("big", "kitchen") == 3
    assert weights.of("small", "hall") == 1


def test_a_name_that_two_nodes_share_weighs_for_both_unless_one_is_named_itself():
    weights = VoteWeights({"laptop": Fraction(5), "laptop-2b2d": Fraction(3)})
    assert weights.of("small", "laptop-2b2d", "laptop") == 3
    assert weights.of("small", "laptop-8bcb", "laptop") == 5
