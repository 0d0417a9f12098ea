"""Snapdragon machines, phones in Termux and plain Linux alike, and other Android devices.

The chip's number comes from Android's properties, /proc/cpuinfo or the device tree; what is
inside a chip of that number from Qualcomm's product briefs.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hardware.probe import Probe, ToolFailed
from hardware.snapshot import Accelerator, Found

COMMAND = ("getprop",)

# number -> name, graphics
_CHIPS: Mapping[str, tuple[str, str]] = {
    "SDM845": ("Snapdragon 845", "Adreno 630"),
    "SM6225": ("Snapdragon 680", "Adreno 610"),
    "SM7150": ("Snapdragon 730G", "Adreno 618"),
    "SM7325": ("Snapdragon 778G", "Adreno 642L"),
    "SM7475": ("Snapdragon 7+ Gen 2", "Adreno 725"),
    "SM8150": ("Snapdragon 855", "Adreno 640"),
    "SM8250": ("Snapdragon 865", "Adreno 650"),
    "SM8350": ("Snapdragon 888", "Adreno 660"),
    "SM8450": ("Snapdragon 8 Gen 1", "Adreno 730"),
    "SM8475": ("Snapdragon 8+ Gen 1", "Adreno 730"),
    "SM8550": ("Snapdragon 8 Gen 2", "Adreno 740"),
    "SM8635": ("Snapdragon 8s Gen 3", "Adreno 735"),
    "SM8650": ("Snapdragon 8 Gen 3", "Adreno 750"),
    "SM8750": ("Snapdragon 8 Elite", "Adreno 830"),
    "SC7180": ("Snapdragon 7c", "Adreno 618"),
    "SC8280XP": ("Snapdragon 8cx Gen 3", "Adreno 690"),
    "X1E78100": ("Snapdragon X Elite", "Adreno X1-85"),
    "X1E80100": ("Snapdragon X Elite", "Adreno X1-85"),
    "X1P42100": ("Snapdragon X Plus", "Adreno X1-45"),
    "X1P64100": ("Snapdragon X Plus", "Adreno X1-85"),
}
# Names of boards that older Android tells instead of the number.
_BOARDS = {
    "kalama": "SM8550",
    "kona": "SM8250",
    "lahaina": "SM8350",
    "msmnile": "SM8150",
    "pineapple": "SM8650",
    "sdm845": "SDM845",
    "sm6150": "SM7150",
    "sun": "SM8750",
    "taro": "SM8450",
}
_NPU_FILES = ("dev/adsprpc-smd", "dev/fastrpc-cdsp", "dev/fastrpc-cdsp-secure")


@dataclass(frozen=True, slots=True)
class Chip:
    """A system on a chip. `name` is None where its maker's number is all that is known."""

    number: str
    name: str | None
    graphics: str | None

    def __str__(self) -> str:
        return f"{self.name} ({self.number})" if self.name else f"Snapdragon {self.number}"


def properties(probe: Probe) -> dict[str, str]:
    """Android's properties, empty elsewhere."""
    if not is_android(probe):
        return {}
    try:
        return parse_getprop(probe.run(COMMAND))
    except ToolFailed:  # what it would have told is then named as unknown
        return {}


def is_android(probe: Probe) -> bool:
    """Whether this is Android, in Termux or below another Linux that Termux runs."""
    return "ANDROID_ROOT" in probe.environ or "TERMUX_VERSION" in probe.environ


def parse_getprop(text: str) -> dict[str, str]:
    """COMMAND's output as name -> value."""
    return dict(re.findall(r"^\[([^\]]+)\]: \[(.*)\]\s*$", text, re.MULTILINE))


def chip(properties: Mapping[str, str], cpuinfo: str, compatible: str) -> Chip | None:
    """The Snapdragon that the texts name; None if they name another maker's chip or none.

    `compatible` is the device tree's list, most special first.
    """
    board = properties.get("ro.board.platform", "")
    hardware = re.search(r"^Hardware\s*:.*Qualcomm.*?(\w+)$", cpuinfo, re.MULTILINE)
    candidates = [
        properties.get("ro.soc.model", ""),
        _BOARDS.get(board, ""),
        hardware[1] if hardware else "",
        *re.findall(r"qcom,(\w+)", compatible),
    ]
    named = [text.upper().partition("-")[0] for text in candidates if text]
    known = next((number for number in named if number in _CHIPS), None)
    if known is not None:
        return Chip(known, *_CHIPS[known])
    maker = properties.get("ro.soc.manufacturer", "")
    if named and (maker in ("QTI", "Qualcomm") or hardware or "qcom," in compatible):
        return Chip(named[0], None, None)
    return None


def graphics_model(probe: Probe) -> str | None:
    """Adreno's name from its driver on Android, which a guest below Android may read too.

    On the newest chips it can be an internal number, so what is known of a chip goes before it.
    """
    text = probe.read("sys/class/kgsl/kgsl-3d0/gpu_model").strip()
    match = re.match(r"Adreno ?(\w+?)(?:v\d+)?$", text)
    return f"Adreno {match[1]}" if match else None


def find(probe: Probe, properties: Mapping[str, str], found_chip: Chip | None) -> Found:
    """Adreno as an accelerator, Hexagon as what it is: there, and not used by any engine here."""
    model = graphics_model(probe)
    name = found_chip.graphics if found_chip and found_chip.graphics else model
    others = _npu(probe, properties, found_chip)
    if name is None:
        return Found(others=others) + _nameless(properties, found_chip)
    if not (model or properties or _device_files(probe)):
        return Found(others=(f"{name} (no device of its driver: kgsl or msm)", *others))
    driver = "kgsl" if model or properties or probe.exists("dev/kgsl-3d0") else "msm"
    total = probe.host.memory_total_bytes
    return Found((Accelerator("vulkan", name, total, unified=True, driver=driver),), others)


def _nameless(properties: Mapping[str, str], found_chip: Chip | None) -> Found:
    if found_chip is not None:
        return Found(unknowns=(f"the graphics of the {found_chip}",))
    other = properties.get("ro.hardware.egl") or properties.get("ro.hardware.vulkan")
    return Found(others=(f"{other} graphics (no engine here is built for it)",) if other else ())


def _npu(probe: Probe, properties: Mapping[str, str], found_chip: Chip | None) -> tuple[str, ...]:
    if found_chip and (properties or any(probe.exists(file) for file in _NPU_FILES)):
        return (f"the Hexagon NPU of the {found_chip} (no engine here uses it)",)
    return ()


def _device_files(probe: Probe) -> bool:
    nodes = any(name.startswith("renderD") for name in probe.names("dev/dri"))
    return nodes or probe.exists("dev/kgsl-3d0")
