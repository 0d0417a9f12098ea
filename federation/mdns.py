"""What discovery needs of zeroconf beyond its front: every packet, the newest text, the sockets."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from zeroconf import (
    DNSRecord,  # pyright: ignore[reportPrivateImportUsage]  # older than __all__, and kept
    DNSText,  # pyright: ignore[reportPrivateImportUsage]
    RecordUpdate,
    RecordUpdateListener,
    Zeroconf,
)
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from hardware.interfaces import LanAddress

SERVICE = "_local-swarm._tcp.local."
_TXT, _IN = 16, 1


class Ear(RecordUpdateListener):
    """Hands on the records of every packet that are not taken back in it."""

    def __init__(self, heard: Callable[[list[DNSRecord]], None]) -> None:
        super().__init__()
        self._heard = heard

    def async_update_records(
        self,
        zc: Zeroconf,  # noqa: ARG002 - zeroconf's signature
        now: float,
        records: list[RecordUpdate],
    ) -> None:
        self._heard([update.new for update in records if not update.new.is_expired(now)])

    def async_update_records_complete(self) -> None:
        """Nothing waits for the end of a packet."""


def one_a_socket(addresses: Sequence[LanAddress]) -> list[LanAddress]:
    """One address an interface and IP version: more sockets would say everything twice."""
    first = {(known.interface, known.version): known for known in reversed(addresses)}
    return [known for known in first.values() if known.version == 4 or known.index]


def socket_choice(address: LanAddress) -> str | int:
    """How zeroconf is told of it: for IPv6 the interface's number.

    Two interfaces can share a link-local address, and the address alone would not tell.
    """
    return address.address if address.version == 4 else address.index


def newest_txt(info: AsyncServiceInfo, zeroconf: Zeroconf) -> Mapping[bytes, bytes | None]:
    """The TXT record that was said last.

    For a while zeroconf keeps the one that was replaced, and may prefer it.
    """
    cached = zeroconf.cache.get_all_by_details(info.name, _TXT, _IN)
    texts = [record for record in cached if isinstance(record, DNSText)]
    if not texts:
        return info.properties
    newest = max(texts, key=lambda record: record.get_expiration_time(100))
    return AsyncServiceInfo(SERVICE, info.name, properties=newest.text).properties


async def register(zeroconf: AsyncZeroconf, info: AsyncServiceInfo) -> asyncio.Future[None]:
    """Begin to announce; done when it was said three times.

    Nobody is asked whether the name is free, which takes a second: the node id makes it so.
    """
    begun = await zeroconf.async_register_service(info, cooperating_responders=True)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # zeroconf's Awaitable has no parameter
    return asyncio.ensure_future(begun)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


async def update(zeroconf: AsyncZeroconf, info: AsyncServiceInfo) -> asyncio.Future[None]:
    """Begin to announce something else under the same name; done when it was said three times."""
    begun = await zeroconf.async_update_service(info)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  # as above
    return asyncio.ensure_future(begun)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
