"""`smgw dump`: telegrams of a meter as a tree for users, or as JSON for programs."""

import argparse
import math
import os
import sys
from pathlib import Path

from smgw.cli.held_port import show_live_instead
from smgw.cli.look import look_at
from smgw.dump.printer import Options, Printer, formats, make_printer
from smgw.dump.source import dump, is_port
from smgw.errors import reason
from smgw.ports import LineSettings, PortError

_EPILOG = """\
examples:
  smgw dump sml /dev/ttyUSB0            live, until Ctrl-C
  smgw dump sml capture.bin --json      one JSON object for each telegram
  smgw dump sml - < capture.bin         from standard input
  smgw dump dlms /dev/ttyUSB0 --baudrate 2400 --parity E
  smgw dump dlms push.hex --key meter.key --authentication-key meter.auth
  smgw dump p1 /dev/ttyUSB0 --baudrate 115200

A port is a device, spy://DEVICE, or socket://, tls:// or rfc2217:// with host:port.
A file holds raw octets, or a text of hex digits. Comments in it begin with #.
DLMS is found in HDLC frames, M-Bus, the wrapper of TCP, or alone.
A key is 32 or 64 hex digits in a file that only you can read (chmod 600).
With --authentication-key none a telegram with an authentication tag is read without checking it.
Exit code 0 if a telegram was read, 1 if none was, 2 for a wrong command or an unreadable file.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Protocol and source."""
    parser.add_argument("protocol", choices=sorted(formats()), help="the protocol of the meter")
    parser.add_argument("source", metavar="FILE|PORT", help="a file of raw octets, a port, or - for standard input")
    parser.add_argument("--json", action="store_true", help="one JSON object for each telegram, on a line of its own")
    parser.add_argument("--baudrate", type=_speed, default=9600, help="of a serial port (default %(default)s)")
    parser.add_argument("--parity", choices="NEO", default="N", help="of a serial port (default %(default)s)")
    parser.add_argument(
        "--bytesize", type=int, choices=(7, 8), default=8, help="data bits of a port; 7 in software where it has 8 only"
    )
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
            help=f"dlms and p1: a file of mode 0600 with {what} in hex; may be given several times",
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
    options = Options(
        arguments.json,
        arguments.count,
        is_port(arguments.source),
        tuple(arguments.key),
        tuple(arguments.authentication_key),
    )
    printer = make_printer(arguments.protocol, options)
    try:
        dump(
            arguments.source,
            LineSettings(arguments.baudrate, arguments.bytesize, arguments.parity, 1),
            arguments.seconds,
            printer,
            arguments.protocol,
            look_at(arguments.source, arguments.state, _say),
        )
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:  # nobody reads any more, such as after `| head`: what Python still holds goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0 if printer.delivered else 1
    except (PortError, OSError) as error:
        if _held(error, printer, arguments):
            return 0
        text = str(error)
        if isinstance(error, OSError):
            text = f"{arguments.source}: {reason(error)}; name a file with a meter's octets, or a port"
        print(f"smgw dump: {text}", file=sys.stderr)
        if not printer.delivered:
            return 2
    printer.summary()
    return 0 if printer.delivered else 1


def _say(text: str) -> None:
    print(f"smgw dump: {text}", file=sys.stderr)


def _held(error: Exception, printer: Printer, arguments: argparse.Namespace) -> bool:
    """True if the gateway has the port, and its live values were shown instead."""
    unopened = isinstance(error, PortError) and not printer.delivered
    return unopened and show_live_instead(arguments.source, arguments.state, as_json=arguments.json)
