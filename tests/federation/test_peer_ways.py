"""On which of a peer's addresses it is asked, when it calls from another one."""

from federation.peers import PeerTable
from tests.federation.sightings import OURS, node_id, sighting
from tests.federation.test_peers import HERE, ME, PORT, THERE, Told

Table = PeerTable[Told]


def test_a_peer_that_calls_from_elsewhere_is_asked_in_time_where_it_was_and_then_there() -> None:
    peers = Table(ME, OURS)
    peers.sighted(sighting(1, "10.0.0.1", "10.0.0.7", "10.0.0.8"), 0.0)
    peers.heard(HERE, node_id(1), Told(), 0.0)
    for called_s in (0.5, 1.0, 1.4):
        peers.heard(node_id(1), node_id(1), Told(), called_s, came_from=THERE)
    assert [peer.address for peer in peers.due(1.5)] == [HERE]
    peers.failed(node_id(1), "reachable", "nobody there", 2.5)
    assert [peer.address for peer in peers.due(2.8)] == [THERE]


def test_two_nodes_that_call_each_other_on_different_ways_settle_on_one() -> None:
    homes = {0: ("10.0.0.10", "fe80::10"), 1: ("10.0.0.11", "fe80::11")}
    tables = {number: Table(node_id(number), OURS) for number in homes}
    for own, other in ((0, 1), (1, 0)):
        for host in homes[other][:: 1 - 2 * own]:  # each proved another one last
            tables[own].heard((host, PORT), node_id(other), Told(), 0.0)
    ways = dict[int, int]()
    for beat in range(4):
        for own, other in ((0, 1), (1, 0)):
            (peer,) = tables[own].ready()
            assert peer.address is not None
            ways[own] = homes[other].index(peer.address[0])
        for own, other in ((0, 1), (1, 0)):
            came_from = (homes[own][ways[own]], PORT)
            tables[other].heard(node_id(own), node_id(own), Told(), 1.0 + beat, came_from=came_from)
    assert ways[0] == ways[1]
    assert [table.due(5.5) for table in tables.values()] == [[], []]
