"""AMD's graphics, discrete and integrated, from the kernel's files and from `rocminfo`.

The kernel tells memory exactly; `rocminfo` tells names, and is all that there is inside WSL.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from hardware.pci import Graphics
from hardware.probe import Probe, ToolFailed, ToolMissing
from hardware.snapshot import Accelerator, Found

COMMAND = ("rocminfo",)

_VENDOR = "0x1002"
_DRM = "sys/class/drm"
_CARDS_ALONE = ("mem_busy_percent", "pcie_bw")
"""The driver makes neither for an APU, and one of them for any other (amdgpu_pm.c)."""

_NODES = "sys/class/kfd/kfd/topology/nodes"


@dataclass(frozen=True, slots=True)
class Agent:
    """A GPU as ROCm sees it: `slot` is its PCI address, None where it is not told."""

    name: str
    architecture: str
    memory_bytes: int
    compute_units: int | None
    slot: str | None
    integrated: bool


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU as its driver describes it in files; bytes."""

    slot: str
    vram_total: int
    vram_used: int | None
    gtt_total: int
    integrated: bool


def find(probe: Probe, graphics: Iterable[Graphics]) -> Found:
    """AMD's devices on this machine; `graphics` gives names to those without ROCm."""
    listed = {device.slot: device for device in graphics if device.vendor == "AMD"}
    cards = [card for name in probe.names(_DRM) if (card := _card(probe, name)) is not None]
    agents, failures = _agents(probe)
    nodes = dict(_nodes(probe))
    by_slot = {agent.slot: agent for agent in agents if agent.slot}
    found = [
        _accelerator(card, by_slot.get(card.slot), nodes.get(card.slot), listed.get(card.slot))
        for card in cards
    ]
    known = {card.slot for card in cards}
    found += [_from_agent(agent, probe) for agent in agents if agent.slot not in known]
    if found and not _reachable(probe):
        return Found(
            others=tuple(
                f"{one.name} (is not passed in: no /dev/kfd, no /dev/dri)" for one in found
            )
        )
    others = [] if cards else failures
    others += [
        f"{device.name} (its driver amdgpu is not loaded)"
        for slot, device in listed.items()
        if slot not in known and not agents
    ]
    return Found(_visible(found, probe.environ), others=tuple(others))


def parse_rocminfo(text: str) -> list[Agent]:
    """The GPUs in COMMAND's output, each with its largest pool of memory."""
    blocks = re.split(r"^\*+\s*\nAgent \d+\s*\n\*+\s*$", text, flags=re.MULTILINE)[1:]
    agents = (_parse_agent(block) for block in blocks)
    return [agent for agent in agents if agent is not None]


def parse_card(files: Mapping[str, str]) -> Card | None:
    """A card from the texts of its device folder; None if it is not AMD's or tells no memory."""
    slot = re.search(r"^PCI_SLOT_NAME=(\S+)$", files.get("uevent", ""), re.MULTILINE)
    total = _number(files.get("mem_info_vram_total", ""))
    if files.get("vendor", "").strip() != _VENDOR or slot is None or total is None:
        return None
    return Card(
        slot=slot[1],
        vram_total=total,
        vram_used=_number(files.get("mem_info_vram_used", "")),
        gtt_total=_number(files.get("mem_info_gtt_total", "")) or 0,
        integrated=not any(file in files for file in _CARDS_ALONE),
    )


def parse_node(text: str) -> tuple[str, str, int | None] | None:
    """Slot, architecture and compute units of a GPU in KFD's properties; None for a processor."""
    pairs = (line.partition(" ") for line in text.splitlines())
    values = {name: int(value) for name, _, value in pairs if value.strip().isdecimal()}
    version, location = values.get("gfx_target_version", 0), values.get("location_id")
    if not version or location is None:
        return None
    simds, per_unit = values.get("simd_count", 0), values.get("simd_per_cu", 0)
    architecture = f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"
    slot = _slot(location, values.get("domain", 0))
    return slot, architecture, simds // per_unit if per_unit else None


