"""Who was off while another member was removed does not stay with the removed one."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.hosts import Host, network
from tests.e2e.house import (
    READY_S,
    approve,
    ask,
    house,
    one_federation,
    ready,
    voters,
    wait_together,
)

pytestmark = pytest.mark.needs("namespaces")


def come_home(away: Host, member: Host, house: Sequence[Host]) -> None:
    """It leaves whom it is with, shows a PIN, and is one of the house again when that is typed."""
    approve(member, away)
    wait_together(house)
    others = {host.name: 3 for host in house if host is not away}
    assert voters(ask(away)) == {"here": 3, **others}


def test_a_removal_reaches_who_was_off_when_it_meets_who_removed(tmp_path: Path) -> None:
    with house(3, tmp_path) as lan:
        one, removed, away = lan.hosts
        assert away.node.end() == 0
        one.node.wait_until(lambda: ready(one) == {"host2"}, READY_S)
        assert one.main("remove", "host2").returncode == 0
        assert one.node.end() == 0
        away.start_node()
        wait_together([removed, away])
        one.start_node()
        come_home(away, one, [one, away])
        assert ready(removed) == set()
        assert voters(ask(removed)) == {"here": 3}
        assert away.node.end() == 0
        away.start_node()
        wait_together([one, away])


def test_a_removal_reaches_who_was_off_through_a_member_that_joined_later(tmp_path: Path) -> None:
    with network(4, tmp_path) as lan:
        one, removed, away, later = lan.hosts
        one_federation([one, removed, away])
        assert away.node.end() == 0
        one.node.wait_until(lambda: ready(one) == {"host2"}, READY_S)
        assert one.main("remove", "host2").returncode == 0
        later.start_node()
        approve(one, later)
        wait_together([one, later])
        assert one.node.end() == 0
        away.start_node()
        come_home(away, later, [later, away])
        assert ready(removed) == set()
