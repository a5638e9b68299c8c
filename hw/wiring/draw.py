#!/usr/bin/env python3
"""Draws the wiring: netlist.toml in, one SVG for each drawing out. Run it after each change of the netlist."""

import textwrap
from collections.abc import Iterator
from xml.sax.saxutils import escape

from layout import EDGE, HERE, PIN, WIDTHS, Drawing, Part, Place, Terminal, Wire, lay_out, netlist, pins

_FONT = "DejaVu Sans, Verdana, sans-serif"


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
        lines = textwrap.wrap(step, round((drawing.width - 2 * EDGE - 24) / 7.4))
        out.append(_text(EDGE, y, f"{number}.", 13))
        for line in lines:
            out.append(_text(EDGE + 24, y, line, 13))
            y += 19
        y += 3
    y += 8
    lines = drawing.toml.splitlines()
    out.append(_text(EDGE, y + 4, "In gateway.toml:", 13, bold=True))
    out.append(_box(EDGE, y + 14, drawing.width - 2 * EDGE, 17 * len(lines) + 14, "#f2f4f7", "#d0d5dd"))
    for number, line in enumerate(lines):
        out.append(
            f'<text x="{EDGE + 12}" y="{y + 33 + 17 * number:g}" font-size="12.5" xml:space="preserve" '
            f'font-family="DejaVu Sans Mono, monospace">{escape(line)}</text>'
        )
    height = y + 14 + 17 * len(lines) + 14 + EDGE
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{drawing.width:g}" height="{height:g}" '
        f'viewBox="0 0 {drawing.width:g} {height:g}" font-family="{_FONT}" fill="#1f2328">',
        "<!-- Drawn by draw.py from netlist.toml: change these, not this file. -->",
        f"<title>{escape(drawing.title)}</title>",
        f'<rect width="{drawing.width:g}" height="{height:g}" fill="#ffffff"/>',
        _text(EDGE, 40, drawing.title, 21, bold=True),
    ]
    return "\n".join([*head, *out, "</svg>\n"])


def _legend(drawing: Drawing, out: list[str], y: float) -> float:
    x: float = EDGE
    for wire in drawing.wires:
        length = 40 + 7.6 * len(wire.net)
        if x + length > drawing.width - EDGE:
            x, y = EDGE, y + 22
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
    left, width = drawing.lefts[part.column], WIDTHS[part.column]
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
    out.append(_box(left, part.top, WIDTHS[part.column], part.height))
    used = {}
    for terminal, place, colour in _ends(part, drawing):
        used[terminal.label] = colour
        out.append(f'<circle cx="{place.x:g}" cy="{place.y:g}" r="5" fill="{colour}"/>')
        out.append(_text(place.x - 12, place.y + 4.5, f"pin {terminal.label}  {names[terminal.label]}", 13, end=True))
    x, y = left + 38, part.top + 42
    out.append(_text(left + 8, part.top + 17, "SD card end ↑", 10.5, fill="#5b6470"))
    out.append(_box(x - 11, y - 11, 20 + PIN, 19 * PIN + 22, "#2b3036", "#2b3036"))
    for pin in names:
        row, even = divmod(int(pin) - 1, 2)
        middle = Place(x + even * PIN, y + row * PIN)
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
            side = x + PIN + 13 if even else x - 14
            out.append(_text(side, middle.y + 4, pin, 10.5, end=not even, bold=pin in used))
    out.append(_text(left + 8, y + 19 * PIN + 28, "from above; right row at the edge", 10.5, fill="#5b6470"))
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
