"""AMD's graphics, discrete and integrated, from the kernel's files and from `rocminfo`.

The kernel tells memory exactly; `rocminfo` tells names, and is all that there is inside WSL.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from hardware.pci import Graphics
from hardware.probe import Probe, ToolFailed, ToolMissing
from hardware.snapshot import Accelerator, Found

COMMAND = ("rocminfo",)

_VENDOR = "0x1002"
_DRM = "sys/class/drm"
_CARDS_ALONE = ("mem_busy_percent", "pcie_bw")
"""Files that the driver makes for cards alone: one of them at least, and neither for an APU
(amdgpu_pm.c)."""

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
    uuid: str | None


@dataclass(frozen=True, slots=True)
class Node:
    """A GPU as the kernel's compute driver lists it; `uuid` is ROCm's name for it, None without."""

    slot: str
    architecture: str
    compute_units: int | None
    uuid: str | None


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU as its driver describes it in files; bytes."""

    slot: str
    vram_total: int
    vram_used: int | None
    gtt_total: int
    integrated: bool


@dataclass(frozen=True, slots=True)
class _Device:
    """An accelerator, and what lists of visible devices may call it."""

    accelerator: Accelerator
    uuid: str | None


def find(probe: Probe, graphics: Iterable[Graphics]) -> Found:
    """AMD's devices on this machine; `graphics` gives names to those without ROCm."""
    listed = {device.slot: device for device in graphics if device.vendor == "AMD"}
    cards = [card for name in probe.names(_DRM) if (card := _card(probe, name)) is not None]
    agents, failures = _agents(probe)
    nodes = {node.slot: node for node in _nodes(probe)}
    by_slot = {agent.slot: agent for agent in agents if agent.slot}
    ranks = {slot: rank for rank, slot in enumerate(nodes)}  # as ROCm counts them
    found = [
        _device(card, by_slot.get(card.slot), nodes.get(card.slot), listed.get(card.slot))
        for card in sorted(cards, key=lambda card: ranks.get(card.slot, len(ranks)))
    ]
    known = {card.slot for card in cards}
    told = [
        _Device(_from_agent(agent, probe), agent.uuid)
        for agent in agents
        if agent.slot not in known
    ]
    if (found or told) and not _reachable(probe):
        return Found(
            others=tuple(
                f"{one.accelerator.name} (is not passed in: no /dev/kfd, no /dev/dri)"
                for one in found + told
            )
        )
    others = [] if cards else failures
    others += [
        f"{device.name} (its driver amdgpu is not loaded)"
        for slot, device in listed.items()
        if slot not in known and not agents
    ]
    visible, unknowns = _visible(found, told, probe.environ)
    return Found(tuple(one.accelerator for one in visible), tuple(others), tuple(unknowns))


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


def parse_node(text: str) -> Node | None:
    """A GPU from KFD's properties; None for a processor."""
    pairs = (line.partition(" ") for line in text.splitlines())
    values = {name: int(value) for name, _, value in pairs if value.strip().isdecimal()}
    version, location = values.get("gfx_target_version", 0), values.get("location_id")
    if not version or location is None:
        return None
    simds, per_unit = values.get("simd_count", 0), values.get("simd_per_cu", 0)
    architecture = f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"
    number = values.get("unique_id")
    return Node(
        slot=_slot(location, values.get("domain", 0)),
        architecture=architecture,
        compute_units=simds // per_unit if per_unit else None,
        uuid=f"GPU-{number:016x}" if number else None,
    )


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
        uuid=fields.get("Uuid"),
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


def _nodes(probe: Probe) -> Iterator[Node]:
    numbers = [name for name in probe.names(_NODES) if name.isdecimal()]
    for number in sorted(numbers, key=int):
        node = parse_node(probe.read(f"{_NODES}/{number}/properties"))
        if node is not None:
            yield node


