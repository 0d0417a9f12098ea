"""Graphics devices as `lspci` lists them; pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

COMMAND = ("lspci", "-Dnnv")

_HEAD = re.compile(
    r"(?P<slot>(?:[0-9a-f]{4,}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) "
    r"(?:VGA compatible|3D|Display) controller(?: \[\w{4}\])?: (?P<name>.+)"
)
_AFTER_NAME = re.compile(r" \[[0-9a-f]{4}:[0-9a-f]{4}\]| \(rev \w+\)| \(prog-if .*")
_MEMORY = re.compile(r"Memory at \w+ \(.*\bprefetchable\).* \[size=(\d+)([KMGT])\]")
_DRIVER = re.compile(r"Kernel driver in use: (\S+)")
_VENDORS = {
    "NVIDIA Corporation": "NVIDIA",
    "Advanced Micro Devices, Inc. [AMD/ATI]": "AMD",
    "Intel Corporation": "Intel",
}
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@dataclass(frozen=True, slots=True)
class Graphics:
    """A graphics device. `window_bytes` is the largest piece of its memory that the processor
    sees: not less than a discrete device's memory where its BAR is resizable, else 256 MiB.
    """

    slot: str
    vendor: str
    name: str
    window_bytes: int
    driver: str | None


def parse_lspci(text: str) -> list[Graphics]:
    """The graphics devices in COMMAND's output, or in that of `lspci -v` without numbers."""
    return list(_devices(text))


def _devices(text: str) -> Iterator[Graphics]:
    for block in re.split(r"\n(?=\S)", text):
        head = _HEAD.match(block)
        if head is None:
            continue
        name = _AFTER_NAME.sub("", head["name"]).strip()
        vendor = next((v for v in _VENDORS if name.startswith(v)), "")
        sizes = [
            int(size) * _UNITS[unit]
            for line in block.splitlines()
            if "non-prefetchable" not in line
            for size, unit in _MEMORY.findall(line)
        ]
        driver = _DRIVER.search(block)
        yield Graphics(
            slot=head["slot"] if head["slot"].count(":") == 2 else f"0000:{head['slot']}",
            vendor=_VENDORS.get(vendor, ""),
            name=_marketing(_VENDORS.get(vendor, ""), name.removeprefix(vendor).strip()),
            window_bytes=max(sizes, default=0),
            driver=driver[1] if driver else None,
        )


def _marketing(vendor: str, name: str) -> str:
    """The name that stands on the box: what lspci has in brackets, with its vendor once."""
    bracketed = re.search(r"\[(.+)\]$", name)
    name = bracketed[1] if bracketed else name
    return name if not vendor or name.startswith(vendor) else f"{vendor} {name}"
