"""How many workers a machine affords, and how they differ."""

from swarm.workers import temperatures, usual_workers


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
