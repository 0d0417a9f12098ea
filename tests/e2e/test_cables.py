"""The rules of a switch."""

from tests.e2e.cables import Faults


def test_faults_are_rules_for_both_ways() -> None:
    faults = Faults(cut={1}, pairs={(2, 3)}, loss={3: 10})
    rules = faults.ruleset()
    assert rules.count("iifname h1 drop") == rules.count("oifname h1 drop") == 2
    assert "iifname h2 oifname h3 drop" in rules
    assert "iifname h3 oifname h2 drop" in rules


def test_a_host_that_is_forgotten_has_no_rule() -> None:
    faults = Faults(cut={1}, pairs={(2, 3)}, loss={3: 10})
    assert faults.hosts == {1, 2, 3}
    faults.forget(3)
    assert faults.hosts == {1}
    faults.forget(1)
    assert "drop" not in faults.ruleset()
