"""What the log says of peers."""

from federation.lines import line_of, shown_names
from federation.peer import Address
from federation.peers import PeerTable
from federation.wire import Status
from tests.federation.sightings import OURS, node_id, sighting

ONE, OTHER = ("10.0.0.1", 17617), ("10.0.0.2", 17617)


def status() -> Status:
    return Status(
        version="1",
        node=node_id(1),
        name="kitchen",
        epoch=1,
        clock_s=1.0,
        port=17617,
        models=(),
    )


def with_two_addresses() -> PeerTable[Status]:
    table = PeerTable[Status](node_id(0), OURS)
    table.sighted(sighting(1, ONE[0], OTHER[0]), 0.0)
    return table


def failed_lines(table: PeerTable[Status], *at: Address) -> list[str]:
    changes = [
        change
        for second, address in enumerate(at)
        for change in table.failed(node_id(1), "reachable", "refused", float(second), at=address)
    ]
    return [line_of(change) for change in changes]


def test_a_peer_is_lost_at_the_address_that_failed_and_not_at_the_next_one() -> None:
    table = with_two_addresses()
    [joined] = table.heard(ONE, node_id(1), status(), 0.0)
    assert line_of(joined) == "kitchen at 10.0.0.1 takes part: no model yet"
    assert failed_lines(table, ONE, OTHER, ONE) == ["lost kitchen at 10.0.0.1: refused"]


def test_a_peer_that_never_answered_cannot_be_reached_at_the_address_that_failed() -> None:
    lines = failed_lines(with_two_addresses(), ONE, OTHER, ONE)
    assert lines == ["kitchen at 10.0.0.1 cannot be reached: refused"]


def heard(table: PeerTable[Status], number: int) -> str:
    here = (f"10.0.0.{number}", 17617)
    table.heard(here, node_id(number), status(), 0.0, name="laptop")
    return node_id(number)


def test_peers_of_one_name_are_told_apart_and_who_is_gone_renames_nobody() -> None:
    table = PeerTable[Status](node_id(0), OURS)
    one, other = heard(table, 1), heard(table, 2)
    apart = {one: f"laptop-{one[:4]}", other: f"laptop-{other[:4]}"}
    assert shown_names(table.proved()) == apart
    for second in range(3):
        table.failed(one, "reachable", "refused", float(second))
    assert [peer.node_id for peer in table.ready()] == [other]
    assert shown_names(table.proved()) == apart


def test_who_was_only_announced_renames_nobody() -> None:
    table = PeerTable[Status](node_id(0), OURS)
    table.heard(ONE, node_id(1), status(), 0.0, name="kitchen")
    table.sighted(sighting(2, OTHER[0]), 0.0)
    assert [peer.name for peer in table.peers()] == ["kitchen"] * 2
    assert shown_names(table.proved()) == {node_id(1): "kitchen"}
