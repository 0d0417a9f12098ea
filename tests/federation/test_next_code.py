"""Who is handed the next code first, and what is done where that one has another."""

from types import SimpleNamespace
from typing import Any

import pytest

from federation.endpoint import PeerEndpoint
from federation.next_code import TAKEN, NextCode
from federation.peers import PeerTable
from federation.wire import NewSecret, Status
from swarm.errors import PeerError, PeerRefused, PeerUnreachable
from tests.federation.sightings import OURS, STATUS

OWN = "5" * 64
NEXT, OTHER = b"n" * 16, b"o" * 16


class Client:
    """Answers by port; the port is the first digit of the node id."""

    def __init__(self, **ends: PeerError) -> None:
        self.ends = {int(name[1:]): end for name, end in ends.items()}
        self.asked: list[int] = []

    async def hand_secret(self, endpoint: PeerEndpoint, secret: NewSecret) -> None:
        assert secret.secret == NEXT
        self.asked.append(endpoint.port)
        if endpoint.port in self.ends:
            raise self.ends[endpoint.port]


def peers(*digits: int) -> Any:
    return [
        SimpleNamespace(node_id=str(digit) * 64, ways=(("host", digit),), name=f"n{digit}")
        for digit in digits
    ]


async def hand_out(client: Any, *digits: int) -> NextCode:
    own = NextCode(OWN)
    await own.hand_out(NEXT, peers(*digits), client)
    return own


async def test_the_lowest_id_is_asked_before_all_others() -> None:
    client = Client()
    await hand_out(client, 7, 3, 2, 9)
    assert client.asked == [2, 3, 7, 9]


async def test_the_next_lowest_is_asked_where_the_lowest_is_gone() -> None:
    client = Client(n2=PeerUnreachable("no route"), n3=PeerRefused("taken", status=TAKEN))
    with pytest.raises(PeerRefused, match="taken"):
        await hand_out(client, 7, 3, 2, 9)
    assert client.asked == [2, 3]


async def test_a_node_of_the_lowest_id_asks_itself_first() -> None:
    own, client = NextCode(OWN), Client()
    own.take(OTHER)
    with pytest.raises(PeerRefused, match="another machine changes the code"):
        await own.hand_out(NEXT, peers(7, 9), client)  # type: ignore[arg-type]
    assert client.asked == []


async def test_who_comes_later_refuses_alone(caplog: pytest.LogCaptureFixture) -> None:
    client = Client(n7=PeerRefused("has another", status=TAKEN))
    own = await hand_out(client, 3, 7, 9)
    assert client.asked == [3, 7, 9]
    assert "n7 did not get the new code: has another" in caplog.text
    assert not own.take(NEXT)


def test_one_code_follows_each() -> None:
    own = NextCode(OWN)
    assert own.take(NEXT)
    assert not own.take(NEXT)
    with pytest.raises(PeerRefused):
        own.take(OTHER)
    own.begin()
    assert own.take(OTHER)


async def test_who_did_not_get_it_is_named() -> None:
    gone = PeerUnreachable("no route")
    client = Client(n2=gone, n3=gone, n9=PeerRefused("has another", status=TAKEN))
    missed = await NextCode(OWN).hand_out(NEXT, peers(9, 7, 2, 3, 4), client)  # type: ignore[arg-type]
    assert missed == ("n2", "n3", "n9")


async def test_a_member_whose_last_heartbeat_failed_is_asked_where_it_answered_before() -> None:
    """And at its other addresses, unless it is there and refuses."""
    table = PeerTable[Status](OWN, OURS)
    node = "7" * 64
    for port in (2, 1):
        table.heard(("host", port), node, STATUS, 0.0)
    table.failed(node, "reachable", "no answer within 1 s", 1.5)
    (member,) = table.ready()
    assert (member.address, member.answers_at) == (("host", 2), ("host", 1))
    gone, refuses = PeerUnreachable("no route"), PeerRefused("no", status=400)
    for client, asked, missed in (
        (Client(), [1], ()),
        (Client(n1=gone), [1, 2], ()),
        (Client(n1=gone, n2=gone), [1, 2], (node[:8],)),
        (Client(n1=refuses), [1], (node[:8],)),
    ):
        named = await NextCode(OWN).hand_out(NEXT, [member], client)  # type: ignore[arg-type]
        assert (client.asked, named) == (asked, missed)
