"""Who is handed the next code first, and what is done where that one has another."""

from types import SimpleNamespace
from typing import Any

import pytest

from federation.client import Door
from federation.next_code import TAKEN, NextCode
from federation.wire import NewSecret
from swarm.errors import PeerError, PeerRefused, PeerUnreachable

OWN = "5" * 64
NEXT, OTHER = b"n" * 16, b"o" * 16


class Client:
    """Answers by port; the port is the first digit of the node id."""

    def __init__(self, **ends: PeerError) -> None:
        self.ends = {int(name[1:]): end for name, end in ends.items()}
        self.asked: list[int] = []

    async def hand_secret(self, door: Door, secret: NewSecret) -> None:
        assert secret.secret == NEXT
        self.asked.append(door.port)
        if door.port in self.ends:
            raise self.ends[door.port]


def peers(*digits: int) -> Any:
    return [
        SimpleNamespace(node_id=str(digit) * 64, address=("host", digit), name=f"n{digit}")
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