def _parse_agent(block: str) -> Agent | None:
    fields = {
        name.strip(): value.strip()
        for name, separator, value in (line.partition(":") for line in block.splitlines())
        if separator and not value.isspace()
    }
    name = re.search(r"^\s*Name:\s+(\S+)", block, re.MULTILINE)
    if fields.get("Device Type") != "GPU" or name is None:
        return None
    pools = re.findall(r"Segment:\s+GLOBAL.*\n\s*Size:\s+(\d+)\(", block)
    location = _number(fields.get("BDFID", ""))
    return Agent(
        name=fields.get("Marketing Name") or name[1],
        architecture=name[1],
        memory_bytes=max((int(size) for size in pools), default=0) << 10,
        compute_units=_number(fields.get("Compute Unit", "")),
        slot=None if location is None else _slot(location, 0),
        integrated="APU" in fields.get("Memory Properties", ""),
    )


def _card(probe: Probe, name: str) -> Card | None:
    if not re.fullmatch(r"card\d+", name):
        return None
    texts = ("vendor", "uevent", "mem_info_vram_total", "mem_info_vram_used", "mem_info_gtt_total")
    folder = f"{_DRM}/{name}/device"
    files = {file: probe.read(f"{folder}/{file}") for file in texts}
    # A card that sleeps does not let them be read.
    files |= {file: "there" for file in _CARDS_ALONE if probe.exists(f"{folder}/{file}")}
    return parse_card(files)


def _agents(probe: Probe) -> tuple[list[Agent], list[str]]:
    """What ROCm says, where its kernel part is here, or how it failed."""
    if not (probe.exists("dev/kfd") or probe.exists("dev/dxg")):
        return [], []
    try:
        return parse_rocminfo(probe.run(COMMAND)), []
    except ToolMissing:  # the kernel's files say all but the names
        return [], []
    except ToolFailed as error:
        return [], [f"an AMD GPU ({error})"]


def _nodes(probe: Probe) -> Iterator[tuple[str, tuple[str, int | None]]]:
    for number in probe.names(_NODES):
        node = parse_node(probe.read(f"{_NODES}/{number}/properties"))
        if node is not None:
            yield node[0], node[1:]


def _accelerator(
    card: Card,
    agent: Agent | None,
    node: tuple[str, int | None] | None,
    listed: Graphics | None,
) -> Accelerator:
    """A card with all that is known; one that the compute driver does not list is Vulkan's."""
    architecture, units = (
        (agent.architecture, agent.compute_units) if agent else node or (None, None)
    )
    free = None if card.vram_used is None else max(0, card.vram_total - card.vram_used)
    name = (
        agent.name if agent else listed.name if listed else f"AMD GPU {architecture or card.slot}"
    )
    if not card.integrated:
        return Accelerator(
            "hip" if architecture else "vulkan", name, card.vram_total, free,
            architecture=architecture, cores=units, driver="amdgpu",
        )  # fmt: skip
    return Accelerator(
        "hip" if architecture else "vulkan", name, card.vram_total + card.gtt_total,
        unified=True, architecture=architecture, cores=units, driver="amdgpu",
    )  # fmt: skip


def _from_agent(agent: Agent, probe: Probe) -> Accelerator:
    total = probe.host.memory_total_bytes if agent.integrated else agent.memory_bytes
    return Accelerator(
        "hip", agent.name, total, unified=agent.integrated, architecture=agent.architecture,
        cores=agent.compute_units,
    )  # fmt: skip


def _reachable(probe: Probe) -> bool:
    nodes = any(name.startswith("renderD") for name in probe.names("dev/dri"))
    return nodes or probe.exists("dev/kfd") or probe.exists("dev/dxg")


def _visible(found: list[Accelerator], environ: Mapping[str, str]) -> tuple[Accelerator, ...]:
    """Those that HIP_VISIBLE_DEVICES leaves; a list by other names than numbers leaves all."""
    setting = environ.get("HIP_VISIBLE_DEVICES")
    entries = [entry.strip() for entry in setting.split(",")] if setting is not None else []
    if setting is None or not all(entry in ("", "-1") or entry.isdecimal() for entry in entries):
        return tuple(found)
    chosen = [int(entry) for entry in entries if entry.isdecimal()]
    return tuple(found[number] for number in chosen if number < len(found))


def _slot(location: int, domain: int) -> str:
    """A PCI address from the kernel's number for bus, device and function."""
    return f"{domain:04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}.{location & 7}"


def _number(text: str) -> int | None:
    text = text.strip().partition("(")[0]
    return int(text) if text.isdecimal() else None
