"""The drawings of hw/wiring: they show their netlist, and the netlist fits the boards and the gateway."""

import re
import tomllib
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path
from typing import Any

import draw
import layout
import pytest
from smgw.profiles.gpio_line import line_name
from smgw.profiles.toml_importer import parse

HW = Path(__file__).resolve().parents[2] / "hw"
BOARDS = [tomllib.loads(file.read_text()) for file in sorted((HW / "boards").glob("*.toml"))]
#: Nets that carry a voltage, and what the header's pin must be.
SUPPLIES = {"3.3 V": "3.3 V", "5 V": "5 V", "ground": "GND"}


NETLIST = layout.netlist()
WRITTEN = pytest.mark.parametrize("written", NETLIST, ids=lambda one: one["name"])


def pins_of(written: dict[str, Any]) -> dict[str, str]:
    """Pin of the header -> its net."""
    return {
        name.removeprefix("pi."): net
        for net, terminals in written["nets"].items()
        for name in terminals
        if name.startswith("pi.")
    }


def gpios(written: dict[str, Any]) -> set[int]:
    """Numbers of the GPIOs that a drawing uses."""
    found = (re.match(r"GPIO(\d+)", layout.pins()[pin]) for pin in pins_of(written))
    return {int(match[1]) for match in found if match}


@WRITTEN
def test_the_committed_drawing_is_what_the_script_draws(written: dict[str, Any]) -> None:
    name = f"{written['name']}.svg"
    assert (HW / "wiring" / name).read_text() == draw.drawings()[name], "run hw/wiring/draw.py"


def test_there_is_no_drawing_without_a_netlist_and_the_readme_shows_each() -> None:
    names = set(draw.drawings())
    assert {file.name for file in (HW / "wiring").glob("*.svg")} == names
    readme = (HW / "README.md").read_text()
    assert {name for name in names if f"](wiring/{name})" in readme} == names


@WRITTEN
def test_every_net_is_drawn_as_one_piece_that_reaches_all_its_terminals(written: dict[str, Any]) -> None:
    drawing = layout.lay_out(written)
    wires = {wire.net: wire for wire in drawing.wires}
    assert set(wires) == set(written["nets"])
    for net, terminals in written["nets"].items():
        reached, pieces = {drawing.places[terminals[0]]}, list(wires[net].pieces)
        while touching := [piece for piece in pieces if reached & set(piece)]:
            reached.update(*touching)
            pieces = [piece for piece in pieces if piece not in touching]
        assert pieces == [], f"{net} is in two parts"
        assert {drawing.places[name] for name in terminals} <= reached


@WRITTEN
def test_the_picture_has_the_lines_of_every_net(written: dict[str, Any]) -> None:
    root = ET.fromstring(draw.drawings()[f"{written['name']}.svg"])
    groups = {group.get("data-net"): group for group in root.iter("{http://www.w3.org/2000/svg}g")}
    for wire in layout.lay_out(written).wires:
        path = groups[wire.net].find("{http://www.w3.org/2000/svg}path")
        assert path is not None
        ends = re.findall(r"([ML])([\d.]+) ([\d.]+)", path.get("d") or "")
        assert len(ends) == 2 * len(wire.pieces)
        assert {(float(x), float(y)) for _, x, y in ends} == {tuple(place) for piece in wire.pieces for place in piece}


@WRITTEN
def test_every_terminal_of_a_part_is_wired_once(written: dict[str, Any]) -> None:
    terminals = {terminal.name for part in layout.lay_out(written).parts for terminal in part.terminals}
    assert Counter(name for names in written["nets"].values() for name in names) == Counter(terminals)


@WRITTEN
def test_no_two_nets_share_a_line_and_no_line_runs_through_a_part(written: dict[str, Any]) -> None:
    drawing = layout.lay_out(written)
    for part in drawing.parts:
        left = drawing.lefts[part.column]
        right = left + layout.WIDTHS[part.column]
        for wire in drawing.wires:
            for one, other in wire.pieces:
                inside = max(one.x, other.x) > left and min(one.x, other.x) < right
                assert not (inside and part.top < one.y < part.top + part.height), f"{wire.net} runs through {part.id}"


def test_nets_that_would_share_a_line_are_refused() -> None:
    written = {
        "name": "wrong", "title": "", "steps": [], "toml": "",
        "part": [
            {"id": "a", "kind": "box", "column": 1, "row": 0, "right": ["1", "2"]},
            {"id": "b", "kind": "box", "column": 3, "row": 0, "left": ["1", "2"]},
        ],
        "nets": {"one": ["a.1", "b.2"], "other": ["b.1", "a.2"]},
    }  # fmt: skip
    with pytest.raises(ValueError, match="one and other share a line"):
        layout.lay_out(written)


@WRITTEN
def test_the_pins_exist_on_every_board_with_a_header_and_are_what_the_net_says(written: dict[str, Any]) -> None:
    assert {board["header"] for board in BOARDS if board["chip"]} == {layout.HEADER.stem}
    pins = layout.pins()
    for pin, net in pins_of(written).items():
        what = pins[pin]
        assert SUPPLIES.get(net, what) == what, f"pin {pin}"
        assert net in SUPPLIES or what.startswith("GPIO"), f"pin {pin}, {net}, is a supply"


def test_the_header_has_40_pins_and_each_gpio_once() -> None:
    pins = layout.pins()
    assert list(pins) == [str(number) for number in range(1, 41)]
    found = sorted(int(match[1]) for what in pins.values() if (match := re.match(r"GPIO(\d+)", what)))
    assert found == list(range(28))
    assert Counter(pins.values())["GND"] == 8


@WRITTEN
def test_the_lines_for_gateway_toml_are_right_and_use_the_drawn_lines(written: dict[str, Any]) -> None:
    text = '[gateway]\ndevice_id = "ESMG0000000001"\n' + written["toml"]
    if "[[meter]]" not in text:
        text += '[[meter]]\nname = "house"\nprotocol = "sml-push"\nport = "/dev/ttyUSB0"\n'
    configuration = parse(text, "gateway.toml")
    lines = [line_name(url) for url in re.findall(r'"(gpio://[^"]+)"', text)]
    named = {line.offset for line in lines if not isinstance(line, str)}
    uart = {14, 15} & gpios(written)
    assert gpios(written) - uart == named
    assert all(meter.port == "/dev/ttyAMA0" for meter in configuration.meters) or not uart


def test_drawings_can_be_combined_but_for_the_uart() -> None:
    used = Counter(number for written in NETLIST if written["name"] != "s0-isolated" for number in gpios(written))
    assert {number for number, times in used.items() if times > 1} == {14, 15}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["name"])
def test_the_readme_has_the_lines_for_config_txt_of_every_board(board: dict[str, Any]) -> None:
    readme = (HW / "README.md").read_text()
    assert board["name"] in readme
    assert all(line in readme for line in board["config"])
    assert bool(board["config"]) == bool(board["uart"])
