"""`smgw watch`: the newest value of every register, as it comes."""

import argparse
import json
import os
import sys
import textwrap
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from smgw.cli.terminal import controlled
from smgw.clock.text import utc_text
from smgw.cosem import ClockState, Stamp
from smgw.errors import SmgwError
from smgw.profiles.meter import MeterProfile
from smgw.profiles.toml_importer import load
from smgw.reports.live_view import HEAD, RIGHT, Key, Row, look, remarks, rows_of
from smgw.reports.readings import live_object

_EPILOG = """\
On a terminal a table, renewed every second until Ctrl-C. Otherwise a line for each value that changed, or with --json
an object for each telegram; what is missing goes to standard error. Times are UTC; (?) marks those of a clock that was
not synchronised.
Exit code with --once: 0 if values are shown and renewed, 1 if there is none or the LMN process does not run.
"""
#: Seconds between two looks: of the table, and of lines.
_EVERY, _LOOKS_EVERY = 1.0, 0.25
_HOME, _END_OF_LINE, _BELOW, _CLEAR = "\x1b[H", "\x1b[K", "\x1b[J", "\x1b[2J"
_BOLD, _PLAIN = "\x1b[1m", "\x1b[0m"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which meters, in which form."""
    parser.add_argument("meters", nargs="*", metavar="METER", help="names of meters (default: all)")
    parser.add_argument("--once", action="store_true", help="show what there is now, and end")
    parser.add_argument("--json", action="store_true", help="one JSON object a telegram, a line each")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Show, until Ctrl-C."""
    configuration = load(arguments.config)
    names = [meter.name for meter in configuration.meters]
    for name in arguments.meters:
        if name not in names:
            raise SmgwError(f"{arguments.config} has no meter {name!r}; it has {', '.join(names) or 'none'}")
    meters = [meter for meter in configuration.meters if not arguments.meters or meter.name in arguments.meters]
    if arguments.once:
        return _once(arguments.state, meters, as_json=arguments.json)
    try:
        if sys.stdout.isatty() and not arguments.json:
            _screen(arguments.state, meters)
        else:
            _changes(arguments.state, meters, as_json=arguments.json)
    except KeyboardInterrupt:
        if sys.stdout.isatty():
            print()
    return 0


def _once(state: Path, meters: Sequence[MeterProfile], *, as_json: bool) -> int:
    view = look(state, meters)
    if as_json:
        for live in view.lives:
            print(json.dumps(live_object(live)))
    elif view.lives:
        print("\n".join(table(list(rows_of(view.lives)))))
    for remark in remarks(view, meters):
        print(f"smgw watch: {remark}", file=sys.stderr)
    return 0 if view.lives and view.running else 1


def _screen(state: Path, meters: Sequence[MeterProfile]) -> None:
    """The table in place, values that changed in bold."""
    before: dict[Key, str] = {}
    screen = controlled(sys.stdout)
    print(_CLEAR, end="", file=screen)
    while True:
        view = look(state, meters)
        rows = list(rows_of(view.lives))
        columns, height = _size()
        lines = []
        for remark in (*remarks(view, meters), "Ctrl-C ends it"):  # first: a table that is cut off hides none
            lines += textwrap.wrap(remark, columns)
        changed = {row.key for row in rows if before.get(row.key, row.value) != row.value}
        lines += ["", *table(rows, changed)]
        before = {row.key: row.value for row in rows}
        if len(lines) > height:
            more = f"... {len(lines) - height + 1} more lines: name meters as arguments, or make the window larger"
            lines = [*lines[: height - 1], more]
        shown = (_cut(line, columns) + _PLAIN + _END_OF_LINE for line in lines)
        print(_HOME + "\n".join(shown) + _BELOW, end="", flush=True, file=screen)
        time.sleep(_EVERY)


def _changes(state: Path, meters: Sequence[MeterProfile], *, as_json: bool) -> None:
    """A line for each value that changed, or an object for each telegram; a remark when it is new."""
    before: dict[Key, str] = {}
    stamps: dict[tuple[str, str], Stamp] = {}
    said: list[str] = []
    while True:
        view = look(state, meters)
        for remark in (found := remarks(view, meters)):
            if remark not in said:
                print(f"smgw watch: {remark}", file=sys.stderr, flush=True)
        said = found
        for live in view.lives:
            capture = live.capture
            source = capture.meter, capture.device.hex()
            if stamps.get(source) == capture.stamp:
                continue
            stamps[source] = capture.stamp
            if as_json:
                print(json.dumps(live_object(live)), flush=True)
                continue
            valid = capture.stamp.state is ClockState.SYNCHRONISED
            captured = utc_text(capture.stamp.utc_us, "milliseconds", valid=valid)
            for row in rows_of([live]):
                if before.get(row.key) != row.value:
                    before[row.key] = row.value
                    print(captured, capture.meter, capture.device, row.key[2], row.value, sep="  ", flush=True)
        time.sleep(_LOOKS_EVERY)


def table(rows: Sequence[Row], changed: Collection[Key] = ()) -> list[str]:
    """The lines of the table, those of changed values in bold; empty without a value."""
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(HEAD, *(row.cells for row in rows), strict=True)]
    lines = [_line(HEAD, widths)]
    previous = ""
    for key, cells in rows:
        line = _line(("" if cells[0] == previous else cells[0], *cells[1:]), widths)
        lines.append(f"{_BOLD}{line}" if key in changed else line)
        previous = cells[0]
    return lines


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(
        cell.rjust(width) if place in RIGHT else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ).rstrip()


def _cut(line: str, columns: int) -> str:
    """No longer than the window is wide: a line that wraps would shift all below it."""
    bold = _BOLD if line.startswith(_BOLD) else ""
    return bold + line.removeprefix(bold)[:columns]


def _size() -> tuple[int, int]:
    try:
        size = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        return 80, 24
    return size.columns or 80, size.lines or 24
