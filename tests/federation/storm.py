"""Announcements of machines that are not there, on loopback's multicast."""

import asyncio
import socket

from zeroconf import Zeroconf
from zeroconf.asyncio import AsyncServiceInfo

from federation.advertisement import encode_txt, instance_name
from federation.mdns import SERVICE
from tests.federation.sightings import advertisement, node_id

GROUP = ("224.0.0.251", 5353)


def packet(
    zeroconf: Zeroconf, number: int, txt: dict[bytes, bytes] | None = None, name: str = ""
) -> bytes:
    """What one invented machine would say."""
    name = name or instance_name("storm", node_id(number))
    info = AsyncServiceInfo(
        SERVICE,
        f"{name}.{SERVICE}",
        port=17617,
        properties=encode_txt(advertisement(number)) if txt is None else txt,
        server=f"{name}.local.",
        parsed_addresses=[f"10.{number // 65536 % 256}.{number // 256 % 256}.{number % 256}"],
    )
    (data,) = zeroconf.generate_service_broadcast(info, None).packets()
    return data


async def send(packets: list[bytes], *, pause_s: float = 0.0, at_once: int = 50) -> None:
    """Send them from a port of their own, that many between two turns of the event loop."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        sender.setblocking(False)
        for start in range(0, len(packets), at_once):
            for data in packets[start : start + at_once]:
                sender.sendto(data, GROUP)
            await asyncio.sleep(pause_s)
