from dataclasses import dataclass, replace

import pytest

from federation.peer import MAX_ADDRESSES, Change
from federation.peers import TABLE_SIZE, PeerTable
from federation.sightings import Sighting
from swarm.errors import ConfigurationError
from tests.federation.sightings import OURS, THEIRS, node_id, sighting

ME = node_id(0)
PORT = 17617
HERE = ("10.0.0.1", PORT)
THERE = ("10.0.0.2", PORT)


@dataclass(frozen=True)
class Told:
    epoch: int = 1


Table = PeerTable[Told]


def table() -> Table:
    return Table(ME, OURS)


def with_peer(now_s: float = 0.0) -> Table:
    """A table in which node 1 is ready at 10.0.0.1."""
    peers = table()
    peers.sighted(sighting(1), now_s)
    peers.heard(HERE, node_id(1), Told(), now_s)
    return peers


def kinds(changes: list[Change[Told]]) -> list[str]:
    return [change.kind for change in changes]


def test_a_member_that_is_seen_is_found_once_and_asked_at_once() -> None:
    peers = table()
    (change,) = peers.sighted(sighting(1), 0.0)
    assert change.kind == "found"
    assert change.peer is not None
    assert change.peer.name == "kitchen"
    assert peers.sighted(sighting(1), 1.0) == []
    assert [peer.address for peer in peers.due(1.0)] == [HERE]
    assert peers.due(1.1) == []
    assert peers.ready() == ()


def test_a_peer_that_proved_itself_joins_and_is_asked_every_heartbeat() -> None:
    peers = table()
    peers.sighted(sighting(1), 0.0)
    assert kinds(peers.heard(HERE, node_id(1), Told(), 0.1)) == ["joined"]
    assert [peer.node_id for peer in peers.ready()] == [node_id(1)]
    assert peers.heard(HERE, node_id(1), Told(), 1.6) == []
    assert peers.due(3.0) == []
    assert len(peers.due(3.1)) == 1


@pytest.mark.parametrize(
    ("seen", "outcome"),
    [
        (sighting(1, federation=THEIRS), "other federation"),
        (replace(sighting(1), advertisement=None, problem="it speaks 9"), "not understood"),
    ],
)
def test_strangers_are_told_once_and_never_asked(seen: Sighting, outcome: str) -> None:
    peers = table()
    assert kinds(peers.sighted(seen, 0.0)) == ["stranger"]
    assert peers.sighted(seen, 1.0) == []
    assert len(peers) == 0
    (line,) = peers.sightings()
    assert (line.outcome, line.times) == (outcome, 2)


def test_this_node_and_closed_doors_are_noted_and_left_out() -> None:
    peers = table()
    assert peers.sighted(sighting(0), 0.0) == []
    assert peers.sighted(sighting(1, port=0), 0.0) == []
    assert [line.outcome for line in peers.sightings()] == ["door closed", "this node"]
    assert len(peers) == 0


def test_three_missed_heartbeats_lose_a_peer_within_six_seconds() -> None:
    peers = with_peer()
    now_s, changes = 0.0, []
    while not changes:
        now_s += 0.05
        assert now_s < 6.0
        for peer in peers.due(now_s):
            now_s += 1.0
            changes = peers.failed(peer.key, "reachable", "no answer within 1 s", now_s)
    assert kinds(changes) == ["lost"]
    assert changes[0].reason == "no answer within 1 s"
    assert peers.ready() == ()
    assert peers.peers()[0].state == "seen"


def test_one_missed_heartbeat_loses_nobody() -> None:
    peers = with_peer()
    assert peers.failed(node_id(1), "reachable", "no answer", 2.0) == []
    peers.heard(HERE, node_id(1), Told(), 3.0)
    assert peers.failed(node_id(1), "reachable", "no answer", 5.0) == []
    assert peers.failed(node_id(1), "reachable", "no answer", 6.0) == []
    assert len(peers.ready()) == 1


def test_a_failed_request_asks_at_once_and_one_more_failure_loses_the_peer() -> None:
    peers = with_peer()
    peers.request_failed(node_id(1), 0.2)
    assert len(peers.due(0.2)) == 1
    assert kinds(peers.failed(node_id(1), "reachable", "refused", 0.3)) == ["lost"]


def test_a_failed_request_of_a_peer_that_lives_costs_it_nothing() -> None:
    peers = with_peer()
    peers.request_failed(node_id(1), 0.2)
    assert peers.heard(HERE, node_id(1), Told(), 0.3) == []
    assert peers.failed(node_id(1), "reachable", "no answer", 2.0) == []


