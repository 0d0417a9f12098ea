"""Machines as data: each file of machines/ is what one machine's probes said, and what follows."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hardware.probe import Host, Probe, ToolFailed, ToolMissing

MACHINES = Path(__file__).parent / "machines"

# What a file leaves out: a plain machine.
PLAIN_HOST: dict[str, Any] = {
    "system": "Linux",
    "machine": "x86_64",
    "physical_cores": 8,
    "logical_cores": 8,
    "memory_total_bytes": 16 << 30,
    "memory_available_bytes": 12 << 30,
}
PLAIN_CPUINFO = "processor\t: 0\nmodel name\t: A processor\nflags\t\t: sse4_2 avx avx2\n"


@dataclass(frozen=True)
class Machine:
    name: str
    data: Mapping[str, Any]

    @property
    def expected(self) -> Mapping[str, Any]:
        return self.data.get("expected", {})

    def probe(self, root: Path) -> Probe:
        """A probe that answers as this machine did; its files are written below `root`."""
        host = PLAIN_HOST | self.data.get("host", {})
        features = frozenset(host.pop("windows_features", ()))
        files = dict(self.data.get("files", {}))
        if (host["system"], host["machine"]) == ("Linux", "x86_64"):
            files.setdefault("proc/cpuinfo", PLAIN_CPUINFO)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        return Probe(
            self.data.get("environ", {}),
            self._run,
            Host(windows_features=features, **host),
            root,
            nvml=lambda: nvml(self.data.get("nvml", {"error": "NVML Shared Library Not Found"})),
            free_bytes=lambda folder: 1,
        )

    def _run(self, command: Sequence[str]) -> str:
        failure = self.data.get("fails", {}).get(command[0])
        if failure and not failure.endswith("is not installed"):
            raise ToolFailed(failure)
        if command[0] in self.data.get("commands", {}):
            return self.data["commands"][command[0]]
        raise ToolMissing(f"{command[0]} is not installed")


def machines() -> list[Machine]:
    files = sorted(MACHINES.glob("*.toml"))
    return [Machine(file.stem, tomllib.loads(file.read_text("utf-8"))) for file in files]


class NvmlError(Exception):
    pass


class Nvml:
    """NVIDIA's library as its Python binding shows it, on a machine that was written down."""

    NVMLError = NvmlError
    NVML_DEVICE_MIG_ENABLE = 1

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self.closed = False

    def nvmlInit(self) -> None:  # noqa: N802
        if "error" in self._data:
            raise NvmlError(self._data["error"])

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.closed = True

    def nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return self._data["driver"]

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self._data["devices"])

    def nvmlDeviceGetHandleByIndex(self, number: int) -> Any:  # noqa: N802
        device = self._data["devices"][number]
        if device.get("lost"):
            raise NvmlError("GPU is lost")
        return device

    def nvmlDeviceGetName(self, device: Any) -> str:  # noqa: N802
        return _given(device, "name")

    def nvmlDeviceGetUUID(self, device: Any) -> str:  # noqa: N802
        return _given(device, "uuid")

    def nvmlDeviceGetMemoryInfo(self, device: Any) -> SimpleNamespace:  # noqa: N802
        total, free = _given(device, "total_mib"), _given(device, "free_mib")
        return SimpleNamespace(total=total << 20, free=free << 20, used=(total - free) << 20)

    def nvmlDeviceGetCudaComputeCapability(self, device: Any) -> tuple[int, int]:  # noqa: N802
        return tuple(_given(device, "capability"))

    def nvmlDeviceGetMigMode(self, device: Any) -> list[int]:  # noqa: N802
        _given(device, "parts")
        return [1, 1]

    def nvmlDeviceGetMaxMigDeviceCount(self, device: Any) -> int:  # noqa: N802
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, device: Any, number: int) -> Any:  # noqa: N802
        if number >= len(device["parts"]):
            raise NvmlError("Not Found")
        return device["parts"][number]


def nvml(data: Mapping[str, Any]) -> Nvml:
    return Nvml(data)


def _given(device: Mapping[str, Any], name: str) -> Any:
    if name not in device:
        raise NvmlError("Not Supported")
    return device[name]
