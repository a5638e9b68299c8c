#!/usr/bin/env python3
"""Draws the wiring: netlist.toml in, one SVG for each drawing out. Run it after each change of the netlist.

Parts stand in three columns. Wires run in the two gutters between them: each net has a lane there, a vertical line, and
horizontal lines from it to the terminals. A net of both gutters passes the middle column where no part is. The order of
the lanes is the one with the fewest crossings; two nets never share a piece of a line.
"""

import textwrap
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise, permutations, product
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

HERE = Path(__file__).resolve().parent
HEADER = HERE.parent / "boards" / "headers" / "40-pin.toml"

_ROW, _TOP, _LANE, _EDGE = 34, 104, 18, 24
_WIDTHS = {1: 272, 2: 196, 3: 236}  # of the columns
_GAP = 14  # between a passing wire and a part
_IMPOSSIBLE = 1_000_000
_KNOWN = {"3.3 V": "#e07b00", "5 V": "#c8102e", "+12 V": "#a3123f", "ground": "#1f2328", "0 V of the supply": "#5b6470"}
_COLOURS = (
    "#0b62c4",
    "#16803c",
    "#7b2fbf",
    "#00838a",
    "#b0479a",
    "#8a5a1f",
    "#3949ab",
    "#5d8a00",
    "#ad5c5c",
    "#00695c",
)
_FONT = "DejaVu Sans, Verdana, sans-serif"
_PIN = 13  # between two pins of the header's picture


class Place(NamedTuple):
    """A point."""

    x: float
    y: float


class Terminal(NamedTuple):
    """Where a wire meets a part."""

    name: str  # part.terminal
    label: str
    right: bool  # at the right side of its part
    y: float


class Part(NamedTuple):
    """A part as it is drawn."""

    id: str
    kind: str
    label: str
    note: str
    column: int
    top: float
    height: float
    terminals: tuple[Terminal, ...]


class Wire(NamedTuple):
    """A net as it is drawn: pieces of lines, and dots where more than two meet."""

    net: str
    colour: str
    pieces: tuple[tuple[Place, Place], ...]
    dots: tuple[Place, ...]


class Drawing(NamedTuple):
    """A drawing, laid out."""

    name: str
    title: str
    steps: Sequence[str]
    toml: str
    parts: Sequence[Part]
    wires: Sequence[Wire]
    places: Mapping[str, Place]  # of the terminals
    lefts: Mapping[int, float]  # of the columns
    bottom: float
    width: float


def pins() -> Mapping[str, str]:
    """The header: pin -> what it is."""
    return dict(tomllib.loads(HEADER.read_text()))


def netlist() -> list[dict[str, Any]]:
    """The drawings as they are written."""
    return list(tomllib.loads((HERE / "netlist.toml").read_text())["drawing"])


# The parts.


def _part(written: Mapping[str, Any]) -> Part:
    top = _TOP + written["row"] * _ROW
    rows: dict[bool, list[str]] = {False: list(written.get("left", [])), True: list(written.get("right", []))}
    if written["kind"] == "resistor":
        rows = {False: ["1"], True: ["2"]}
    elif written["kind"] in ("shunt", "led", "switch"):
        rows[written["side"] == "right"] = ["1", "2"]
    terminals = []
    for right, names in rows.items():
        for number, text in enumerate(names):
            short, _, label = text.partition(" = ")
            terminals.append(Terminal(f"{written['id']}.{short}", label or short, right, top + (number + 0.5) * _ROW))
    height = max(map(len, rows.values())) * _ROW
    if written["kind"] == "header":
        height = max(height, 20 * _PIN + 76)
    if written.get("note"):
        height += 20
    label = written.get("label", "Raspberry Pi")
    return Part(
        written["id"], written["kind"], label, written.get("note", ""), written["column"], top, height, tuple(terminals)
    )


# The wires.


class _Point(NamedTuple):
    """Where a net enters a gutter."""

    y: float
    right: bool  # from the column right of the gutter


_Gutter = dict[str, list[_Point]]  # net -> its points


