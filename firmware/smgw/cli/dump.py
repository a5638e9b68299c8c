"""`smgw dump`: what a meter says, as a tree for people or as JSON for programs."""

import argparse
import math
import os
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Protocol

from smgw.cli.held_port import show_live_instead
from smgw.dump.sml import Printer
from smgw.ports import LineSettings, PortBusy, PortError, open_port
from smgw.sml.crc import Crc
from smgw.sml.file import find_messages
from smgw.sml.messages import Message, OpenResponse
from smgw.sml.telegram import Telegram, TelegramReader
from smgw.sml.transport import START, START_V2

_PIECE = 65_536
_EPILOG = """\
examples:
  smgw dump sml /dev/ttyUSB0            live, until Ctrl-C
  smgw dump sml capture.bin --json      one JSON object a delivered telegram
  smgw dump sml - < capture.bin         from standard input
  smgw dump dlms /dev/ttyUSB0 --baudrate 2400 --parity E
  smgw dump dlms push.hex --key meter.key --authentication-key meter.auth

A port is anything pyserial opens: a device, socket://host:port, spy://...
DLMS is found in HDLC frames, M-Bus, the wrapper of TCP, or alone; in raw octets or in a text of hex digits.
A key is 32 or 64 hex digits in a file that only you can read (chmod 600).
Exit code 0 if any telegram was delivered, 1 if none, 2 for a wrong command or an unreadable file.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Protocol and source."""
    parser.add_argument("protocol", choices=("sml", "dlms"), help="the protocol the meter speaks")
    parser.add_argument("source", metavar="FILE|PORT", help="a file of raw octets, a port, or - for standard input")
    parser.add_argument("--json", action="store_true", help="one JSON object a delivered telegram, a line each")
    parser.add_argument("--baudrate", type=_speed, default=9600, help="of a serial port (default %(default)s)")
    parser.add_argument("--parity", choices="NEO", default="N", help="of a serial port (default %(default)s)")
    parser.add_argument("--count", type=_count, default=0, metavar="N", help="stop after N telegrams (default: never)")
    parser.add_argument(
        "--seconds", type=_seconds, default=0, metavar="S", help="listen for S seconds (default: no end)"
    )
    for option, what in (("--key", "an encryption key"), ("--authentication-key", "an authentication key")):
        parser.add_argument(
            option,
            type=Path,
            action="append",
            default=[],
            metavar="FILE",
            help=f"dlms: a file of mode 0600 with {what} in hex; may be given several times",
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
    printer = _dlms(arguments) if arguments.protocol == "dlms" else _Sml(arguments)
    try:
        _print(arguments, printer)
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:  # nobody reads any more, such as after `| head`: what Python still holds goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0 if printer.delivered else 1
    except (PortError, OSError) as error:
        if isinstance(error, PortBusy) and show_live_instead(arguments.source, arguments.state, as_json=arguments.json):
            return 0
        text = f"{arguments.source}: {error.strerror}" if isinstance(error, OSError) else str(error)
        print(f"smgw dump: {text}", file=sys.stderr)
        if not printer.delivered:
            return 2
    printer.summary()
    return 0 if printer.delivered else 1


class _Dump(Protocol):
    """What prints one protocol."""

    delivered: int

    @property
    def enough(self) -> bool: ...

    def receive(self, data: bytes) -> bool: ...

    def finish(self) -> None: ...

    def summary(self) -> None: ...


def _dlms(arguments: argparse.Namespace) -> _Dump:
    from smgw.dump import dlms as dlms_dump  # only where it is asked for

    keys = dlms_dump.Keys.of(arguments.key, arguments.authentication_key)
    return dlms_dump.Printer(keys, as_json=arguments.json, most=arguments.count, live=_is_port(arguments.source))


class _Sml(Printer):
    """SML: telegrams, or bare messages where no octets begin a telegram."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        super().__init__(as_json=arguments.json, most=arguments.count)
        self._reader = TelegramReader()
        self._held = bytearray()  # of a file, from the first octet until a start is seen
        self._started = _is_port(arguments.source)

    def receive(self, data: bytes) -> bool:
        """Print what these octets complete; True if there was anything."""
        if not self._started:
            searched = max(0, len(self._held) - len(START))
            self._held += data
            if self._held.find(START, searched) < 0 and self._held.find(START_V2, searched) < 0:
                return False
            self._started, data = True, bytes(self._held)
            self._held.clear()
        events = self._reader.receive(data)
        self.take(events)
        return bool(events)

    def finish(self) -> None:
        """No more octets come."""
        if self._started:
            self.take(self._reader.finish())
        else:
            for telegram in _without_transport(find_messages(bytes(self._held))):
                self.take([telegram])


def _print(arguments: argparse.Namespace, printer: _Dump) -> None:
    source = arguments.source
    if source == "-":
        _from_octets(_pieces(sys.stdin.buffer), printer)
    elif _is_port(source):
        _from_port(arguments, printer)
    else:
        with Path(source).open("rb", buffering=0) as file:
            _from_octets(_pieces(file), printer)


def _is_port(source: str) -> bool:
    return "://" in source or (Path(source).exists() and stat.S_ISCHR(Path(source).stat().st_mode))


def _pieces(file: BinaryIO | FileIO) -> Iterator[bytes]:
    """What a file holds, or what a pipe brings, as soon as it comes."""
    while piece := os.read(file.fileno(), _PIECE):
        yield piece


def _from_octets(pieces: Iterator[bytes], printer: _Dump) -> None:
    for piece in pieces:
        printer.receive(piece)
        if printer.enough:
            return
    printer.finish()


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


def _from_port(arguments: argparse.Namespace, printer: _Dump) -> None:
    ends = time.monotonic() + arguments.seconds if arguments.seconds else None
    silent_since = time.monotonic()
    with open_port(arguments.source, LineSettings(arguments.baudrate, 8, arguments.parity, 1)) as port:
        while not printer.enough and (ends is None or time.monotonic() < ends):
            if port.wait(1.0 if ends is None else max(0.0, min(1.0, ends - time.monotonic()))):
                port.gather(0.05)
                if printer.receive(port.read()):
                    silent_since = time.monotonic()
            if time.monotonic() - silent_since > 10:
                print(
                    f"smgw dump: nothing to show from {arguments.source} for 10 s; is the head over the right diode, "
                    f"the speed {arguments.baudrate} Bd, the parity {arguments.parity}?",
                    file=sys.stderr,
                )
                silent_since = time.monotonic()
