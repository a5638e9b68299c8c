"""`smgw dump`: what a meter says, as a tree for people or as JSON for programs."""

import argparse
import stat
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from smgw.cli.sml_dump import Printer
from smgw.ports import LineSettings, PortError, open_port
from smgw.sml.crc import Crc
from smgw.sml.file import find_messages
from smgw.sml.messages import Message, OpenResponse
from smgw.sml.telegram import Telegram, TelegramReader
from smgw.sml.transport import START, START_V2, Refused

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
    parser.add_argument("--baudrate", type=int, default=9600, help="of a serial port (default %(default)s)")
    parser.add_argument("--parity", choices="NEO", default="N", help="of a serial port (default %(default)s)")
    parser.add_argument("--count", type=int, default=0, metavar="N", help="stop after N telegrams (default: never)")
    parser.add_argument("--seconds", type=float, default=0, metavar="S", help="listen for S seconds (default: no end)")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Print telegrams as they come, the sum at the end on stderr."""
    printer = Printer(as_json=arguments.json, most=arguments.count)
    octets = _file(arguments.source)
    try:
        if octets is None:
            _from_port(arguments, printer)
        else:
            _from_octets(octets, printer)
    except KeyboardInterrupt:
        pass
    except (PortError, OSError) as error:
        text = f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else str(error)
        print(f"smgw dump: {text}", file=sys.stderr)
        if not printer.delivered:
            return 2
    printer.summary()
    return 0 if printer.delivered else 1


def _file(source: str) -> bytes | None:
    """The octets of a file or of standard input; None if the source is a port."""
    if source == "-":
        return sys.stdin.buffer.read()
    if "://" in source or (Path(source).exists() and stat.S_ISCHR(Path(source).stat().st_mode)):
        return None
    return Path(source).read_bytes()


def _from_octets(octets: bytes, printer: Printer) -> None:
    if START in octets or START_V2 in octets:
        reader = TelegramReader()
        printer.take(reader.receive(octets))
        printer.take(reader.finish())
        return
    for telegram in _without_transport(find_messages(octets)):
        printer.take([telegram])


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