def _gutters(parts: Sequence[Part], nets: Mapping[str, Sequence[str]]) -> tuple[dict[int, _Gutter], dict[str, float]]:
    """The points of each net in both gutters, and where nets pass the middle column."""
    middle = any(part.column == 2 for part in parts)
    at = {terminal.name: (part, terminal) for part in parts for terminal in part.terminals}
    gutters: dict[int, _Gutter] = {1: {}, 2: {}}
    for net, names in nets.items():
        for name in names:
            part, terminal = at[name]
            number = part.column if terminal.right else part.column - 1
            gutters[number if middle else 1].setdefault(net, []).append(_Point(terminal.y, not terminal.right))
    passing: dict[str, float] = {}
    both = [net for net in nets if all(net in gutter for gutter in gutters.values())]
    for net in both:
        ys = [point.y for gutter in gutters.values() for point in gutter[net]]
        taken = {point.y for gutter in gutters.values() for other in gutter if other != net for point in gutter[other]}
        passing[net] = min(_free(parts, passing), key=lambda y: (y in taken, sum(abs(y - one) for one in ys), y))
        gutters[1][net].append(_Point(passing[net], right=True))
        gutters[2][net].append(_Point(passing[net], right=False))
    return gutters, passing


def _free(parts: Sequence[Part], passing: Mapping[str, float]) -> Iterator[float]:
    """Heights at which a wire can pass the middle column."""
    blocked = [(part.top - _GAP - 6, part.top + part.height + _GAP) for part in parts if part.column == 2]
    for half in range(-1, 34):
        y = _TOP + half * _ROW / 2
        if all(not top < y < bottom for top, bottom in blocked) and all(
            abs(y - one) >= _ROW / 2 for one in passing.values()
        ):
            yield y


def _lanes(gutter: _Gutter) -> dict[str, int]:
    """The number of each net's lane, from the left: the order with the fewest crossings, then the shortest."""
    pairs = {(left, right): _crossings(gutter[left], gutter[right]) for left, right in permutations(gutter, 2)}
    pull = {net: sum(-1 if point.right else 1 for point in points) for net, points in gutter.items()}

    def cost(order: Sequence[str]) -> tuple[int, int]:
        drawn = sum(pull[net] * number for number, net in enumerate(order))
        return sum(pairs[pair] for pair in combinations(order, 2)), drawn

    best = min(permutations(gutter), key=cost)
    return {net: number for number, net in enumerate(best)}


def _crossings(left: Sequence[_Point], right: Sequence[_Point]) -> int:
    """How often two nets cross if one has the lane left of the other's."""
    count = 0
    for crossing, crossed, through in ((left, right, True), (right, left, False)):
        ys = [point.y for point in crossed]
        count += sum(point.right == through and min(ys) < point.y < max(ys) for point in crossing)
    shared = {point.y for point in left if point.right} & {point.y for point in right if not point.right}
    return count + _IMPOSSIBLE * len(shared)


def _wires(
    nets: Mapping[str, Sequence[str]],
    gutters: Mapping[int, _Gutter],
    passing: Mapping[str, float],
    borders: Mapping[int, tuple[float, float]],
) -> Iterator[Wire]:
    lanes = {number: _lanes(gutter) for number, gutter in gutters.items()}
    colours = iter(_COLOURS)
    for net in nets:
        pieces, ends = [], []
        for number, gutter in gutters.items():
            if net not in gutter:
                continue
            start, end = borders[number]
            x = start + _LANE * (lanes[number][net] + 1)
            ys = [point.y for point in gutter[net]]
            for point in gutter[net]:
                pieces.append((Place(x, point.y), Place(end if point.right else start, point.y)))
            if min(ys) < max(ys):
                pieces += [(Place(x, one), Place(x, other)) for one, other in pairwise(sorted(set(ys)))]
            ends += [Place(x, y) for y in ys]
        if net in passing:
            pieces.append((Place(borders[1][1], passing[net]), Place(borders[2][0], passing[net])))
        dots = [place for place in dict.fromkeys(ends) if sum(place in piece for piece in pieces) > 2]
        yield Wire(net, _KNOWN.get(net) or next(colours), tuple(pieces), tuple(dots))


# The drawing.