def _device(card: Card, agent: Agent | None, node: Node | None, listed: Graphics | None) -> _Device:
    compute = node or agent
    return _Device(_accelerator(card, agent, node, listed), compute.uuid if compute else None)


def _accelerator(
    card: Card, agent: Agent | None, node: Node | None, listed: Graphics | None
) -> Accelerator:
    """A card with all that is known; one that the compute driver does not list is Vulkan's."""
    compute = agent or node
    architecture = compute.architecture if compute else None
    units = compute.compute_units if compute else None
    free = None if card.vram_used is None else max(0, card.vram_total - card.vram_used)
    name = (
        agent.name if agent else listed.name if listed else f"AMD GPU {architecture or card.slot}"
    )
    device = Accelerator(
        "hip" if architecture else "vulkan", name, card.vram_total, free,
        architecture=architecture, cores=units, driver="amdgpu",
    )  # fmt: skip
    if not card.integrated:
        return device
    # HIP gets what is set aside or what may be mapped, the larger (since Linux 6.10); Vulkan both.
    if card.vram_total >= card.gtt_total:
        return replace(device, unified=True, set_aside=True)
    most = card.gtt_total if architecture else card.vram_total + card.gtt_total
    return replace(
        device, memory_total_bytes=most, memory_free_bytes=None, unified=True,
        memory_limit_bytes=most,
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


def _visible(
    cards: list[_Device], told: list[_Device], environ: Mapping[str, str]
) -> tuple[list[_Device], list[str]]:
    """What ROCm's lists leave, and what they leave unclear; cards that are Vulkan's stay.

    HIP counts within what ROCR_VISIBLE_DEVICES leaves, and so does `rocminfo`: what only that has
    `told` is on that list already.
    """
    computing = [card for card in cards if card.accelerator.kind == "hip"]
    left, unknowns = _chosen(computing, "ROCR_VISIBLE_DEVICES", environ)
    name = "HIP_VISIBLE_DEVICES"
    # HIP takes CUDA's list where it has none of its own; an empty one is none to it.
    if name not in environ and environ.get("CUDA_VISIBLE_DEVICES"):
        name = "CUDA_VISIBLE_DEVICES"
    chosen, unclear = _chosen(left + told, name, environ)
    others = [card for card in cards if card.accelerator.kind != "hip"]
    return chosen + others, unknowns + unclear


def _chosen(
    devices: list[_Device], name: str, environ: Mapping[str, str]
) -> tuple[list[_Device], list[str]]:
    """The devices of the list in the variable `name`, in its order; all where there is none."""
    setting = environ.get(name)
    if setting is None:
        return devices, []
    chosen: list[int] = []
    for entry in (each.strip() for each in setting.split(",")):
        number = _numbered(devices, entry)
        if number is None and entry not in ("", "-1") and not entry.isdecimal():
            unclear = f"which GPU {name}={setting} means: ROCm stops at {entry}, which is none here"
            return [devices[number] for number in chosen], [unclear]
        if number is None or number in chosen:  # ROCm stops at the first that it does not know
            break
        chosen.append(number)
    return [devices[number] for number in chosen], []


def _numbered(devices: list[_Device], entry: str) -> int | None:
    """The place of a device by its number, or by the beginning of its UUID alone."""
    if entry.isdecimal():
        return int(entry) if int(entry) < len(devices) else None
    if not entry.upper().startswith("GPU-"):
        return None
    uuids = [(device.uuid or "").upper() for device in devices]
    found = [number for number, uuid in enumerate(uuids) if uuid.startswith(entry.upper())]
    return found[0] if len(found) == 1 else None


def _slot(location: int, domain: int) -> str:
    """A PCI address from the kernel's number for bus, device and function."""
    return f"{domain:04x}:{location >> 8 & 0xFF:02x}:{location >> 3 & 0x1F:02x}.{location & 7}"


def _number(text: str) -> int | None:
    text = text.strip().partition("(")[0]
    return int(text) if text.isdecimal() else None