def test_a_lost_peer_is_asked_at_least_every_four_seconds_and_joins_again() -> None:
    peers = with_peer()
    for _ in range(3):
        peers.failed(node_id(1), "reachable", "no route", 5.0)
    last_s, now_s = 5.0, 5.0
    while now_s < 600:
        now_s += 0.25
        for peer in peers.due(now_s):
            assert now_s - last_s <= 4.25
            last_s = now_s
            assert peers.failed(peer.key, "reachable", "no route", now_s) == []
    assert last_s > 590
    assert kinds(peers.heard(HERE, node_id(1), Told(), 600.0)) == ["joined"]


@pytest.mark.parametrize(
    ("hosts", "pauses_s"),
    [
        (["10.0.0.1"], [0.5, 1, 2, 4, 4, 4]),
        (["10.0.0.1", "10.0.0.2"], [0.25, 0.5, 0.25, 1, 0.25, 2]),
    ],
)
def test_the_pause_after_all_addresses_is_twice_as_long_each_time_up_to_four_seconds(
    hosts: list[str], pauses_s: list[float]
) -> None:
    peers = table()
    peers.sighted(sighting(1, *hosts), 0.0)
    for pause_s in pauses_s:
        peers.failed(node_id(1), "reachable", "no route", 8.0)
        assert peers.peers()[0].next_probe_s == 8.0 + pause_s


def test_the_step_that_fails_is_told_once_with_its_reason() -> None:
    peers = table()
    peers.sighted(sighting(1), 0.0)
    told = [peers.failed(node_id(1), "authenticated", "not of ours", float(n)) for n in range(9)]
    assert [kinds(changes) for changes in told] == [["refused"]] + [[]] * 8
    peer = peers.peers()[0]
    assert peer.state == "reachable"
    assert peer.failing is not None
    assert (peer.failing.step, peer.failing.reason) == ("authenticated", "not of ours")


def test_a_peer_that_is_just_starting_is_not_told_as_unreachable() -> None:
    peers = table()
    peers.sighted(sighting(1), 0.0)
    told = [peers.failed(node_id(1), "reachable", "refused", float(n)) for n in range(5)]
    assert [kinds(changes) for changes in told] == [[], [], ["unreachable"], [], []]


def test_one_node_with_many_addresses_and_names_is_one_peer() -> None:
    peers = table()
    peers.sighted(sighting(1, "10.0.0.1", "fd00::1"), 0.0)
    peers.sighted(replace(sighting(1, "10.0.9.9"), name=f"cellar-{node_id(1)[:8]}"), 0.0)
    peers.heard(("fd00::1", PORT), node_id(1), Told(), 0.5)
    (peer,) = peers.peers()
    assert {host for host, _ in peer.addresses} == {"10.0.0.1", "fd00::1", "10.0.9.9"}
    assert peer.address == ("fd00::1", PORT)


def test_after_a_failure_the_next_address_is_tried_without_a_pause() -> None:
    peers = table()
    peers.sighted(sighting(1, "10.0.0.1", "10.0.0.2"), 0.0)
    assert [peer.address for peer in peers.due(0.0)] == [HERE]
    peers.failed(node_id(1), "reachable", "no route", 0.1)
    assert [peer.address for peer in peers.due(0.4)] == [THERE]


def test_a_machine_that_moved_is_heard_at_its_new_address_before_it_is_lost() -> None:
    peers = with_peer()
    peers.sighted(sighting(1, "10.0.0.2"), 1.0)
    assert peers.failed(node_id(1), "reachable", "no answer", 2.5) == []
    (peer,) = peers.due(3.0)
    assert peer.address == THERE
    assert peers.heard(THERE, node_id(1), Told(), 3.1) == []
    assert len(peers.ready()) == 1


def test_announced_addresses_never_push_out_a_proved_one() -> None:
    peers = with_peer()
    for number in range(100):
        peers.sighted(sighting(1, f"10.9.9.{number}"), 1.0)
    (peer,) = peers.peers()
    assert len(peer.addresses) == MAX_ADDRESSES
    assert peer.address == HERE


def test_an_address_belongs_to_the_node_that_answers_there() -> None:
    peers = table()
    peers.sighted(sighting(1, "10.0.0.1"), 0.0)
    peers.sighted(sighting(2, "10.0.0.1", "10.0.0.2"), 0.0)
    peers.heard(HERE, node_id(1), Told(), 0.1)
    assert [peer.addresses for peer in peers.peers() if peer.key == node_id(2)[:16]] == [(THERE,)]


