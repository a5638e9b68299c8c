"""`smgw scan`: find the meters behind a port; prints a table and a meter profile to paste."""

import argparse
import contextlib
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from smgw.cli.held_port import show_live_instead
from smgw.cli.look import look_at
from smgw.cli.numbers import count, seconds
from smgw.cosem.printable import printable
from smgw.errors import SmgwError
from smgw.lmn.driver import line_settings
from smgw.lmn.scan import LISTEN_S, Found, Other, Scan
from smgw.ports import PortError
from smgw.ports.port import has_line, is_socket
from smgw.profiles import checks
from smgw.profiles.gpio_line import is_gpio
from smgw.services.process import set_up_logging

_EPILOG = """\
examples:
  smgw scan /dev/ttyUSB0
  smgw scan socket://192.168.1.20:4059
  smgw scan rfc2217://192.168.1.20:2217     a bridge whose speed and parity can be set
  smgw scan tls://192.168.1.21:4059         a meter with TLS: shows its certificate, too
  smgw scan /dev/ttyUSB0 --all              a bus: tries each address, about two minutes
  smgw scan /dev/ttyUSB0 --all --addresses 16-40,1021
  smgw scan /dev/ttyUSB0 --seconds 70       a meter that sends once a minute
  smgw scan /dev/ttyUSB0 --seconds 900      a radio stick: lists all meters that it hears in 15 min

Listens first, then asks: SML, then DLMS over the wrapper (TCP), HDLC and mode E, at the usual speeds and addresses.
It ends as soon as the meters are known. A silent serial port takes one to three minutes.
Standard output gets a table (as comments) and a section [[meter]]; the progress goes to standard error.
Exit code 0 if a meter was found, 1 if none was, 2 for a port that cannot be opened.
"""
_MOST_OBJECTS = 6
_HIGHEST_ADDRESS = 0x3FFD
_SPAN = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which port, how long, and which addresses."""
    parser.add_argument("port", metavar="PORT", help="a device, or socket://, tls:// or rfc2217:// with host:port")
    parser.add_argument("--all", action="store_true", help="try all addresses of a bus")
    parser.add_argument(
        "--addresses", type=addresses, default=(), metavar="A-B,C", help="with --all: physical addresses (1-125)"
    )
    parser.add_argument(
        "--seconds", type=seconds, default=LISTEN_S, metavar="S", help="listen for S seconds (default %(default)g)"
    )
    parser.add_argument(
        "--timeout", type=count, default=1, metavar="S", help="wait S seconds for an answer (default %(default)s)"
    )
    parser.set_defaults(log_level="error")
    parser.epilog = _EPILOG


def addresses(text: str) -> tuple[int, ...]:
    """Physical addresses in `16-40,1021`. ValueError."""
    found: list[int] = []
    for part in text.split(","):
        match = _SPAN.fullmatch(part.strip())
        if match is None:
            raise ValueError
        first, last = int(match[1]), int(match[2] or match[1])
        if not 0 <= first <= last <= _HIGHEST_ADDRESS:
            raise ValueError
        found += range(first, last + 1)
    return tuple(found)


addresses.__name__ = "list of addresses, such as 16-40,1021,"  # what argparse calls it in "invalid ... value"


def run(arguments: argparse.Namespace) -> int:
    """Print the meters found; for a port that the gateway holds, its live value."""
    try:
        return _scan(arguments)
    except PortError:
        if show_live_instead(arguments.port, arguments.state):
            return 0
        raise


def _scan(arguments: argparse.Namespace) -> int:
    set_up_logging(arguments.log_level)
    faults: list[str] = []
    checks.port(arguments.port, lambda text, *_: faults.append(text))
    if faults:
        raise SmgwError(faults[0])
    if is_gpio(arguments.port):
        raise SmgwError(f'{arguments.port}: pulses have no protocol to find; write a meter with protocol = "s0"')
    look = look_at(arguments.port, arguments.state, _say)
    scan = Scan(arguments.port, _say, listen_s=arguments.seconds, timeout_s=arguments.timeout, security=look)
    scan.whole, scan.addresses = arguments.all, arguments.addresses
    found: list[Found] = []
    with contextlib.suppress(KeyboardInterrupt):  # results until then are shown
        for one in scan.run():
            found.append(one)
            told = f": device {one.device}" if one.device else ""
            _say(printable(f"  found {one.profile.protocol}{told}" + (f" ({one.remark})" if one.remark else "")))
            if not arguments.all and not one.more:
                break
    if found or scan.others:
        print("\n".join(table(arguments.port, found, scan.others)) + "\n", flush=True)
    for number, one in enumerate(found, start=1):
        print(profile_text(one, number), flush=True)
    if not found:
        _say(_nothing(arguments.port, arguments.seconds, octets=bool(scan.others)))
    return 0 if found else 1


def _say(text: str) -> None:
    print(f"smgw scan: {text}", file=sys.stderr, flush=True)


def _nothing(port: str, seconds: float, *, octets: bool) -> str:
    """No meter was found: what to look at."""
    if octets:
        return "octets came, and no meter was found; the table says what they look like and what to try"
    if is_socket(port):
        look = "Is the bridge connected to the meter, in raw TCP mode, and is no other program using it?"
    else:
        look = "Is the head over the right diode, are wires A and B the right way round, is it the right port?"
    return (
        f"nothing came within {seconds:g} s, and nothing answered. {look} For a meter that sends more rarely: "
        f"--seconds {max(70, round(2 * seconds))}"
    )


def table(port: str, found: Sequence[Found], others: Sequence[Other]) -> list[str]:
    """The results, one line each, as comments of TOML."""
    rows = [("port", "settings", "protocol", "address", "device", "objects, or what else was there")]
    for one in found:
        settings = str(line_settings(one.profile)) if has_line(port) else "-"
        names = [str(obis).removesuffix("*255") for obis in one.objects]
        shown = ", ".join(names[:_MOST_OBJECTS])
        if len(names) > _MOST_OBJECTS:
            shown += f" and {len(names) - _MOST_OBJECTS} more"
        what = "; ".join(filter(None, (shown, one.remark))) or "-"
        rows.append((port, settings, one.profile.protocol, one.address or "-", one.device or "-", what))
    rows += [(port, one.settings or "-", "-", "-", "-", one.words) for one in others]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return [
        printable("# " + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]))
        for row in rows
    ]


def profile_text(found: Found, number: int = 1) -> str:
    """A section [[meter]] with what differs from the defaults."""
    profile = found.profile
    lines = ["[[meter]]" + (printable(f"  # device {found.device}") if found.device else "")]
    if found.remark:
        lines.append(printable(f"# {found.remark}"))
    lines += [f'name = "{profile.name}-{number}"', f'protocol = "{profile.protocol}"', f'port = "{profile.port}"']
    if not profile.on_network:
        told = _differences(profile, ("baudrate", "parity"), profile.entry.defaults)
        lines += [f"{key} = {_toml(value)}" for key, value in told]
    section = profile.entry.section
    if section is not None and profile.options is not None:
        own = [f"{key} = {_toml(value)}" for key, value in _differences(profile.options, tuple(section.keys))]
        if own:
            lines.append(f"{section.name} = {{ {', '.join(own)} }}")
    return "\n".join(lines) + "\n"


def _differences(one: Any, names: tuple[str, ...], usual: Mapping[str, Any] = {}) -> list[tuple[str, object]]:
    defaults = {**one._field_defaults, **usual}
    return [(name, getattr(one, name)) for name in names if getattr(one, name) != defaults.get(name)]


def _toml(value: object) -> str:
    return str(value) if isinstance(value, int) else f'"{value}"'
