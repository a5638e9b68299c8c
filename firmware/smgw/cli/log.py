"""`smgw log`: the log books of all processes, and the check that they were not changed."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from smgw.cli.numbers import count
from smgw.clock.text import utc_text
from smgw.cosem import ClockState
from smgw.cosem.printable import printable
from smgw.errors import SmgwError
from smgw.store import paths
from smgw.store.errors import StoreAbsent
from smgw.store.file.log_book import LogEntry
from smgw.store.file.log_books import CALIBRATION, NUMBERS, SYSTEM, VENDORS, consumer_book
from smgw.store.han.view import HanView
from smgw.store.lmn.view import LmnView
from smgw.store.wan.view import WanView

_PROCESSES = (
    ("lmn", LmnView, paths.lmn_directory),
    ("wan", WanView, paths.wan_directory),
    ("han", HanView, paths.han_directory),
)
#: Not every gateway has one.
_MAYBE = ("han",)
#: Books that every gateway has, though nothing may stand in them yet.
_ALWAYS = (SYSTEM, CALIBRATION)
_EPILOG = """\
Books: `system`, `calibration`, and one for each consumer: `--book consumer NAME`. Without --book, the system log and
the software's own books are printed. Entries are numbered without gaps in their book. Each entry is sealed by the
hash of the entry before it. A time marked (?) was stamped while the gateway's clock was not synchronised. With
--verify, every entry of every book is checked, and the signatures of signed entries if this user may read the
certificates. Exit code 1 if there is a fault, or if there is no log book at all.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The book, the number of entries and their form."""
    parser.add_argument("-n", "--lines", type=count, default=50, metavar="N", help="the newest N entries (default 50)")
    parser.add_argument(
        "--book", nargs="+", metavar="BOOK", help="print this book only: system, calibration, or consumer NAME"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object for each entry, on a line of its own")
    parser.add_argument("--verify", action="store_true", help="check numbers, seals and signatures of all entries")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Print, or verify."""
    if arguments.verify:
        return _verify(arguments)
    book = _book(arguments.book)
    entries: list[tuple[str, LogEntry]] = []
    absent = 0
    for process, view, directory in _PROCESSES:
        try:
            with view.open(directory(arguments.state)) as opened:
                entries += [(process, entry) for entry in opened.log_entries(arguments.lines, book)]
        except StoreAbsent as error:
            absent += 1
            if process not in _MAYBE:
                print(f"smgw log: {error}", file=sys.stderr)
    if book is not None and not entries and absent < len(_PROCESSES):
        return _empty(arguments.state, book)
    entries.sort(key=lambda pair: pair[1].utc_us)
    for process, entry in entries[-arguments.lines :]:
        print(json.dumps(_object(process, entry)) if arguments.json else _line(process, entry))
    return 1 if absent == len(_PROCESSES) else 0


def _empty(state: Path, book: str) -> int:
    """A book without entries: say which ones there are. 1 if it is none that every gateway has."""
    from smgw.reports.log_books import check_all  # few commands need it

    there = sorted({one.book for one in check_all(state)[0]})
    print(f"smgw log: the book {book} has no entry; there are {', '.join(there) or 'none'}", file=sys.stderr)
    return 0 if book in _ALWAYS else 1


def _book(words: list[str] | None) -> str | None:
    if not words:
        return None
    kind, *name = words
    if kind == "consumer":
        if not name:
            raise SmgwError("--book consumer: whose? Write the name of the consumer behind it.")
        return consumer_book(" ".join(name))
    if name:
        raise SmgwError(f"--book {' '.join(words)}: there is no such book; write system, calibration or consumer NAME")
    return kind


def _verify(arguments: argparse.Namespace) -> int:
    from smgw.reports.log_books import check_all  # few commands need it

    books, errors, unchecked = check_all(arguments.state)
    wanted = _book(arguments.book)
    books = [one for one in books if wanted is None or one.book == wanted]
    for one in books:
        for line in one.lines:
            print(printable(line))
    for text in (*map(str, errors), *[unchecked] * bool(unchecked)):
        print(f"smgw log: {text}", file=sys.stderr)
    damaged = any(not isinstance(error, StoreAbsent) for error in errors)
    return 1 if damaged or not books or any(one.faults for one in books) else 0


def _line(process: str, entry: LogEntry) -> str:
    time = utc_text(entry.utc_us, "milliseconds", valid=entry.clock_state is ClockState.SYNCHRONISED)
    number = f" ({NUMBERS[entry.event]})" if entry.event in NUMBERS else ""
    return f"{time}  {process}  {entry.level.name:<7}  {entry.event}{number}  {printable(entry.subject)}"


def _object(process: str, entry: LogEntry) -> dict[str, Any]:
    return {
        "process": process,
        "book": entry.book,
        "number": entry.number,
        "event": entry.event,
        "event_id": NUMBERS.get(entry.event),
        "vendor_id": VENDORS.get(entry.event),
        "level": entry.level.name,
        "outcome": entry.outcome,
        "subject": entry.subject,
        "subject_identity": entry.identity,
        "user_identity": entry.user,
        "time_us": entry.utc_us,
        "time_valid": entry.clock_state is ClockState.SYNCHRONISED,
        "boot_id": entry.boot_id,
        "boottime_ns": entry.boottime_ns,
    }
