"""The wiring, laid out: netlist.toml in, places of parts and wires out. `draw.py` makes pictures of them.

Parts stand in three columns. Wires run in the two gutters between them: each net has a lane there, a vertical line, and
horizontal lines from it to the terminals. A net of both gutters passes the middle column where no part is. The order of
the lanes is the one with the fewest crossings; two nets never share a piece of a line.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise, permutations, product
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
HEADER = HERE.parent / "boards" / "headers" / "40-pin.toml"

#: Space at the edge of a drawing, and widths of its columns.
EDGE = 24
WIDTHS = {1: 272, 2: 196, 3: 236}
#: Between two pins of the header's picture.
PIN = 13
_ROW, _TOP, _LANE = 34, 104, 18
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
        height = max(height, 20 * PIN + 76)
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


# The whole.


def lay_out(written: Mapping[str, Any]) -> Drawing:
    """Places for everything. ValueError if two nets would share a line."""
    parts = [_part(one) for one in written["part"]]
    nets: Mapping[str, Sequence[str]] = written["nets"]
    gutters, passing = _gutters(parts, nets)
    lefts: dict[int, float] = {}
    borders: dict[int, tuple[float, float]] = {}
    x: float = EDGE
    for column in (1, 2, 3):
        if column == 2 and not gutters[2]:
            continue
        lefts[column] = x
        x += WIDTHS[column]
        number = min(column, 2)
        if column < 3:
            borders[number] = x, x + _LANE * (max(len(gutters[number]), 3) + 1)
            x = borders[number][1]
    places = {
        terminal.name: Place(lefts[part.column] + WIDTHS[part.column] * terminal.right, terminal.y)
        for part in parts
        for terminal in part.terminals
    }
    wires = list(_wires(nets, {number: gutter for number, gutter in gutters.items() if gutter}, passing, borders))
    if shared := _shared(wires):
        raise ValueError(f"drawing {written['name']}: {shared[0]} and {shared[1]} share a line; move a part")
    bottom = max([part.top + part.height for part in parts] + [y + _GAP for y in passing.values()])
    return Drawing(
        written["name"], written["title"], written["steps"], written["toml"].strip(), parts, wires, places, lefts,
        bottom, x + EDGE,
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
