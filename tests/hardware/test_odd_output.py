"""Whatever a tool or file says, there is a snapshot: recorded outputs, damaged, and any text."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hardware import amd, apple, cgroup, cpu, pci, qualcomm
from hardware.detect import snapshot_of
from tests.hardware.recorded import Machine, machines


def damaged(text: str, cut: float, gap: float) -> str:
    """The text without what lies between two places, each a share of its length."""
    return text[: int(cut * len(text))] + text[int(gap * len(text)) :]


share = st.floats(0, 1)


@settings(max_examples=60, deadline=None)
@given(machine=st.sampled_from(machines()), cut=share, gap=share)
def test_a_damaged_recording_is_still_a_snapshot(machine: Machine, cut: float, gap: float) -> None:
    data: dict[str, Any] = dict(machine.data)
    for kind in ("commands", "files"):
        texts = data.get(kind, {})
        data[kind] = {name: damaged(text, cut, gap) for name, text in texts.items()}
    with tempfile.TemporaryDirectory() as root:
        snapshot = snapshot_of(Machine(machine.name, data).probe(Path(root)))
    assert 1 <= snapshot.usable_cores <= snapshot.physical_cores
    assert all(each.memory_total_bytes >= 0 for each in snapshot.accelerators)


@given(st.text())
def test_no_text_breaks_a_parser(text: str) -> None:
    cpu.parse_cpuinfo(text)
    cpu.parse_cpu_list(text)
    cgroup.parse_membership(text)
    cgroup.parse_cpu_max(text)
    cgroup.parse_memory_limit(text)
    pci.parse_lspci(text)
    amd.parse_rocminfo(text)
    amd.parse_node(text)
    amd.parse_card({"vendor": "0x1002", "uevent": text, "mem_info_vram_total": text})
    apple.accelerator(apple.parse_sysctl(text), apple.parse_gpu_cores(text))
    qualcomm.chip(qualcomm.parse_getprop(text), text, text)
