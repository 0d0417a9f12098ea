"""A PIN tried at the machine that shows it; of two that approve each other at once, one joins."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from federation.pairing import approve
from federation.sightings import Sighting
from swarm.errors import PeerRefused


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a machine is handed that is approved: the secret, those of the past, and where this
    node serves peers.
    """

    secret: bytes = field(repr=False)
    past: tuple[bytes, ...] = field(repr=False)
    addresses: tuple[str, ...]
    port: int


_NAMED = 8
"""A line names at most this many machines: anybody can announce some."""


class Approvals:
    """The pairing calls of one node, one at a time, and none while it joins others itself."""

    def __init__(self, node_id: str) -> None:
        self._node_id = node_id
        self._called = ""
        self._joins = False

    async def approve(
        self,
        digits: str,
        met: Sighting,
        invitation: Invitation,
        *,
        joined: Callable[[str], Awaitable[None]],
    ) -> str:
        """Try the PIN at the machine that shows it; its name.

        `joined` is awaited with its node id before another call may come. Raises PeerError.
        """
        if self._called or self._joins:
            raise PeerRefused("another machine is joining just now; try again", status=409)
        if met.advertisement is None:
            raise PeerRefused(f"{met.name} shows no PIN", status=404)
        self._called = met.advertisement.node
        try:
            await joined(await self._call(digits, met, met.advertisement.pairing, invitation))
        finally:
            self._called = ""
        return met.name

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


def meant(doors: Sequence[Sighting], machine: str) -> Sighting:
    """Of the machines that show a PIN the one whose name begins so.

    One is called and no other: a call spends a try of the PIN there, and lets whoever answers
    guess once at the one that was typed. Raises PeerRefused where it is not clear which.
    """
    able = [met for met in doors if met.name.startswith(machine)]
    if len(able) == 1:
        return able[0]
    names = ", ".join(sorted(met.name for met in doors)[:_NAMED])
    if not doors:
        why = "no machine that shows a PIN is seen on this network"
    elif not able:
        why = f"no machine named {machine} shows a PIN on this network; there is {names}"
    else:
        why = f"several machines show a PIN: type whose it is behind it; there is {names}"
    raise PeerRefused(why, status=409 if able else 404)