def lay_out(written: Mapping[str, Any]) -> Drawing:
    """Places for everything. ValueError if two nets would share a line."""
    parts = [_part(one) for one in written["part"]]
    nets: Mapping[str, Sequence[str]] = written["nets"]
    gutters, passing = _gutters(parts, nets)
    lefts: dict[int, float] = {}
    borders: dict[int, tuple[float, float]] = {}
    x: float = _EDGE
    for column in (1, 2, 3):
        if column == 2 and not gutters[2]:
            continue
        lefts[column] = x
        x += _WIDTHS[column]
        number = min(column, 2)
        if column < 3:
            borders[number] = x, x + _LANE * (max(len(gutters[number]), 3) + 1)
            x = borders[number][1]
    places = {
        terminal.name: Place(lefts[part.column] + _WIDTHS[part.column] * terminal.right, terminal.y)
        for part in parts
        for terminal in part.terminals
    }
    wires = list(_wires(nets, {number: gutter for number, gutter in gutters.items() if gutter}, passing, borders))
    if shared := _shared(wires):
        raise ValueError(f"drawing {written['name']}: {shared[0]} and {shared[1]} share a line; move a part")
    bottom = max([part.top + part.height for part in parts] + [y + _GAP for y in passing.values()])
    return Drawing(
        written["name"], written["title"], written["steps"], written["toml"].strip(), parts, wires, places, lefts,
        bottom, x + _EDGE,
    )  # fmt: skip


def _shared(wires: Sequence[Wire]) -> tuple[str, str] | None:
    for number, one in enumerate(wires):
        for other in wires[number + 1 :]:
            if any(_overlap(a, b) for a, b in product(one.pieces, other.pieces)):
                return one.net, other.net
    return None


def _overlap(one: tuple[Place, Place], other: tuple[Place, Place]) -> bool:
    """True if two pieces are on one line and touch."""
    for along, across in ((0, 1), (1, 0)):
        if len({place[across] for place in (*one, *other)}) == 1:
            low = max(min(place[along] for place in piece) for piece in (one, other))
            return low <= min(max(place[along] for place in piece) for piece in (one, other))
    return False


def draw(drawing: Drawing) -> str:
    """The SVG."""
    out: list[str] = []
    for wire in drawing.wires:
        out += _wire(wire)
    for part in drawing.parts:
        out += _SHAPES.get(part.kind, _standing)(part, drawing)
    y = drawing.bottom + 30
    y = _legend(drawing, out, y)
    for number, step in enumerate(drawing.steps, 1):
        lines = textwrap.wrap(step, round((drawing.width - 2 * _EDGE - 24) / 7.4))
        out.append(_text(_EDGE, y, f"{number}.", 13))
        for line in lines:
            out.append(_text(_EDGE + 24, y, line, 13))
            y += 19
        y += 3
    y += 8
    lines = drawing.toml.splitlines()
    out.append(_text(_EDGE, y + 4, "In gateway.toml:", 13, bold=True))
    out.append(_box(_EDGE, y + 14, drawing.width - 2 * _EDGE, 17 * len(lines) + 14, "#f2f4f7", "#d0d5dd"))
    for number, line in enumerate(lines):
        out.append(
            f'<text x="{_EDGE + 12}" y="{y + 33 + 17 * number:g}" font-size="12.5" xml:space="preserve" '
            f'font-family="DejaVu Sans Mono, monospace">{escape(line)}</text>'
        )
    height = y + 14 + 17 * len(lines) + 14 + _EDGE
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{drawing.width:g}" height="{height:g}" '
        f'viewBox="0 0 {drawing.width:g} {height:g}" font-family="{_FONT}" fill="#1f2328">',
        "<!-- Drawn by draw.py from netlist.toml: change these, not this file. -->",
        f"<title>{escape(drawing.title)}</title>",
        f'<rect width="{drawing.width:g}" height="{height:g}" fill="#ffffff"/>',
        _text(_EDGE, 40, drawing.title, 21, bold=True),
    ]
    return "\n".join([*head, *out, "</svg>\n"])


