"""Where octets to be dumped come from: a file, a pipe, standard input, or a port."""

import os
import stat
import sys
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from smgw.dump.printer import Printer
from smgw.ports import LineSettings, open_port

_PIECE = 65_536
_SILENT_S = 10


def dump(source: str, settings: LineSettings, seconds: float, printer: Printer) -> None:
    """Hand a printer what comes, until it has enough, `seconds` are over (0: no end), or the end of a file.

    Raises PortError, OSError.
    """
    if source == "-":
        _from_octets(_pieces(sys.stdin.buffer), printer)
    elif is_port(source):
        _from_port(source, settings, seconds, printer)
    else:
        with Path(source).open("rb", buffering=0) as file:
            _from_octets(_pieces(file), printer)


def is_port(source: str) -> bool:
    """True for a serial device or a URL, false for a file."""
    return "://" in source or (Path(source).exists() and stat.S_ISCHR(Path(source).stat().st_mode))


def _pieces(file: BinaryIO | FileIO) -> Iterator[bytes]:
    """What a file holds, or what a pipe brings, as soon as it comes."""
    while piece := os.read(file.fileno(), _PIECE):
        yield piece


def _from_octets(pieces: Iterator[bytes], printer: Printer) -> None:
    for piece in pieces:
        printer.receive(piece)
        if printer.enough:
            return
    printer.finish()


def _from_port(source: str, settings: LineSettings, seconds: float, printer: Printer) -> None:
    ends = time.monotonic() + seconds if seconds else None
    silent_since = time.monotonic()
    with open_port(source, settings) as port:
        while not printer.enough and (ends is None or time.monotonic() < ends):
            if port.wait(1.0 if ends is None else max(0.0, min(1.0, ends - time.monotonic()))):
                port.gather(0.05)
                if printer.receive(port.read()):
                    silent_since = time.monotonic()
            if time.monotonic() - silent_since > _SILENT_S:
                print(
                    f"smgw dump: nothing to show from {source} for {_SILENT_S} s; is the head over the right diode, "
                    f"the speed {settings.baudrate} Bd, the parity {settings.parity}?",
                    file=sys.stderr,
                )
                silent_since = time.monotonic()
