import os
import sys
from pathlib import Path

import psutil
import pytest

from hardware.detect import detect, snapshot_of
from hardware.probe import Host, Probe, ToolFailed, ToolMissing, free_bytes, run_tool, this_host
from tests.hardware.recorded import Machine, machines


def plain(root: Path, **data: object) -> Probe:
    return Machine("plain", data).probe(root)


def test_this_machine_is_described_whole() -> None:
    snapshot = detect(os.environ)
    assert 1 <= snapshot.usable_cores <= snapshot.physical_cores
    assert 0 < snapshot.memory_available_bytes <= snapshot.memory_total_bytes


def test_nothing_at_all_is_still_a_snapshot(tmp_path: Path) -> None:
    def lacking(command: object) -> str:
        raise ToolMissing("no tool is installed")

    def no_nvml() -> None:
        raise ToolFailed("no library")

    for system in ("Linux", "Darwin", "Windows", "Android", ""):
        probe = Probe({}, lacking, Host(system, ""), tmp_path, nvml=no_nvml)
        snapshot = snapshot_of(probe)
        assert snapshot.accelerators == ()
        assert snapshot.usable_cores == 1
        assert "the processor's name" in snapshot.unknowns


def test_a_group_above_limits_cores_and_memory(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/outer/inner\n",
        "sys/fs/cgroup/outer/cpu.max": "100000 100000\n",
        "sys/fs/cgroup/outer/memory.max": "1000000\n",
        "sys/fs/cgroup/outer/memory.current": "400000\n",
        "sys/fs/cgroup/outer/memory.stat": "inactive_file 100000\n",
        "sys/fs/cgroup/outer/inner/cpu.max": "max 100000\n",
    }
    snapshot = snapshot_of(plain(tmp_path, files=files))
    assert snapshot.usable_cores == 1
    assert snapshot.memory_total_bytes == 1_000_000
    assert snapshot.memory_available_bytes == 700_000


def test_the_first_version_of_control_groups_counts_too(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "2:memory:/\n1:cpu:/\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "2000000\n",
    }
    snapshot = snapshot_of(plain(tmp_path, files=files))
    assert snapshot.usable_cores == 1
    assert snapshot.memory_total_bytes == 2_000_000


def test_fast_cores_of_a_mixed_processor_are_counted_by_core_not_by_thread(tmp_path: Path) -> None:
    files = {"sys/devices/cpu_core/cpus": "0-3\n"} | {
        f"sys/devices/system/cpu/cpu{number}/topology/core_cpus_list": f"{number & ~1}-{number | 1}"
        for number in range(4)
    }
    assert snapshot_of(plain(tmp_path, files=files)).performance_cores == 2


def amd_cards(*, computing: int) -> dict[str, str]:
    """Three cards with 1000, 2000 and 3000 bytes; ROCm lists that many of them, the last first."""
    files = {"dev/kfd": "", "dev/dri/renderD128": ""}
    for number in range(3):
        card = f"sys/class/drm/card{number}/device"
        files |= {
            f"{card}/vendor": "0x1002\n",
            f"{card}/uevent": f"PCI_SLOT_NAME=0000:0{number}:00.0\n",
            f"{card}/mem_info_vram_total": f"{number + 1}000\n",
            f"{card}/mem_busy_percent": "0\n",
        }
        if number >= 3 - computing:
            node = f"sys/class/kfd/kfd/topology/nodes/{12 - number}/properties"
            unique = f"unique_id {0xABC0 + number}\n"
            files[node] = f"gfx_target_version 110000\nlocation_id {number << 8}\n{unique}"
    return files


ROCR, HIP, CUDA = "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"


@pytest.mark.parametrize(
    ("environ", "memory"),
    [
        ({}, [3000, 2000, 1000]),
        ({HIP: "1"}, [2000]),
        ({HIP: ""}, []),
        ({HIP: "-1"}, []),
        ({HIP: "1,7,0"}, [2000]),
        ({ROCR: "1"}, [2000]),
        ({ROCR: ""}, []),
        ({ROCR: "2, 0"}, [1000, 3000]),
        ({ROCR: "2,2,0"}, [1000]),
        ({ROCR: "gpu-000000000000ABC1,0"}, [2000, 3000]),
        ({ROCR: "1,2", HIP: "1"}, [1000]),
        ({ROCR: "1", HIP: "1"}, []),
        ({CUDA: "1"}, [2000]),
        ({CUDA: ""}, [3000, 2000, 1000]),
        ({CUDA: "1", HIP: "0"}, [3000]),
    ],
)
def test_lists_of_visible_devices_hide_amd_s_as_rocm_does(
    environ: dict[str, str], memory: list[int], tmp_path: Path
) -> None:
    snapshot = snapshot_of(plain(tmp_path, files=amd_cards(computing=3), environ=environ))
    assert [each.memory_total_bytes for each in snapshot.accelerators] == memory
    assert not [each for each in snapshot.unknowns if "VISIBLE" in each]


