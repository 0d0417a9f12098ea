"""A peer as a proposer: what it offers by its last heartbeat, and its workers' answers."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from federation.client import PeerClient
from federation.endpoint import PeerEndpoint
from federation.lines import shown_names, told_apart
from federation.peer import Peer
from federation.peers import PeerTable
from federation.refusals import own_words
from federation.wire import LABEL_CHARACTERS, MAX_WORKERS, ProposeBody, Status, question_bytes
from swarm.deadline import DeadlinePassedError, until, within
from swarm.errors import PeerError, PeerLate, PeerRefused, PeerUnreachable
from swarm.ids import SWARM_IDS, base_id
from swarm.proposer import Ended, Lost, Offer, Told
from swarm.types import Question

_DECLINED = (413, 429)
"""Statuses by which a peer abstains, without fault: its context is too short, or it has no place
now."""

_STALE_S = 0.5
"""A call that failed within this may have met a kept connection that was closed and is made again;
an address without a machine takes longer to fail."""

_GRACE_S = 0.5
"""A peer has this much longer to say by itself that its time is over: its word may come a little
late."""


@dataclass(frozen=True, slots=True)
class Asking:
    """What a peer is asked with: the table, the client, and this node's clock."""

    table: PeerTable[Status]
    client: PeerClient
    clock: Callable[[], float] = time.monotonic


class PeerProposer:
    """One ready peer, as it was when it was asked for."""

    def __init__(self, peer: Peer[Status], status: Status, name: str, asking: Asking) -> None:
        self._peer = peer
        self._status = status
        self._asking = asking
        self._name = name

    @property
    def node(self) -> str:
        """Its node id."""
        return self._peer.node_id

    @property
    def name(self) -> str:
        """What people call it, unique among the peers."""
        return self._name

    @property
    def names(self) -> tuple[str, ...]:
        """What tells it from others, whether or not one has its name now; what it calls itself."""
        return told_apart(self._peer.name, self.node), self._peer.name

    @property
    def address(self) -> str:
        """Where it answers."""
        address = self._peer.answers_at
        return address[0] if address else ""

    def models(self) -> tuple[str, ...]:
        """The models that it votes with."""
        return tuple(offer.model for offer in self._status.models)

    def offer(self, model: str) -> Offer | None:
        """By its last heartbeat: its default for the swarm's own ids, else the model of that id."""
        wanted = base_id(model)
        for offer in self._status.models:
            if offer.model == wanted or (wanted in SWARM_IDS and offer.default):
                usual, free, most = (
                    min(count, MAX_WORKERS) for count in (offer.usual, offer.free, offer.most)
                )
                return replace(offer, usual=usual, free=free, most=most)
        return None

    def won(self) -> None:
        """Counted for diagnostics."""
        self._peer.metrics.won()

    async def propose(
        self, question: Question, workers: int, *, remaining_s: float, live: bool
    ) -> AsyncGenerator[list[Told]]:
        """The answers of `workers` of its workers; closing cancels them there.

        Raises PeerError, ContextOverflow where the peer's context is too short, Overloaded where
        it has no place now.
        """
        table, clock = self._asking.table, self._asking.clock
        endpoint = self._endpoint()
        if not table.may_ask(self.node, clock()):
            raise PeerUnreachable(f"{self.name} failed just now; it is left out for a while")
        body = ProposeBody(
            label=question.model[:LABEL_CHARACTERS],
            question=question,
            workers=workers,
            remaining_s=remaining_s,
            live=live,
        )
        began_s, tokens, running = clock(), 0, workers
        answered, done, failure = False, False, None
        try:
            told = self._told(endpoint, body)
            async with aclosing(in_time(told, remaining_s + _GRACE_S)) as steps:
                async for step in steps:
                    ends = [news.tokens for _, news in step if isinstance(news, Ended)]
                    answered, tokens = answered or bool(ends), tokens + sum(ends)
                    running -= sum(isinstance(news, Ended | Lost) for _, news in step)
                    done = answered and running <= 0  # a vote that this decides reads no further
                    yield step
            done = True
        except PeerError as error:
            failure = error
            if told_why := own_words(error):
                raise told_why from error
            raise
        finally:
            self._settle(failure, done=done, seconds=clock() - began_s, tokens=tokens)

    async def _told(self, endpoint: PeerEndpoint, body: ProposeBody) -> AsyncGenerator[list[Told]]:
        """What it says; asked a second time where an earlier connection turns out to be closed."""
        client, clock = self._asking.client, self._asking.clock
        most_bytes, moved = question_bytes(self._status), self._peer.metrics.moved
        began_s = clock()
        for last in (False, True):
            taken = False
            told = client.propose(endpoint, body, most_bytes=most_bytes, moved=moved)
            try:
                async with aclosing(told) as steps:
                    async for step in steps:
                        taken = True
                        yield step
                return
            except PeerUnreachable:
                if last or taken or clock() - began_s > _STALE_S:
                    raise

    def _endpoint(self) -> PeerEndpoint:
        address = self._peer.answers_at
        if address is None:
            raise PeerUnreachable(f"{self.name} has no address")
        return PeerEndpoint.of(address, self._peer.node_id)

    def _settle(self, error: PeerError | None, *, done: bool, seconds: float, tokens: int) -> None:
        """Tell table and metrics how a request ended; neither `done` nor an error: cancelled."""
        table, now_s = self._asking.table, self._asking.clock()
        if done:
            table.request_succeeded(self.node)
            self._peer.metrics.succeeded(latency_s=seconds, tokens=tokens)
        elif isinstance(error, PeerRefused) and error.status in _DECLINED:
            table.request_dropped(self.node)
            self._peer.metrics.was_busy()
        elif error is None or isinstance(error, PeerLate):
            table.request_dropped(self.node)
        else:
            table.request_failed(self.node, now_s)
            self._peer.metrics.failed(str(error), at=time.time())


def proposers(asking: Asking) -> tuple[PeerProposer, ...]:
    """The peers that can be asked now, each under a name of its own."""
    names = shown_names(asking.table.proved())
    return tuple(
        PeerProposer(peer, peer.status, names[peer.node_id], asking)
        for peer in asking.table.ready()
        if peer.status is not None
    )


async def in_time(told: AsyncGenerator[list[Told]], limit_s: float) -> AsyncGenerator[list[Told]]:
    """The same news for that many seconds. Raises PeerLate, and PeerUnreachable where the call
    was given up by the client, as it is when the federation's code changes.
    """
    at_s = asyncio.get_running_loop().time() + limit_s
    async with aclosing(until(told, at_s)) as steps:
        try:
            async for step in steps:
                yield step
        except DeadlinePassedError:
            raise PeerLate(f"it was not done {within(limit_s)}") from None
        except asyncio.CancelledError:
            # A session that is closed cancels its look-ups: nobody has cancelled this request.
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise PeerUnreachable("the federation's code changed just now") from None