def test_a_peer_whose_only_address_went_to_another_is_lost() -> None:
    peers = with_peer()
    changes = peers.heard(HERE, node_id(2), Told(), 1.0)
    assert kinds(changes) == ["lost", "joined"]
    assert [peer.node_id for peer in peers.ready()] == [node_id(2)]


def test_a_static_peer_becomes_the_node_that_answers() -> None:
    peers = table()
    peers.add_static("cellar", PORT, 0.0)
    peers.add_static("cellar", PORT, 0.0)
    (peer,) = peers.due(0.0)
    assert peer.address == ("cellar", PORT)
    assert kinds(peers.heard(("cellar", PORT), node_id(1), Told(), 0.1)) == ["joined"]
    (peer,) = peers.peers()
    assert peer.key == node_id(1)[:16]
    assert peer.static == (("cellar", PORT),)


def test_a_static_peer_that_is_another_machine_now_follows_its_address() -> None:
    peers = table()
    peers.add_static("cellar", PORT, 0.0)
    peers.heard(("cellar", PORT), node_id(1), Told(), 0.1)
    peers.heard(("cellar", PORT), node_id(2), Told(), 9.0)
    assert [peer.static for peer in peers.ready()] == [(("cellar", PORT),)]


def test_static_peers_are_never_forgotten_and_survive_a_change_of_federation() -> None:
    peers = table()
    peers.add_static("cellar", PORT, 0.0)
    peers.heard(("cellar", PORT), node_id(1), Told(), 0.1)
    peers.belong_to(THEIRS, (), 1.0)
    assert [peer.key for peer in peers.peers()] == [f"cellar:{PORT}"]
    peers.forget_old(1e9)
    assert len(peers.due(1e9)) == 1


def test_members_that_stay_are_asked_at_once_where_they_lived_when_the_code_changes() -> None:
    peers = table()
    peers.add_static("10.0.0.1", PORT, 0.0)
    for number, address in ((1, HERE), (1, THERE), (2, ("10.0.0.3", PORT))):
        peers.heard(address, node_id(number), Told(), 0.0, name=f"host{number}")
    peers.failed(node_id(1), "reachable", "no answer", 1.5)
    peers.sighted(sighting(3), 2.0)
    found = peers.find(node_id(1))
    assert found
    found.metrics.won()
    for _ in range(2):  # the second time before anybody has answered
        peers.belong_to(THEIRS, (node_id(1), node_id(3)), 2.0)
    (peer,) = peers.due(2.0)
    assert (peer.node_id, peer.name, peer.state) == (node_id(1), "host1", "seen")
    assert (peer.addresses, peer.proved, peer.static) == ((THERE, HERE), (), (HERE,))
    assert not peer.was_proved
    assert peer.metrics.summary().wins == 1
    assert peers.ready() == ()
    assert kinds(peers.heard(THERE, node_id(1), Told(), 2.1)) == ["joined"]


def test_who_was_put_out_by_another_member_is_asked_in_silence_and_forgotten() -> None:
    peers = with_peer()
    peers.belong_to(THEIRS, (node_id(1),), 2.0)
    for beat in range(9):
        assert peers.failed(node_id(1), "authenticated", "TLS failed", 2.0 + beat) == []
    peers.forget_old(200.0)
    assert len(peers) == 0


def test_an_address_of_this_node_itself_is_said_so() -> None:
    peers = table()
    peers.add_static("10.0.0.9", PORT, 0.0)
    (change,) = peers.heard(("10.0.0.9", PORT), ME, Told(), 0.1)
    assert change.kind == "refused"
    assert "itself" in change.reason
    assert peers.ready() == ()


def test_being_called_keeps_a_peer_alive_but_makes_nobody_ready() -> None:
    peers = table()
    assert peers.heard(node_id(1), node_id(1), Told(), 0.0, came_from=HERE) == []
    assert peers.ready() == ()
    assert [peer.address for peer in peers.due(0.3)] == [HERE]
    peers.heard(HERE, node_id(1), Told(), 0.4)
    for beat in range(100):
        assert peers.due(1.0 + beat) == []
        peers.heard(node_id(1), node_id(1), Told(), 1.0 + beat)


def test_a_peer_that_calls_but_cannot_be_called_is_lost_and_stays_so() -> None:
    peers = with_peer()
    changes: list[Change[Told]] = []
    for beat in range(20):
        now_s = 2.0 + beat / 4
        changes += peers.heard(node_id(1), node_id(1), Told(), now_s)
        changes += peers.failed(node_id(1), "reachable", "refused", now_s)
    assert kinds(changes) == ["lost"]


