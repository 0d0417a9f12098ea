from hardware.snapshot import GIB, Accelerator, Snapshot, summary


def snapshot(**changes: object) -> Snapshot:
    facts: dict[str, object] = {
        "platform": "Linux x86_64",
        "cpu_name": "A CPU",
        "physical_cores": 8,
        "usable_cores": 8,
        "features": frozenset({"avx2"}),
        "memory_total_bytes": 16 * GIB,
        "memory_available_bytes": 12 * GIB,
    }
    return Snapshot(**(facts | changes))  # type: ignore[arg-type]


def test_a_plain_machine_takes_two_lines() -> None:
    assert summary(snapshot()) == [
        "A CPU (8 cores), 16.0 GiB memory, 12.0 GiB free",
        "no accelerator",
    ]


def test_a_container_is_told_apart() -> None:
    assert "(2 of 8 cores)" in summary(snapshot(usable_cores=2))[0]


def test_each_accelerator_has_a_line() -> None:
    lines = summary(
        snapshot(
            accelerators=(
                Accelerator("cuda", "RTX", 12 * GIB, 11 * GIB),
                Accelerator("cuda", "Old", 2 * GIB),
                Accelerator("metal", "M2", 16 * GIB, unified=True),
            )
        )
    )
    assert lines[1:] == [
        "RTX (cuda), 12.0 GiB, 11.0 GiB free",
        "Old (cuda), 2.0 GiB",
        "M2 (metal), shares the machine's memory",
    ]


def test_a_limit_on_shared_memory_is_said() -> None:
    metal = Accelerator("metal", "M2", 16 * GIB, unified=True, memory_limit_bytes=10 * GIB)
    assert summary(snapshot(accelerators=(metal,)))[1].endswith("memory, up to 10.0 GiB")


def test_vulkan_runs_on_everything_but_metal() -> None:
    kinds = ("cuda", "hip", "vulkan", "metal")
    devices = {kind: Accelerator(kind, "x", GIB) for kind in kinds}
    assert [kind for kind in kinds if devices[kind].runs_on("vulkan")] == ["cuda", "hip", "vulkan"]
    assert [kind for kind in kinds if devices[kind].runs_on("cuda")] == ["cuda"]
    assert not any(device.runs_on("cpu") for device in devices.values())


def test_what_is_not_used_is_said() -> None:
    assert summary(snapshot(others=("an NPU",)))[-1] == "not used: an NPU"


def test_what_is_unknown_is_said() -> None:
    assert summary(snapshot(unknowns=("its name",)))[-1] == "unknown: its name"