def _legend(drawing: Drawing, out: list[str], y: float) -> float:
    x: float = _EDGE
    for wire in drawing.wires:
        length = 40 + 7.6 * len(wire.net)
        if x + length > drawing.width - _EDGE:
            x, y = _EDGE, y + 22
        out.append(f'<path d="M{x:g} {y - 4:g}h22" stroke="{wire.colour}" stroke-width="3.5"/>')
        out.append(_text(x + 28, y, wire.net, 12.5))
        x += length + 14
    return y + 34


def _wire(wire: Wire) -> list[str]:
    path = "".join(f"M{one.x:g} {one.y:g}L{other.x:g} {other.y:g}" for one, other in wire.pieces)
    dots = "".join(f'<circle cx="{dot.x:g}" cy="{dot.y:g}" r="4.5" fill="{wire.colour}"/>' for dot in wire.dots)
    return [
        f'<g data-net="{escape(wire.net)}" fill="none" stroke-linecap="round">',
        f'<path d="{path}" stroke="#ffffff" stroke-width="8" stroke-linecap="butt"/>',
        f'<path d="{path}" stroke="{wire.colour}" stroke-width="2.6"/>{dots}</g>',
    ]


def _text(x: float, y: float, text: str, size: float, *, bold: bool = False, end: bool = False, fill: str = "") -> str:
    more = (' font-weight="bold"' if bold else "") + (' text-anchor="end"' if end else "")
    more += f' fill="{fill}"' if fill else ""
    return f'<text x="{x:g}" y="{y:g}" font-size="{size:g}"{more}>{escape(text)}</text>'


def _box(x: float, y: float, width: float, height: float, fill: str = "#f7f9fc", line: str = "#39424e") -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" fill="{fill}" stroke="{line}" '
        'stroke-width="1.4"/>'
    )


def _ends(part: Part, drawing: Drawing) -> Iterator[tuple[Terminal, Place, str]]:
    """Each terminal, its place, and the colour of its net."""
    colours = {end: wire.colour for wire in drawing.wires for piece in wire.pieces for end in piece}
    for terminal in part.terminals:
        place = drawing.places[terminal.name]
        yield terminal, place, colours.get(place, "#9aa4b0")


def _head(part: Part, drawing: Drawing) -> str:
    return _text(drawing.lefts[part.column], part.top - 7, part.label, 13, bold=True)


def _boxed(part: Part, drawing: Drawing) -> list[str]:
    left, width = drawing.lefts[part.column], _WIDTHS[part.column]
    out = [_head(part, drawing), _box(left, part.top, width, part.height)]
    for terminal, place, colour in _ends(part, drawing):
        inside = -12 if terminal.right else 12
        out.append(f'<circle cx="{place.x:g}" cy="{place.y:g}" r="5" fill="{colour}"/>')
        out.append(_text(place.x + inside, place.y + 4.5, terminal.label, 13, end=terminal.right))
    if part.label.startswith("U") and "optocoupler" in part.label:
        out.append(f'<circle cx="{left + width - 10:g}" cy="{part.top + 9:g}" r="3.5" fill="#39424e"/>')
    if part.note:
        out.append(_text(left + 12, part.top + part.height - 9, part.note, 12, fill="#5b6470"))
    return out


def _header(part: Part, drawing: Drawing) -> list[str]:
    """The header as it looks from above, and beside it the pins in use."""
    left, names = drawing.lefts[part.column], pins()
    out = [_text(left, part.top - 7, "Raspberry Pi, 40-pin header", 13, bold=True)]
    out.append(_box(left, part.top, _WIDTHS[part.column], part.height))
    used = {}
    for terminal, place, colour in _ends(part, drawing):
        used[terminal.label] = colour
        out.append(f'<circle cx="{place.x:g}" cy="{place.y:g}" r="5" fill="{colour}"/>')
        out.append(_text(place.x - 12, place.y + 4.5, f"pin {terminal.label}  {names[terminal.label]}", 13, end=True))
    x, y = left + 38, part.top + 42
    out.append(_text(left + 8, part.top + 17, "SD card end ↑", 10.5, fill="#5b6470"))
    out.append(_box(x - 11, y - 11, 20 + _PIN, 19 * _PIN + 22, "#2b3036", "#2b3036"))
    for pin in names:
        row, even = divmod(int(pin) - 1, 2)
        middle = Place(x + even * _PIN, y + row * _PIN)
        fill = used.get(pin, "#8b949e")
        if pin == "1":
            out.append(_box(middle.x - 5, middle.y - 5, 10, 10, fill, fill))
        else:
            out.append(f'<circle cx="{middle.x:g}" cy="{middle.y:g}" r="{5.5 if pin in used else 3:g}" fill="{fill}"/>')
        if pin in used:
            out.append(
                f'<circle cx="{middle.x:g}" cy="{middle.y:g}" r="6.2" fill="none" stroke="#ffffff" stroke-width="1.2"/>'
            )
        if pin in used or pin in ("1", "2", "39", "40"):
            side = x + _PIN + 13 if even else x - 14
            out.append(_text(side, middle.y + 4, pin, 10.5, end=not even, bold=pin in used))
    out.append(_text(left + 8, y + 19 * _PIN + 28, "from above; right row at the edge", 10.5, fill="#5b6470"))
    return out


