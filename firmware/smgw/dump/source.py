"""Where octets to be dumped come from: a file, a pipe, standard input, or a port."""

import os
import stat
import sys
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from smgw.dump.printer import Printer, look_alike
from smgw.ports import LineSettings, Security, open_port
from smgw.ports.port import has_line
from smgw.wire.unread import Unread

_PIECE = 65_536
_SILENT_S = 10


def dump(
    source: str,
    settings: LineSettings,
    seconds: float,
    printer: Printer,
    name: str,
    security: Security | None = None,
) -> None:
    """Pass octets to a printer until it has enough, `seconds` are over (0: no end), or the file ends.

    `name` is the printer's format. Raises PortError, OSError.
    """
    if source == "-":
        _from_octets(_pieces(sys.stdin.buffer), printer)
    elif is_port(source):
        _from_port(source, settings, seconds, printer, name, security)
    else:
        with Path(source).open("rb", buffering=0) as file:
            _from_octets(_pieces(file), printer)


def is_port(source: str) -> bool:
    """True for a serial device or a URL, false for a file."""
    return "://" in source or (Path(source).exists() and stat.S_ISCHR(Path(source).stat().st_mode))


def _pieces(file: BinaryIO | FileIO) -> Iterator[bytes]:
    """The octets of a file, or of a pipe as soon as they come."""
    while piece := os.read(file.fileno(), _PIECE):
        yield piece


def _from_octets(pieces: Iterator[bytes], printer: Printer) -> None:
    for piece in pieces:
        printer.receive(piece)
        if printer.enough:
            return
    printer.finish()


def _from_port(
    source: str, settings: LineSettings, seconds: float, printer: Printer, name: str, security: Security | None
) -> None:
    now = time.monotonic
    ends = now() + seconds if seconds else None
    delivered_at = shown = now()
    unread = Unread()
    with open_port(source, settings, security=security) as port:
        while not printer.enough and (ends is None or now() < ends):
            if port.wait(1.0 if ends is None else max(0.0, min(1.0, ends - now()))):
                port.gather(0.05)
                octets = port.read()
                unread.take(octets, now())
                delivered = printer.delivered
                if printer.receive(octets):
                    shown = now()
                if printer.delivered > delivered:
                    delivered_at = now()
                    unread.clear()
            if now() - delivered_at > _SILENT_S:
                found = look_alike(name, unread.octets)
                if found or now() - shown > _SILENT_S:
                    print(f"smgw dump: {_nothing(source, settings, unread, found)}", file=sys.stderr)
                delivered_at = now()
        printer.finish()
        if not printer.delivered and (found := look_alike(name, unread.octets)):
            print(f"smgw dump: {_nothing(source, settings, unread, found)}", file=sys.stderr)


def _nothing(source: str, settings: LineSettings, unread: Unread, found: str) -> str:
    """Why there is nothing to show."""
    line = f"{source} at {settings}" if has_line(source) else source
    if not unread.count:
        return (
            f"{line}: no octets for {_SILENT_S} s. Does the meter send? Is the head over the right diode, and the wire "
            "or bridge connected?"
        )
    return f"{line}: {unread.amount(time.monotonic())} and no telegram{found and ': ' + found}"
