"""What speed is expected of a model, by where its weights are read from."""

from dataclasses import replace
from pathlib import Path

import pytest

from hardware.snapshot import Accelerator
from swarm.models.catalogue import load_catalogue
from swarm.models.choose import best_to_bring
from swarm.models.machine import Known, Machine
from swarm.models.speed import expected_tokens_per_s
from tests.swarm.models.test_room import recorded

GIB = 1 << 30


def read_by(device: Accelerator, cores: int) -> tuple[float, float]:
    """Gigabytes a second, where all of a model lies on this device."""
    return expected_tokens_per_s(1e9, [device], 1, cores)


def test_an_integrated_gpu_is_not_given_what_a_card_would_run_well(tmp_path: Path) -> None:
    laptop = replace(
        recorded("intel-hd620-laptop", tmp_path),
        memory_total_bytes=31 * GIB,
        memory_available_bytes=28 * GIB,
    )
    better = best_to_bring(Known((), load_catalogue()), Machine(laptop, "vulkan"))
    assert better
    size = better.plan.model.size_bytes
    assert size < 4 * GIB
    assert better.plan.tokens_per_s[1] <= 100e9 / size


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("intel-hd620-laptop", 5, 40),
        ("amd-890m-sysfs", 15, 120),
        ("android-oneplus9pro", 15, 120),
        ("amd-strix-halo", 100, 280),
        ("nvidia-gb10-unified", 100, 280),
        ("apple-m4-max", 60, 550),
        ("amd-polaris-sysfs", 60, 600),
    ],
)
def test_a_device_reads_as_fast_as_the_memory_that_it_has(
    tmp_path: Path, name: str, least: float, most: float
) -> None:
    machine = recorded(name, tmp_path)
    slow, fast = read_by(machine.accelerators[0], machine.usable_cores)
    assert least <= slow < fast <= most


def test_memory_that_is_shared_is_as_fast_for_the_device_as_for_the_processor() -> None:
    inside = Accelerator("vulkan", "Graphics", 16 * GIB, unified=True)
    assert read_by(inside, 8) == expected_tokens_per_s(1e9, [], 0, 8)
