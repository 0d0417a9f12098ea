"""Every machine of machines/: its snapshot is what stands beside what its probes said."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from hardware.detect import snapshot_of
from hardware.report import as_json, details
from hardware.snapshot import Accelerator, Snapshot, summary
from tests.hardware.recorded import Machine, machines

ALL = machines()
every_machine = pytest.mark.parametrize("machine", ALL, ids=[machine.name for machine in ALL])


@every_machine
def test_its_accelerators_are_these_and_no_others(machine: Machine, tmp_path: Path) -> None:
    expected = tuple(Accelerator(**facts) for facts in machine.expected.get("accelerators", ()))
    assert snapshot_of(machine.probe(tmp_path)).accelerators == expected


@every_machine
def test_what_is_not_used_and_what_is_unknown_is_named(machine: Machine, tmp_path: Path) -> None:
    snapshot = snapshot_of(machine.probe(tmp_path))
    assert list(snapshot.others) == machine.expected.get("others", [])
    assert list(snapshot.unknowns) == machine.expected.get("unknowns", [])


@every_machine
def test_the_rest_is_as_expected(machine: Machine, tmp_path: Path) -> None:
    snapshot = snapshot_of(machine.probe(tmp_path))
    for name, value in machine.expected.items():
        if name not in ("accelerators", "others", "unknowns", "lacks"):
            assert told(snapshot, name) == value, name
    assert not snapshot.features & set(machine.expected.get("lacks", ()))


@every_machine
def test_it_can_be_told_to_a_person_and_to_a_program(machine: Machine, tmp_path: Path) -> None:
    snapshot = snapshot_of(machine.probe(tmp_path))
    assert snapshot.cpu_name in summary(snapshot)[0]
    assert snapshot.cpu_name in "\n".join(details(snapshot))
    assert len(as_json(snapshot)) == len(asdict(snapshot))


@every_machine
def test_its_source_is_named(machine: Machine) -> None:
    by_hand = machine.data["source"].startswith("made by hand")
    assert machine.data["recorded"] == "no" if by_hand else machine.data["recorded"] != "no"
    assert machine.data["recorded"] != "partly" or machine.data["note"]
    assert machine.data["engine"] in ("cpu", "cuda", "metal", "hip", "vulkan")


def test_each_vendor_has_at_least_four_recorded_machines() -> None:
    families = {"android": "qualcomm"}
    count = Counter(
        families.get(prefix := machine.name.partition("-")[0], prefix)
        for machine in ALL
        if machine.data["recorded"] != "no"
    )
    assert min(count[name] for name in ("nvidia", "apple", "amd", "intel", "qualcomm", "cpu")) >= 4


def told(snapshot: Snapshot, name: str) -> Any:
    """A field in the form in which a file holds it."""
    value = getattr(snapshot, name)
    if name == "storage":
        return [place.path for place in value]
    if name == "features":
        return sorted(value)
    return list(value) if isinstance(value, tuple) else value
