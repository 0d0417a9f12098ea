from typing import Any

import pytest

from hardware import nvidia
from tests.hardware.recorded import Nvml

GIB = 1024**3


def device(name: str, uuid: str, **more: Any) -> nvidia.Device:
    facts: dict[str, Any] = {"memory": (8 * GIB, 7 * GIB), "capability": "8.6"}
    return nvidia.Device(name=name, uuid=uuid, **(facts | more))


PARTS = (device("A100 MIG 1g.5gb", "MIG-1"), device("A100 MIG 2g.10gb", "MIG-2"))
TWO = nvidia.Reading("580", (device("RTX 3060", "GPU-a1"), device("H200", "GPU-b2")))
SPLIT = nvidia.Reading("580", (device("A100", "GPU-c3", parts=PARTS),))


def visible(reading: nvidia.Reading, **environ: str) -> list[str]:
    found = nvidia.accelerators(reading, environ, 64 * GIB)
    return [accelerator.name for accelerator in found.accelerators]


@pytest.mark.parametrize(
    ("setting", "names"),
    [
        ("1", ["H200"]),
        ("1,0", ["H200", "RTX 3060"]),
        ("7", []),
        ("", []),
        ("-1", []),
        ("0,-1,1", ["RTX 3060"]),
        ("GPU-b", ["H200"]),
        ("GPU-b2,GPU-a1", ["H200", "RTX 3060"]),
        ("GPU-none", []),
    ],
)
def test_cuda_visible_devices_names_devices_in_its_order(setting: str, names: list[str]) -> None:
    assert visible(TWO, CUDA_VISIBLE_DEVICES=setting) == names


def test_numbers_are_unclear_only_where_devices_differ_and_the_order_is_not_set() -> None:
    environ = {"CUDA_VISIBLE_DEVICES": "0"}
    assert nvidia.accelerators(TWO, environ, 0).unknowns
    assert not nvidia.accelerators(TWO, environ | {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, 0).unknowns
    alike = nvidia.Reading("580", (TWO.devices[0], TWO.devices[0]))
    assert not nvidia.accelerators(alike, environ, 0).unknowns


def test_a_process_gets_the_first_part_of_a_split_gpu_or_the_named_one() -> None:
    assert visible(SPLIT) == ["A100 MIG 1g.5gb"]
    assert visible(SPLIT, CUDA_VISIBLE_DEVICES="MIG-2") == ["A100 MIG 2g.10gb"]
    assert visible(nvidia.Reading("580", (*SPLIT.devices, *TWO.devices))) == ["RTX 3060", "H200"]


def test_a_split_gpu_without_parts_says_so() -> None:
    empty = nvidia.Reading("580", (device("A100", "GPU-c3", parts=()),))
    assert nvidia.accelerators(empty, {}, 0).others == ("A100 (MIG is on, and has no part)",)


def test_a_device_without_memory_of_its_own_shares_the_machines() -> None:
    spark = nvidia.Reading("580", (device("GB10", "GPU-d4", memory=None),))
    (accelerator,) = nvidia.accelerators(spark, {}, 120 * GIB).accelerators
    assert accelerator.unified
    assert accelerator.memory_total_bytes == 120 * GIB


def test_the_library_is_closed_and_its_refusal_is_told() -> None:
    library = Nvml({"driver": "580", "devices": []})
    assert nvidia.read(library).devices == ()
    assert library.closed
    with pytest.raises(nvidia.NvmlFailed, match="version mismatch"):
        nvidia.read(Nvml({"error": "Driver/library version mismatch"}))


def test_the_real_binding_has_what_is_asked_of_it() -> None:
    import pynvml

    asked = [name for name in vars(Nvml) if name.startswith(("nvml", "NVML"))]
    assert len(asked) > 10
    assert all(hasattr(pynvml, name) for name in asked)
