"""`smgw log`: the log books of both processes, and the check that they were not changed."""

import argparse
import json
import sys
from typing import Any

from smgw.cli.numbers import count
from smgw.clock.text import utc_text
from smgw.cosem import ClockState
from smgw.cosem.printable import printable
from smgw.store import paths
from smgw.store.errors import StoreAbsent
from smgw.store.file.log_book import LogEntry, first_broken
from smgw.store.lmn.view import LmnView
from smgw.store.wan.view import WanView

_BOOKS = (("lmn", LmnView, paths.lmn_directory), ("wan", WanView, paths.wan_directory))
_EPILOG = """\
Entries are numbered without gaps. Each entry is sealed by the hash of the entry before it. A time marked (?) was
stamped while the gateway's clock was not synchronised. Exit code 1 if --verify finds a broken seal, or if there is
no log book at all.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The number of entries and their form."""
    parser.add_argument("-n", "--lines", type=count, default=50, metavar="N", help="the newest N entries (default 50)")
    parser.add_argument("--json", action="store_true", help="one JSON object for each entry, on a line of its own")
    parser.add_argument("--verify", action="store_true", help="check the numbers and the seals of all entries")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Print, or verify."""
    entries: list[tuple[str, LogEntry]] = []
    broken = absent = 0
    for process, view, directory in _BOOKS:
        try:
            with view.open(directory(arguments.state)) as opened:
                if arguments.verify:
                    broken += _verify(process, opened.log_entries(-1, "system"))
                else:
                    entries += [(process, entry) for entry in opened.log_entries(arguments.lines)]
        except StoreAbsent as error:
            print(f"smgw log: {error}", file=sys.stderr)
            absent += 1
    entries.sort(key=lambda pair: pair[1].utc_us)
    for process, entry in entries[-arguments.lines :]:
        print(json.dumps(_object(process, entry)) if arguments.json else _line(process, entry))
    return 1 if broken or absent == len(_BOOKS) else 0


def _verify(process: str, entries: list[LogEntry]) -> int:
    bad = first_broken(entries)
    if bad is None:
        print(f"{process}: {len(entries)} entries, numbers and seals are whole")
        return 0
    print(f"{process}: the seal before entry {bad.number} of book {bad.book!r} is broken ({_line(process, bad)})")
    return 1


def _line(process: str, entry: LogEntry) -> str:
    time = utc_text(entry.utc_us, "milliseconds", valid=entry.clock_state is ClockState.SYNCHRONISED)
    return f"{time}  {process}  {entry.level.name:<7}  {entry.event}  {printable(entry.subject)}"


def _object(process: str, entry: LogEntry) -> dict[str, Any]:
    return {
        "process": process,
        "book": entry.book,
        "number": entry.number,
        "event": entry.event,
        "level": entry.level.name,
        "outcome": entry.outcome,
        "subject": entry.subject,
        "time_us": entry.utc_us,
        "time_valid": entry.clock_state is ClockState.SYNCHRONISED,
    }