def test_a_restart_is_told_from_a_duplicate() -> None:
    peers = with_peer()
    assert kinds(peers.heard(HERE, node_id(1), Told(2), 10.0)) == ["restarted"]
    assert kinds(peers.heard(HERE, node_id(1), Told(3), 20.0)) == ["restarted"]
    changes = peers.heard(THERE, node_id(1), Told(2), 30.0)
    for beat in range(10):
        changes += peers.heard(HERE, node_id(1), Told(3), 31.0 + beat)
        changes += peers.heard(THERE, node_id(1), Told(2), 31.5 + beat)
    assert kinds(changes) == ["duplicate"]
    assert len(peers.ready()) == 1


def test_a_goodbye_is_a_hint_that_only_asks() -> None:
    peers = with_peer()
    peers.gone(sighting(1).name, 1.0)
    assert len(peers.ready()) == 1
    assert len(peers.due(1.0)) == 1
    peers.heard(HERE, node_id(1), Told(), 1.1)
    for _ in range(1000):
        peers.gone(sighting(1).name, 1.2)
    assert peers.due(1.2) == []


def test_who_was_only_announced_is_forgotten_and_who_was_proved_is_kept_for_a_day() -> None:
    peers = with_peer()
    for _ in range(3):
        peers.failed(node_id(1), "reachable", "off", 1.0)
    peers.sighted(sighting(2), 0.0)
    peers.sighted(sighting(3), 0.0)
    peers.gone(sighting(3).name, 5.0)
    for now_s, kept in ((14.0, (1, 2, 3)), (15.0, (1, 2)), (179.0, (1, 2)), (180.0, (1,))):
        peers.forget_old(now_s)
        assert {peer.key for peer in peers.peers()} == {node_id(n)[:16] for n in kept}
    peers.forget_old(24 * 3600.0 - 1)
    assert len(peers) == 1
    peers.forget_old(24 * 3600.0)
    assert len(peers) == 0


def test_a_storm_fills_the_table_and_no_further_nor_does_it_fill_the_log() -> None:
    peers = with_peer()
    changes = [c for n in range(2, 5002) for c in peers.sighted(sighting(n), n / 1000)]
    assert len(peers) == TABLE_SIZE
    assert len(changes) < 40
    assert len(peers.due(6.0)) <= 65
    assert len(peers.sightings()) <= 128
    assert [peer.node_id for peer in peers.ready()] == [node_id(1)]


def test_in_a_full_table_a_proved_peer_has_its_place() -> None:
    peers = table()
    for number in range(1, 1001):
        peers.sighted(sighting(number), 0.0)
    assert kinds(peers.heard(("10.1.1.1", PORT), node_id(5000), Told(), 1.0)) == ["joined"]
    assert len(peers) == TABLE_SIZE


def test_what_was_tried_in_vain_makes_room_for_what_was_not_tried() -> None:
    peers = table()
    for number in range(1, TABLE_SIZE + 1):
        peers.sighted(sighting(number), 0.0)
    assert peers.sighted(sighting(9000), 1.0) == []
    assert peers.find(node_id(9000)) is None
    peers.failed(node_id(7), "reachable", "nobody there", 1.0)
    assert kinds(peers.sighted(sighting(9000), 2.0)) == ["found"]
    assert peers.find(node_id(7)) is None


def test_a_table_full_of_ready_peers_takes_no_more() -> None:
    peers = table()
    for number in range(1, TABLE_SIZE + 2):
        peers.heard((f"10.1.{number // 250}.{number % 250}", PORT), node_id(number), Told(), 0.0)
    assert len(peers) == TABLE_SIZE
    with pytest.raises(ConfigurationError):
        peers.add_static("one-more", PORT, 0.0)


def test_requests_stop_after_three_failures_and_a_heartbeat_does_not_start_them() -> None:
    peers = with_peer()
    for _ in range(3):
        assert peers.may_ask(node_id(1), 0.0)
        peers.request_failed(node_id(1), 0.0)
    peers.heard(HERE, node_id(1), Told(), 0.1)
    assert not peers.may_ask(node_id(1), 0.2)
    assert peers.may_ask(node_id(1), 1.0)
    assert not peers.may_ask(node_id(1), 1.0)
    peers.request_succeeded(node_id(1))
    assert peers.may_ask(node_id(1), 1.1)
    assert peers.may_ask(node_id(1), 1.1)


def test_nobody_who_is_not_ready_is_asked() -> None:
    peers = table()
    peers.sighted(sighting(1), 0.0)
    assert not peers.may_ask(node_id(1), 0.0)
    assert not peers.may_ask(node_id(2), 0.0)
