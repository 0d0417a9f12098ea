"""A line plot as SVG, by hand: a few lines over a few sizes, with whiskers and labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 820, 400
LEFT, RIGHT, TOP, BOTTOM = 56, 312, 24, 48
COLOURS = ("#0b6e99", "#c8553d", "#588157", "#8d5a97", "#b08900", "#666666")
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f; }
  .grid { stroke: #d0d7de; stroke-width: 1; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .grid { stroke: #3d444d; }
  }
"""


@dataclass(frozen=True, slots=True)
class Scale:
    """What the sizes count, the highest value, and how a value is written."""

    sizes: str = "workers"
    top: float = 1.0
    told: str = "{:.0%}"


@dataclass(frozen=True, slots=True)
class Line:
    """A named line: a value, such as a share, for each size, and half of its interval."""

    name: str
    shares: Sequence[float]
    halves: Sequence[float]
    dashed: bool = False


SHARES = Scale()


def plot(title: str, sizes: Sequence[int], lines: Sequence[Line], scale: Scale = SHARES) -> str:
    """The picture; sizes stand at even distances."""
    apart = (WIDTH - LEFT - RIGHT) / (len(sizes) - 1)
    places = [LEFT + apart * at for at in range(len(sizes))]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        *(_level(share / 5, scale) for share in range(6)),
        *(_text(x, HEIGHT - 26, str(n), "middle") for x, n in zip(places, sizes, strict=True)),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, scale.sizes, "middle"),
    ]
    heights = _apart([_y(line.shares[-1] / scale.top) for line in lines])
    for line, colour, height in zip(lines, COLOURS, heights, strict=False):
        parts += _drawn(line, places, colour, height, scale)
    return "\n".join([*parts, "</svg>\n"])


def _drawn(
    line: Line, places: Sequence[float], colour: str, height: float, scale: Scale
) -> list[str]:
    points = [(x, _y(share / scale.top)) for x, share in zip(places, line.shares, strict=True)]
    dash = ' stroke-dasharray="5 4"' if line.dashed else ""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    parts = [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points),
    ]
    for x, share, half in zip(places, line.shares, line.halves, strict=True):
        low = _y(max(0.0, share - half) / scale.top)
        high = _y(min(scale.top, share + half) / scale.top)
        ends = f'x1="{x:.1f}" x2="{x:.1f}" y1="{low:.1f}" y2="{high:.1f}"'
        parts.append(f'<line {ends} stroke="{colour}" stroke-opacity="0.5"/>')
    first, last = (scale.told.format(share) for share in (line.shares[0], line.shares[-1]))
    label = f"{line.name}, {first} to {last}"
    x = WIDTH - RIGHT + 10
    parts.append(f'<text x="{x}" y="{height + 4:.1f}" style="fill:{colour}">{escape(label)}</text>')
    return parts


def _apart(heights: Sequence[float], least: float = 17) -> list[float]:
    """The same heights, moved down where two labels would stand over each other."""
    placed: dict[int, float] = {}
    for at in sorted(range(len(heights)), key=lambda at: heights[at]):
        above = max(placed.values(), default=-least)
        placed[at] = max(heights[at], above + least)
    return [placed[at] for at in range(len(heights))]


def _level(share: float, scale: Scale) -> str:
    y = _y(share)
    rule = f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return rule + _text(LEFT - 8, y + 4, scale.told.format(share * scale.top), "end")


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _y(share: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - share)