@pytest.mark.parametrize("name", [ROCR, HIP, CUDA])
@pytest.mark.parametrize("entry", ["GPU-dead", "GPU-", "first"])
def test_a_name_that_no_amd_device_has_is_told(name: str, entry: str, tmp_path: Path) -> None:
    environ = {name: f"0,{entry},1"}
    snapshot = snapshot_of(plain(tmp_path, files=amd_cards(computing=3), environ=environ))
    assert [each.memory_total_bytes for each in snapshot.accelerators] == [3000]
    means = f"which GPU {name}=0,{entry},1 means: ROCm stops at {entry}, which is none here"
    assert means in snapshot.unknowns


def test_a_device_that_rocm_does_not_list_is_neither_counted_nor_hidden(tmp_path: Path) -> None:
    probe = plain(tmp_path, files=amd_cards(computing=2), environ={ROCR: "1"})
    found = [(each.kind, each.memory_total_bytes) for each in snapshot_of(probe).accelerators]
    assert found == [("hip", 2000), ("vulkan", 1000)]


def test_what_only_rocminfo_tells_is_on_the_list_already(tmp_path: Path) -> None:
    wsl = next(machine for machine in machines() if machine.name == "amd-wsl")
    for environ, count in (({ROCR: "1"}, 1), ({ROCR: "1", HIP: "1"}, 0)):
        snapshot = snapshot_of(Machine("wsl", {**wsl.data, "environ": environ}).probe(tmp_path))
        assert len(snapshot.accelerators) == count


def test_an_amd_device_that_was_not_passed_in_is_named(tmp_path: Path) -> None:
    files = {
        "sys/class/drm/card0/device/vendor": "0x1002\n",
        "sys/class/drm/card0/device/uevent": "PCI_SLOT_NAME=0000:03:00.0\n",
        "sys/class/drm/card0/device/mem_info_vram_total": "1000\n",
    }
    snapshot = snapshot_of(plain(tmp_path, files=files))
    assert snapshot.accelerators == ()
    assert snapshot.others == ("AMD GPU 0000:03:00.0 (is not passed in: no /dev/kfd, no /dev/dri)",)


def test_a_device_without_a_driver_is_named(tmp_path: Path) -> None:
    listed = "\n".join(
        f"0{number}:00.0 VGA compatible controller: {name} (rev c8)"
        for number, name in enumerate(
            (
                "Advanced Micro Devices, Inc. [AMD/ATI] Navi 31 [Radeon RX 7900 XT]",
                "Intel Corporation DG2 [Arc A380]",
                "Matrox Electronics Systems Ltd. G200eR2",
            )
        )
    )
    snapshot = snapshot_of(plain(tmp_path, commands={"lspci": listed}))
    assert snapshot.others == (
        "AMD Radeon RX 7900 XT (its driver amdgpu is not loaded)",
        "Intel Arc A380 (has no driver)",
    )


def test_this_host_is_asked_of_psutil() -> None:
    host = this_host()
    assert host.logical_cores == psutil.cpu_count()
    assert host.memory_total_bytes == psutil.virtual_memory().total


def test_free_space_is_known_only_where_there_is_a_folder(tmp_path: Path) -> None:
    assert free_bytes(tmp_path)
    assert free_bytes(tmp_path / "nowhere") is None


def test_a_tool_that_fails_or_is_missing_says_so(tmp_path: Path) -> None:
    here = str(Path(sys.executable).parent)
    name = Path(sys.executable).name
    assert run_tool([name, "-c", "print('x')"], here).strip() == "x"
    with pytest.raises(ToolFailed, match="status 3"):
        run_tool([name, "-c", "raise SystemExit(3)"], here)
    with pytest.raises(ToolMissing, match="not installed"):
        run_tool(["rocminfo"], str(tmp_path))
