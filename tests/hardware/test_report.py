import json

from hardware.report import details, encode_json
from hardware.snapshot import GIB, Accelerator, Snapshot, Storage

MACHINE = Snapshot(
    platform="Linux x86_64",
    cpu_name="A CPU",
    physical_cores=24,
    usable_cores=6,
    features=frozenset({"avx2", "fma", "fpu", "mmx"}),
    memory_total_bytes=16 * GIB,
    memory_available_bytes=12 * GIB,
    accelerators=(
        Accelerator("cuda", "RTX", 12 * GIB, 11 * GIB, architecture="8.6", driver="580", cores=28),
    ),
    unknowns=("its age",),
    performance_cores=8,
    numa_nodes=2,
    on_battery=True,
    surroundings=("wsl", "container"),
    others=("an NPU (no engine here uses it)",),
    storage=(Storage("/home/a", 5 * GIB), Storage("/sdcard", None)),
)


def test_a_person_reads_all_of_it() -> None:
    assert details(MACHINE) == [
        "platform     Linux x86_64 (wsl, container)",
        "processor    A CPU",
        "cores        24 physical, 6 usable, 8 of them fast, 2 NUMA nodes",
        "memory       16.0 GiB, 12.0 GiB free",
        "instructions avx2 fma and 2 others",
        "power        battery",
        "accelerator  RTX (cuda), 12.0 GiB, 11.0 GiB free, architecture 8.6, 28 cores, driver 580",
        "not used     an NPU (no engine here uses it)",
        "storage      /home/a: 5.0 GiB free",
        "storage      /sdcard: unknown",
        "unknown      its age",
    ]


def test_a_program_reads_fields_by_their_names_in_bytes() -> None:
    told = json.loads(encode_json(MACHINE))
    assert told["features"] == ["avx2", "fma", "fpu", "mmx"]
    assert told["accelerators"][0]["memory_free_bytes"] == 11 * GIB
    assert told["storage"][1] == {"path": "/sdcard", "free_bytes": None}
