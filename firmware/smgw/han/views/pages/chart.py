"""Bars as SVG: drawn here, so they need no script. Colours come from the style, so they follow light and dark."""

import html
from collections.abc import Callable, Sequence
from typing import NamedTuple

HEIGHT, LEFT, TOP, BOTTOM = 260, 52, 14, 26
#: Widths of the drawing for a wide screen and for a phone.
WIDTHS = (("wide", 960), ("narrow", 380))
_TICKS = 4


class Bar(NamedTuple):
    """A place on the time axis. Values are whole numbers of one scale; None: nothing is known."""

    label: str  # under the bar; may be empty
    title: str  # the whole text for whoever points at it
    imported: int | None
    exported: int | None
    flawed: bool = False  # values are missing


def chart(bars: Sequence[Bar], scale: int, name: str, point: str = ".") -> str:
    """The drawing twice, wide and narrow; the style shows one. `scale`: so many parts are one unit of the axis."""
    known = [value for bar in bars for value in (bar.imported, bar.exported) if value is not None]
    if not known:
        return ""
    step = tick(max(known))
    top = max(step * -(-max(known) // step), step)
    return "".join(_drawing(bars, scale, name, kind, width, step, top, point) for kind, width in WIDTHS)


def tick(largest: int) -> int:
    """The distance of two lines of the grid: 1, 2 or 5 times a power of ten, in parts; at most five lines fit."""
    least = max(1, -(-largest // _TICKS))
    size = 1
    while size * 10 <= least:
        size *= 10
    return next(size * factor for factor in (1, 2, 5, 10) if size * factor >= least)


def axis_text(parts: int, scale: int, point: str = ".") -> str:
    """A number of the axis: no more digits than it needs."""
    whole, rest = divmod(parts, scale)
    if not rest:
        return str(whole)
    return f"{whole}{point}{str(rest).rjust(len(str(scale)) - 1, '0').rstrip('0')}"


def _drawing(bars: Sequence[Bar], scale: int, name: str, kind: str, width: int, step: int, top: int, point: str) -> str:
    floor = HEIGHT - BOTTOM
    high = floor - TOP

    def y(parts: int) -> int:
        return floor - parts * high // top

    lines = []
    for parts in range(0, top + 1, step):
        at = y(parts)
        lines.append(f'<line class="grid" x1="{LEFT}" x2="{width}" y1="{at}" y2="{at}"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{at + 4}" text-anchor="end">{axis_text(parts, scale, point)}</text>')
    each = (width - LEFT) * 10 // max(1, len(bars))  # in tenths
    both = any(bar.exported is not None for bar in bars)
    skip = _skipped(bars, each)
    for place, bar in enumerate(bars):
        left = LEFT * 10 + place * each
        lines.append(_bar(bar, left, each, both, y, floor))
        if bar.label and place % skip == 0:
            middle = (left + each // 2) / 10
            lines.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{html.escape(bar.label)}</text>')
    return (
        f'<svg class="chart {kind}" viewBox="0 0 {width} {HEIGHT}" role="img" aria-label="{html.escape(name)}">'
        f"{''.join(lines)}</svg>"
    )


def _skipped(bars: Sequence[Bar], each: int) -> int:
    """Only every so many-th label fits."""
    longest = max((len(bar.label) for bar in bars), default=1)
    return max(1, -(-(longest * 75 + 60) // max(1, each)))


def _bar(bar: Bar, left: int, each: int, both: bool, y: Callable[[int], int], floor: int) -> str:
    gap = min(60, each // 5)
    inner = each - gap
    shapes = []
    if bar.flawed:
        shapes.append(f'<rect class="gap" x="{left / 10}" y="{TOP}" width="{each / 10}" height="{floor - TOP}"/>')
    sides = [("import", bar.imported), *([("export", bar.exported)] if both else [])]
    wide = inner // len(sides)
    for number, (kind, value) in enumerate(sides):
        if value is None:
            continue
        at = y(value)
        x = (left + gap // 2 + number * wide) / 10
        doubt = " doubtful" if bar.flawed else ""
        height = max(floor - at, 1 if value else 0)
        shapes.append(
            f'<rect class="{kind}{doubt}" x="{x}" y="{floor - height}" width="{max(wide - 5, 5) / 10}" '
            f'height="{height}" rx="1.5"/>'
        )
    return f"<g><title>{html.escape(bar.title)}</title>{''.join(shapes)}</g>"
