"""A PIN tried at the machines that show one; of two that approve each other at once, one joins."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from federation.pairing import approve
from federation.sightings import Sighting
from swarm.errors import PeerError, PeerRefused


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a machine is handed that is approved: the secret, those of the past, and where this
    node serves peers.
    """

    secret: bytes = field(repr=False)
    past: tuple[bytes, ...] = field(repr=False)
    addresses: tuple[str, ...]
    port: int


class Approvals:
    """The pairing calls of one node, one at a time, and none while it joins others itself."""

    def __init__(self, node_id: str) -> None:
        self._node_id = node_id
        self._called = ""
        self._joins = False

    async def approve(
        self,
        digits: str,
        doors: Sequence[Sighting],
        invitation: Invitation,
        *,
        joined: Callable[[str], Awaitable[None]],
    ) -> str:
        """Try the PIN at one machine after the other; the name of the one that it belongs to.

        `joined` is awaited with its node id before another call may come. Raises PeerError.
        """
        if self._called or self._joins:
            raise PeerRefused("another machine is joining just now; try again", status=409)
        wrong: PeerError | None = None
        try:
            for met in doors:
                if met.advertisement is None:
                    continue
                self._called = met.advertisement.node
                try:
                    node = await self._call(digits, met, met.advertisement.pairing, invitation)
                except PeerError as error:
                    wrong = error
                    continue
                await joined(node)
                return met.name
        finally:
            self._called = ""
        raise wrong or PeerRefused(
            "no machine that shows a PIN is seen on this network", status=404
        )

    def begin_joining(self, caller: str) -> None:
        """`caller` hands its federation over. Raises PeerRefused while this node hands out its own.

        Of two that call each other the one with the smaller id stays, or each would end in the
        other's old federation.
        """
        stays = caller.startswith(self._called) and caller < self._node_id
        if self._joins or (self._called and not stays):
            raise PeerRefused("this machine is approving another one just now", status=409)
        self._joins = True

    def end_joining(self) -> None:
        """It lives in the other's federation now, or could not."""
        self._joins = False

    async def _call(self, digits: str, met: Sighting, port: int, invitation: Invitation) -> str:
        return await approve(
            digits,
            met.addresses,
            port,
            node_id=self._node_id,
            secret=invitation.secret,
            past=invitation.past,
            door_addresses=invitation.addresses,
            door_port=invitation.port,
        )
