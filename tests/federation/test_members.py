"""Which member is meant: by the name of one that runs, by the node id of any."""

import pytest

from federation.members import member_meant
from federation.peer import Peer
from federation.wire import Status
from swarm.errors import InvalidRequest
from tests.federation.sightings import STATUS, node_id


def peer(number: int, name: str, heard_s: float | None = 0.0) -> Peer[Status]:
    key, node = node_id(number)[:16], node_id(number)
    return Peer(key, node, name, (), 0.0, 0.0, status=STATUS, last_heard_s=heard_s)


HERE = (peer(1, "kitchen"), peer(2, "hall"), peer(3, "hall"))
MEMBERS = tuple(node_id(number) for number in (1, 2, 3, 4))


def meant(word: str) -> tuple[str, str]:
    return member_meant(word, HERE, MEMBERS)


@pytest.mark.parametrize("word", ["kitchen", node_id(1), node_id(1)[:8], node_id(1)[:4].upper()])
def test_a_member_that_runs_is_known_by_its_name_and_its_id(word: str) -> None:
    assert meant(word) == (node_id(1), "kitchen")


@pytest.mark.parametrize("digits", [4, 8, 64])
def test_a_member_that_is_off_is_known_by_its_id(digits: int) -> None:
    assert meant(node_id(4)[:digits]) == (node_id(4), f"node {node_id(4)[:8]}")


def test_what_fits_several_says_which() -> None:
    with pytest.raises(InvalidRequest, match="fits several") as caught:
        meant("hall")
    assert node_id(2)[:8] in str(caught.value)
    assert node_id(3)[:8] in str(caught.value)


@pytest.mark.parametrize("word", ["attic", node_id(4)[:3], node_id(5)])
def test_what_fits_none_says_who_there_is_and_what_else_can_be_done(word: str) -> None:
    with pytest.raises(InvalidRequest, match="fits none") as caught:
        meant(word)
    told = str(caught.value)
    assert f"kitchen ({node_id(1)[:8]})" in told
    assert f"node {node_id(4)[:8]} (not seen)" in told
    assert "`python main.py --new-code`" in told


def test_a_name_that_was_only_announced_is_nobodys() -> None:
    with pytest.raises(InvalidRequest, match="there is none"):
        member_meant("kitchen", [peer(1, "kitchen", None)], [])
