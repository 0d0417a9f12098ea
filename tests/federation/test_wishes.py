"""The owner's word against what the node remembers."""

from pathlib import Path

import pytest

from federation.store import Membership
from federation.trust import OPEN_SECRET, new_secret
from federation.wishes import Wishes, chosen, parse_peer
from swarm.errors import ConfigurationError

MINE, THEIRS = new_secret(), new_secret()
MEMBER = Membership(MINE, ("a" * 64,))
ALONE = Membership(MINE, founded_alone=True)


def wishes(*, join: bytes | None = None, trust_all: bool = False) -> Wishes:
    return Wishes(Path(), "hall", "1", join=join, open=trust_all)


def test_a_new_node_founds_a_federation_of_its_own() -> None:
    founded = chosen(None, wishes())
    assert founded.founded_alone
    assert founded.secret != chosen(None, wishes()).secret


def test_a_later_start_needs_nothing() -> None:
    assert chosen(MEMBER, wishes()) == MEMBER
    assert chosen(MEMBER, wishes(join=MINE)) == MEMBER


def test_a_node_that_is_alone_joins_by_a_code() -> None:
    assert chosen(ALONE, wishes(join=THEIRS)) == Membership(THEIRS)
    assert chosen(None, wishes(join=THEIRS)) == Membership(THEIRS)


def test_a_member_is_not_taken_out_of_its_federation_by_the_way() -> None:
    with pytest.raises(ConfigurationError, match="--leave"):
        chosen(MEMBER, wishes(join=THEIRS))
    with pytest.raises(ConfigurationError, match="--leave"):
        chosen(MEMBER, wishes(trust_all=True))


def test_open_is_a_federation_that_everybody_knows() -> None:
    assert chosen(ALONE, wishes(trust_all=True)).secret == OPEN_SECRET


def test_the_log_warns_of_what_is_open_and_of_interfaces_that_are_not_there() -> None:
    assert wishes().warnings(("lo", "eth0")) == []
    assert "everybody" in wishes(trust_all=True).warnings(())[0]
    wished = Wishes(Path(), "hall", "1", interfaces=("eth0", "wg9"))
    [said] = wished.warnings(("lo", "eth0"))
    assert said.startswith("--peer-interface wg9: there is none of this name now")
    assert said.endswith("there is eth0, lo")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("kitchen", ("kitchen", 17617)),
        ("10.0.0.2:99", ("10.0.0.2", 99)),
        ("[fe80::1%2]:99", ("fe80::1%2", 99)),
        ("[::1]", ("::1", 17617)),
        ("fd00::5", ("fd00::5", 17617)),
    ],
)
def test_a_peer_is_named_by_host_and_port(text: str, address: tuple[str, int]) -> None:
    assert parse_peer(text, 17617) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", ":99", "kitchen:", "kitchen:0", "kitchen:70000", "[::1]:x"),
        *("a:b:c", "http://kitchen:99", "[kitchen:hall]:99"),
    ],
)
def test_a_peer_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="HOST:PORT"):
        parse_peer(text, 17617)