def _resistor(part: Part, drawing: Drawing) -> list[str]:
    (_, start, first), (_, end, second) = _ends(part, drawing)
    middle = (start.x + end.x) / 2
    return [
        f'<path d="M{start.x:g} {start.y:g}H{middle - 46:g}" stroke="{first}" stroke-width="2.6"/>',
        f'<path d="M{middle + 46:g} {start.y:g}H{end.x:g}" stroke="{second}" stroke-width="2.6"/>',
        f'<rect x="{middle - 46:g}" y="{start.y - 11:g}" width="92" height="22" fill="#ffffff" stroke="#39424e" '
        'stroke-width="1.8"/>',
        f'<text x="{middle:g}" y="{start.y + 4.5:g}" font-size="12.5" font-weight="bold" text-anchor="middle">'
        f"{escape(part.label)}</text>",
    ]


def _standing(part: Part, drawing: Drawing) -> list[str]:
    """A part with both ends at one side."""
    (_, top, first), (_, bottom, second) = _ends(part, drawing)
    inwards = -1 if part.terminals[0].right else 1
    x, middle = top.x + inwards * 44, (top.y + bottom.y) / 2
    dark, thick = 'stroke="#39424e" stroke-width="1.8"', 'fill="none" stroke-width="2.6"'
    out = [
        f'<path d="M{top.x:g} {top.y:g}H{x:g}V{middle - 11:g}" {thick} stroke="{first}"/>',
        f'<path d="M{bottom.x:g} {bottom.y:g}H{x:g}V{middle + 11:g}" {thick} stroke="{second}"/>',
        _text(x + inwards * 22, middle + 4.5, part.label, 13, bold=True, end=inwards < 0),
    ]
    if part.kind == "shunt":
        out.append(f'<rect x="{x - 8:g}" y="{middle - 13:g}" width="16" height="26" fill="#ffffff" {dark}/>')
    elif part.kind == "led":
        out.append(f'<path d="M{x - 10:g} {middle - 9:g}h20l-10 16z" fill="#ffffff" {dark}/>')
        out.append(f'<path d="M{x - 10:g} {middle + 8:g}h20" {dark}/>')
        out.append(_text(x + 7, top.y + 5, "+", 13, bold=True))
        for shift in (0, 7):
            out.append(
                f'<path d="M{x - 13 - shift / 3:g} {middle - 6 + shift:g}l-9 5m4 0h-4v-4" fill="none" stroke="#39424e" '
                'stroke-width="1.3"/>'
            )
    else:
        out.append(f'<path d="M{x:g} {middle + 11:g}L{x - 13:g} {middle - 8:g}" fill="none" {dark}/>')
        out += [f'<circle cx="{x:g}" cy="{middle + end:g}" r="3" fill="#ffffff" {dark}/>' for end in (-11, 11)]
    return out


_SHAPES = {"header": _header, "box": _boxed, "resistor": _resistor}


def drawings() -> dict[str, str]:
    """File name -> SVG."""
    return {f"{one['name']}.svg": draw(lay_out(one)) for one in netlist()}


if __name__ == "__main__":
    for name, svg in drawings().items():
        (HERE / name).write_text(svg)
