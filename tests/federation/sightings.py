"""Sightings, node ids and a status for the tests of this room."""

import hashlib

from federation.advertisement import Advertisement, instance_name
from federation.sightings import Sighting
from federation.wire import Status
from swarm.proposer import Offer

OURS = "0123456789abcdef"
THEIRS = "fedcba9876543210"


def node_id(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


STATUS = Status(
    version="1",
    node=node_id(1),
    name="kitchen",
    epoch=1,
    clock_s=1.0,
    port=17617,
    models=(Offer("nano", 3, 8, 8, default=True),),
)


def advertisement(
    number: int, *, federation: str = OURS, port: int = 17617, pairing: int = 0
) -> Advertisement:
    return Advertisement.of(node_id(number), federation, port=port, pairing=pairing)


def sighting(number: int, *addresses: str, federation: str = OURS, port: int = 17617) -> Sighting:
    return Sighting(
        name=instance_name("kitchen", node_id(number)),
        addresses=addresses or (f"10.0.{number // 256 % 256}.{number % 256}",),
        port=port,
        advertisement=advertisement(number, federation=federation, port=port),
    )
