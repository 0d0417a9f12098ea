"""How much memory models may take, on machines whose devices share it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hardware.detect import snapshot_of
from hardware.snapshot import Snapshot, summary
from swarm.models.catalogue import load_catalogue
from swarm.models.choose import Better, best_to_bring
from swarm.models.machine import Known, Machine
from swarm.models.room import room_for
from tests.hardware.recorded import Machine as Recorded
from tests.hardware.recorded import machines

GIB = 1 << 30
CARD = "sys/class/drm/card0/device"


def recorded(name: str, folder: Path, **changed: Any) -> Snapshot:
    """A recorded machine of which some parts are changed."""
    data = dict(next(each.data for each in machines() if each.name == name))
    for part, changes in changed.items():
        data[part] = data[part] | changes
    return snapshot_of(Recorded(name, data).probe(folder))


def an_apu(folder: Path, *, memory_gib: int, set_aside_mib: int, mapped_gib: int) -> Snapshot:
    """Linux sees `memory_gib`; firmware has set some aside; the driver may map more."""
    return recorded(
        "amd-890m-sysfs",
        folder,
        host={
            "memory_total_bytes": memory_gib * GIB,
            "memory_available_bytes": (memory_gib - 3) * GIB,
        },
        files={
            f"{CARD}/mem_info_vram_total": f"{set_aside_mib << 20}\n",
            f"{CARD}/mem_info_vram_used": f"{256 << 20}\n",
            f"{CARD}/mem_info_gtt_total": f"{mapped_gib * GIB}\n",
        },
    )


def brought(snapshot: Snapshot, kind: str) -> Better:
    better = best_to_bring(Known((), load_catalogue()), Machine(snapshot, kind))
    assert better
    return better


def test_metal_takes_no_more_than_the_owner_lets_it_wire(tmp_path: Path) -> None:
    sysctl = next(m for m in machines() if m.name == "apple-owners-limit").data["commands"]
    limited = sysctl["sysctl"].replace("114688", "32768")
    mac = recorded("apple-owners-limit", tmp_path, commands={"sysctl": limited})
    assert "up to 32.0 GiB" in summary(mac)[1]
    assert room_for(mac, "metal").host_bytes == 32 * GIB
    assert brought(mac, "metal").plan.host.total_bytes <= 32 * GIB
    assert room_for(mac, "cpu").host_bytes > 64 * GIB


@pytest.mark.parametrize("kind", ["hip", "vulkan"])
def test_an_integrated_gpu_takes_no_more_than_its_driver_maps(tmp_path: Path, kind: str) -> None:
    apu = an_apu(tmp_path, memory_gib=62, set_aside_mib=512, mapped_gib=31)
    room = room_for(apu, kind)
    assert (room.unified, room.host_bytes) == (True, 31 * GIB)
    assert "up to 31.0 GiB" in summary(apu)[1]


@pytest.mark.parametrize("kind", ["hip", "vulkan"])
def test_what_firmware_has_set_aside_is_memory_of_the_device(tmp_path: Path, kind: str) -> None:
    apu = an_apu(tmp_path, memory_gib=31, set_aside_mib=96 << 10, mapped_gib=15)
    room = room_for(apu, kind)
    assert not room.unified
    assert 95 * GIB < room.devices[0] < 96 * GIB
    assert room.host_bytes < 20 * GIB
    plan = brought(apu, kind).plan
    assert plan.offloaded
    assert plan.device_bytes + plan.host.total_bytes > 16 * GIB
    read_bytes = plan.model.size_bytes * plan.model.active_share
    assert plan.tokens_per_s[1] * read_bytes == pytest.approx(100e9)
    assert "96.0 GiB of the machine's memory set aside, 95.8 GiB free" in summary(apu)[1]


def test_beside_a_card_what_is_set_aside_for_an_integrated_gpu_gets_no_layers(
    tmp_path: Path,
) -> None:
    """As llama.cpp takes integrated devices only where there are no others."""
    apu = an_apu(tmp_path, memory_gib=31, set_aside_mib=16 << 10, mapped_gib=8)
    both = recorded("amd-polaris-sysfs", tmp_path / "card")
    one = both.accelerators[0]
    room = room_for(replace(apu, accelerators=(*apu.accelerators, one)), "vulkan")
    assert room.accelerators == (one,)
