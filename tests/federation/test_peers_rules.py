from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from federation.peer import MAX_ADDRESSES, STEPS, Step
from federation.peers import TABLE_SIZE, PeerTable
from tests.federation.sightings import OURS, THEIRS, node_id, sighting

NODES = st.integers(0, 6)
HOSTS = st.sampled_from([f"10.0.0.{number}" for number in range(12)])
SEVERAL = st.lists(HOSTS, min_size=1, max_size=4)


@dataclass(frozen=True)
class Told:
    epoch: int


class AnySequenceOfEvents(RuleBasedStateMachine):
    """Whatever is announced, answered and missed, the table stays whole."""

    def __init__(self) -> None:
        super().__init__()
        self.peers = PeerTable[Told](node_id(0), OURS)
        self.now_s = 0.0

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.5, 4.0, 200.0, 90_000.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(number=NODES, hosts=SEVERAL, federation=st.sampled_from([OURS, THEIRS]))
    def sighted(self, number: int, hosts: list[str], federation: str) -> None:
        self.peers.sighted(sighting(number, *hosts, federation=federation), self.now_s)

    @rule(number=NODES)
    def gone(self, number: int) -> None:
        self.peers.gone(sighting(number).name, self.now_s)

    @rule(host=HOSTS)
    def add_static(self, host: str) -> None:
        self.peers.add_static(host, 17617, self.now_s)

    @rule(number=NODES, host=HOSTS, epoch=st.integers(0, 3))
    def answered(self, number: int, host: str, epoch: int) -> None:
        self.peers.heard((host, 17617), node_id(number), Told(epoch), self.now_s)

    @rule(number=NODES, host=HOSTS, epoch=st.integers(0, 3))
    def called(self, number: int, host: str, epoch: int) -> None:
        before = {peer.key for peer in self.peers.ready()}
        node, told = node_id(number), Told(epoch)
        self.peers.heard(node, node, told, self.now_s, came_from=(host, 17617))
        assert {peer.key for peer in self.peers.ready()} == before

    @rule(number=NODES, step=st.sampled_from(STEPS[1:]))
    def failed(self, number: int, step: Step) -> None:
        self.peers.failed(node_id(number), step, "why", self.now_s)

    @rule(number=NODES)
    def request(self, number: int) -> None:
        if self.peers.may_ask(node_id(number), self.now_s):
            self.peers.request_failed(node_id(number), self.now_s)

    @rule()
    def probe(self) -> None:
        due = self.peers.due(self.now_s)
        assert all(peer.addresses for peer in due)
        assert self.peers.due(self.now_s) == []

    @rule()
    def forget(self) -> None:
        ready, static = self.peers.ready(), self._static()
        self.peers.forget_old(self.now_s)
        assert self.peers.ready() == ready
        assert self._static() == static

    @rule(members=st.sets(NODES.map(node_id)))
    def change_federation(self, members: set[str]) -> None:
        static = self._static()
        self.peers.belong_to(OURS, members, self.now_s)
        assert self._static() == static
        assert self.peers.ready() == ()

    @invariant()
    def bounded(self) -> None:
        assert len(self.peers) <= TABLE_SIZE
        for peer in self.peers.peers():
            assert len(peer.addresses) == len(set(peer.addresses)) <= MAX_ADDRESSES

    @invariant()
    def each_node_once_and_never_this_one(self) -> None:
        ids = [peer.node_id for peer in self.peers.ready()]
        assert len(ids) == len(set(ids))
        assert node_id(0) not in ids
        assert all(len(node) == 64 for node in ids)

    @invariant()
    def who_is_ready_can_be_asked(self) -> None:
        for peer in self.peers.ready():
            assert peer.address is not None
            assert peer.next_probe_s <= self.now_s + 2.0

    @invariant()
    def an_address_is_proved_for_one_peer(self) -> None:
        proved = [address for peer in self.peers.peers() for address in peer.proved]
        assert len(proved) == len(set(proved))

    def _static(self) -> set[tuple[str, int]]:
        return {address for peer in self.peers.peers() for address in peer.static}


TestAnySequenceOfEvents = AnySequenceOfEvents.TestCase
TestAnySequenceOfEvents.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
