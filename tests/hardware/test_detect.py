import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from hardware.detect import Probe, Runner, ToolFailed, detect, run_tool, snapshot_of


def lacking(command: Sequence[str]) -> str:
    raise ToolFailed(f"{command[0]} is not installed")


def saying(text: str) -> Runner:
    return lambda command: text


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def _seconds_to_detect() -> float:
    started = time.perf_counter()
    detect(os.environ)
    return time.perf_counter() - started


def test_this_machine_is_described_quickly_and_whole() -> None:
    seconds = min(_seconds_to_detect() for _ in range(3))
    assert seconds < 0.5
    snapshot = detect(os.environ)
    assert 1 <= snapshot.usable_cores <= snapshot.physical_cores
    assert 0 < snapshot.memory_available_bytes <= snapshot.memory_total_bytes


def test_nothing_at_all_is_still_a_snapshot(tmp_path: Path) -> None:
    snapshot = snapshot_of(Probe({}, lacking, tmp_path, "Linux"))
    assert snapshot.accelerators == ()
    assert snapshot.features == frozenset()
    assert "the processor's name" in snapshot.unknowns
    assert "the processor's instruction sets" in snapshot.unknowns


def test_a_group_above_limits_cores_and_memory(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "0::/outer/inner\n",
            "sys/fs/cgroup/outer/cpu.max": "100000 100000\n",
            "sys/fs/cgroup/outer/memory.max": "1000000\n",
            "sys/fs/cgroup/outer/memory.current": "400000\n",
            "sys/fs/cgroup/outer/memory.stat": "inactive_file 100000\n",
            "sys/fs/cgroup/outer/inner/cpu.max": "max 100000\n",
        },
    )
    snapshot = snapshot_of(Probe({}, lacking, root, "Linux"))
    assert snapshot.usable_cores == 1
    assert snapshot.memory_total_bytes == 1_000_000
    assert snapshot.memory_available_bytes == 700_000


def test_the_first_version_of_control_groups_counts_too(tmp_path: Path) -> None:
    root = write(
        tmp_path,
        {
            "proc/self/cgroup": "2:memory:/\n1:cpu:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "2000000\n",
        },
    )
    snapshot = snapshot_of(Probe({}, lacking, root, "Linux"))
    assert snapshot.usable_cores == 1
    assert snapshot.memory_total_bytes == 2_000_000


def test_nvidia_devices_are_accelerators_unless_hidden(tmp_path: Path) -> None:
    run = saying("NVIDIA H200, 143771, 143200\n")
    shown = snapshot_of(Probe({}, run, tmp_path, "Linux"))
    hidden = snapshot_of(Probe({"CUDA_VISIBLE_DEVICES": ""}, run, tmp_path, "Linux"))
    assert [device.name for device in shown.accelerators] == ["NVIDIA H200"]
    assert hidden.accelerators == ()


def test_a_driver_without_its_tool_is_an_unknown(tmp_path: Path) -> None:
    root = write(tmp_path, {"proc/driver/nvidia/version": "NVRM version: 580\n"})
    snapshot = snapshot_of(Probe({}, lacking, root, "Linux"))
    assert any("nvidia-smi is not installed" in unknown for unknown in snapshot.unknowns)


def test_an_apple_machine_is_asked_through_sysctl(tmp_path: Path) -> None:
    text = (
        "hw.memsize: 8\nhw.optional.arm64: 1\nhw.optional.neon: 1\n"
        "machdep.cpu.brand_string: Apple M2\n"
    )
    snapshot = snapshot_of(Probe({}, saying(text), tmp_path, "Darwin"))
    assert snapshot.cpu_name == "Apple M2"
    assert [device.kind for device in snapshot.accelerators] == ["metal"]
    silent = snapshot_of(Probe({}, lacking, tmp_path, "Darwin"))
    assert "sysctl is not installed" in silent.unknowns


def test_windows_tells_no_features_elsewhere(tmp_path: Path) -> None:
    assert snapshot_of(Probe({}, lacking, tmp_path, "Windows")).features == frozenset()


def test_cores_are_never_more_than_the_affinity_allows(tmp_path: Path) -> None:
    allowed = psutil.Process().cpu_affinity() if hasattr(psutil.Process, "cpu_affinity") else []
    if allowed:
        assert snapshot_of(Probe({}, lacking, tmp_path, "Linux")).usable_cores <= len(allowed)


def test_a_tool_that_fails_or_is_missing_says_so(tmp_path: Path) -> None:
    here = str(Path(sys.executable).parent)
    name = Path(sys.executable).name
    assert run_tool([name, "-c", "print('x')"], here).strip() == "x"
    with pytest.raises(ToolFailed, match="status 3"):
        run_tool([name, "-c", "raise SystemExit(3)"], here)
    with pytest.raises(ToolFailed, match="not installed"):
        run_tool(["nvidia-smi"], str(tmp_path))
