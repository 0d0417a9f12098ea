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


def test_what_is_unknown_is_said() -> None:
    assert summary(snapshot(unknowns=("its name",)))[-1] == "unknown: its name"
