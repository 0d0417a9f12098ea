"""A process that does nothing but discover: `discoverer.py HOST NUMBER`, a line of JSON an event.

It looks at its interfaces twice a second, as a node does, and ends with a goodbye on SIGTERM.
"""

import asyncio
import json
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from federation.advertisement import instance_name
from federation.discovery import Discovery
from federation.sightings import Sighting
from hardware.interfaces import lan_addresses, read_interfaces
from tests.federation.sightings import advertisement, node_id


async def main(host: str, number: int) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with Discovery(
        instance_name(host, node_id(number)),
        advertisement(number),
        lan_addresses(read_interfaces()),
        on_sighting=_sighted,
        on_gone=lambda name: _say(gone=name),
    ) as discovery:
        while not ended.is_set():
            await discovery.move(lan_addresses(read_interfaces()))
            state = discovery.state()
            _say(
                open=state.is_open, others=state.heard_others_s is not None, error=state.last_error
            )
            try:
                async with asyncio.timeout(0.5):
                    await ended.wait()
            except TimeoutError:
                continue


def _sighted(sighting: Sighting) -> None:
    _say(seen=sighting.name, addresses=sighting.addresses, problem=sighting.problem)


def _say(**event: object) -> None:
    print(json.dumps({"at_s": time.monotonic(), **event}), flush=True)


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
