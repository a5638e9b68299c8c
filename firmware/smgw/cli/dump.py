"""`smgw dump`: what a meter says, as a tree for people or as JSON for programs."""

import argparse
import math
import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from io import FileIO
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from smgw.cli.sml_dump import Printer
from smgw.ports import LineSettings, PortError, open_port
from smgw.sml.crc import Crc
from smgw.sml.file import find_messages
from smgw.sml.messages import Message, OpenResponse
from smgw.sml.telegram import Telegram, TelegramReader
from smgw.sml.transport import START, START_V2, Refused

_PIECE = 65_536
_EPILOG = """\
examples:
  smgw dump sml /dev/ttyUSB0            live, until Ctrl-C
  smgw dump sml capture.bin --json      one JSON object a delivered telegram
  smgw dump sml - < capture.bin         from standard input

A port is anything pyserial opens: a device, socket://host:port, spy://...
Exit code 0 if any telegram was delivered, 1 if none, 2 for a wrong command or an unreadable file.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Protocol and source."""
    parser.add_argument("protocol", choices=("sml",), help="the protocol the meter speaks")
    parser.add_argument("source", metavar="FILE|PORT", help="a file of raw octets, a port, or - for standard input")
    parser.add_argument("--json", action="store_true", help="one JSON object a delivered telegram, a line each")
    parser.add_argument("--baudrate", type=_speed, default=9600, help="of a serial port (default %(default)s)")
    parser.add_argument("--parity", choices="NEO", default="N", help="of a serial port (default %(default)s)")
    parser.add_argument("--count", type=_count, default=0, metavar="N", help="stop after N telegrams (default: never)")
    parser.add_argument(
        "--seconds", type=_seconds, default=0, metavar="S", help="listen for S seconds (default: no end)"
    )
    parser.epilog = _EPILOG


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def _speed(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not (math.isfinite(number) and number >= 0):
        raise ValueError
    return number


_count.__name__ = "count"  # what argparse calls it in "invalid count value"
_speed.__name__ = "speed"
_seconds.__name__ = "number of seconds"


def run(arguments: argparse.Namespace) -> int:
    """Print telegrams as they come, the sum at the end on stderr."""
    printer = Printer(as_json=arguments.json, most=arguments.count)
    try:
        _print(arguments, printer)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:  # nobody reads any more, such as after `| head`: what Python still holds goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0 if printer.delivered else 1
    except (PortError, OSError) as error:
        text = f"{arguments.source}: {error.strerror}" if isinstance(error, OSError) else str(error)
        print(f"smgw dump: {text}", file=sys.stderr)
        if not printer.delivered:
            return 2
    printer.summary()
    return 0 if printer.delivered else 1


def _print(arguments: argparse.Namespace, printer: Printer) -> None:
    source = arguments.source
    if source == "-":
        _from_octets(_pieces(sys.stdin.buffer), printer)
    elif "://" in source or (Path(source).exists() and stat.S_ISCHR(Path(source).stat().st_mode)):
        _from_port(arguments, printer)
    else:
        with Path(source).open("rb", buffering=0) as file:
            _from_octets(_pieces(file), printer)


def _pieces(file: BinaryIO | FileIO) -> Iterator[bytes]:
    """What a file holds, or what a pipe brings, as soon as it comes."""
    while piece := os.read(file.fileno(), _PIECE):
        yield piece


def _from_octets(pieces: Iterator[bytes], printer: Printer) -> None:
    held = bytearray()  # from the first octet until a start is seen
    for piece in pieces:
        searched = max(0, len(held) - len(START))
        held += piece
        if held.find(START, searched) >= 0 or held.find(START_V2, searched) >= 0:
            break
    else:
        for telegram in _without_transport(find_messages(bytes(held))):
            printer.take([telegram])
        return
    reader = TelegramReader()
    for piece in chain((bytes(held),), pieces):
        printer.take(reader.receive(piece))
        if printer.enough:
            return
    printer.take(reader.finish())


def _without_transport(found: Iterable[tuple[Message, Crc]]) -> Iterator[Telegram]:
    """Telegrams out of bare messages: each open begins another, and so does another check sum."""
    messages: list[Message] = []
    family = Crc.X25
    for message, crc in found:
        if messages and (isinstance(message.body, OpenResponse) or crc is not family):
            yield Telegram(messages, family)
            messages = []
        family = crc
        messages.append(message)
    if messages:
        yield Telegram(messages, family)


def _from_port(arguments: argparse.Namespace, printer: Printer) -> None:
    reader = TelegramReader()
    ends = time.monotonic() + arguments.seconds if arguments.seconds else None
    silent_since = time.monotonic()
    with open_port(arguments.source, LineSettings(arguments.baudrate, 8, arguments.parity, 1)) as port:
        while not printer.enough and (ends is None or time.monotonic() < ends):
            if port.wait(1.0 if ends is None else max(0.0, min(1.0, ends - time.monotonic()))):
                port.gather(0.05)
                events: list[Telegram | Refused] = reader.receive(port.read())
                printer.take(events)
                if events:
                    silent_since = time.monotonic()
            if time.monotonic() - silent_since > 10:
                print(
                    f"smgw dump: nothing to show from {arguments.source} for 10 s; is the head over the right diode, "
                    f"the speed {arguments.baudrate} Bd, the parity {arguments.parity}?",
                    file=sys.stderr,
                )
                silent_since = time.monotonic()
