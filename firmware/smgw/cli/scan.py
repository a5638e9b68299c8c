"""`smgw scan`: what is behind a port, and a meter profile for it ready to paste."""

import argparse
import sys
from typing import Any

from smgw.cli.held_port import show_live_instead
from smgw.errors import SmgwError
from smgw.lmn.scan import Found, Scan
from smgw.ports import PortError
from smgw.profiles import checks
from smgw.services.process import set_up_logging

_EPILOG = """\
examples:
  smgw scan /dev/ttyUSB0
  smgw scan socket://192.168.1.20:4059
  smgw scan /dev/ttyUSB0 --all           do not stop at the first that answers: a bus with several meters

Listens first, then asks: SML, then DLMS over the wrapper (TCP), HDLC and mode E, at the usual speeds and addresses.
A serial port takes one to three minutes if nothing answers. The profile goes to standard output, the progress
to standard error. Exit code 0 if anything answered, 1 if nothing did, 2 for a port that cannot be opened.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which port, and how long."""
    parser.add_argument("port", metavar="PORT", help="a device or socket://host:port")
    parser.add_argument("--all", action="store_true", help="go on after the first that answers")
    parser.add_argument(
        "--seconds", type=float, default=3.0, metavar="S", help="listen for S seconds (default %(default)s)"
    )
    parser.add_argument("--timeout", type=int, default=1, metavar="S", help="wait for an answer (default %(default)s)")
    parser.set_defaults(log_level="error")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Try everything, print a profile for what answers; of a port that the gateway holds, its live value."""
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
    scan = Scan(arguments.port, _say, listen_s=arguments.seconds, timeout_s=arguments.timeout)
    number = 0
    for number, found in enumerate(scan.run(), start=1):
        told = f": device {found.device}" if found.device else ""
        _say(f"  answers{told}" + (f" ({found.remark})" if found.remark else ""))
        print(profile_text(found, number), flush=True)
        if not arguments.all:
            break
    if not number:
        _say(
            "nothing answered; is the head over the right diode, are A and B of the bus the right way round, "
            "is it the right port?"
        )
    return 0 if number else 1


def _say(text: str) -> None:
    print(f"smgw scan: {text}", file=sys.stderr, flush=True)


def profile_text(found: Found, number: int = 1) -> str:
    """A section [[meter]] with what differs from the defaults."""
    profile = found.profile
    lines = ["[[meter]]" + (f"  # device {found.device}" if found.device else "")]
    if found.remark:
        lines.append(f"# {found.remark}")
    lines += [f'name = "{profile.name}-{number}"', f'protocol = "{profile.protocol}"', f'port = "{profile.port}"']
    if not profile.on_network:
        lines += [f"{key} = {_toml(value)}" for key, value in _differences(profile, ("baudrate", "parity"))]
    section = profile.entry.section
    if section is not None and profile.options is not None:
        told = [f"{key} = {_toml(value)}" for key, value in _differences(profile.options, tuple(section.keys))]
        if told:
            lines.append(f"{section.name} = {{ {', '.join(told)} }}")
    return "\n".join(lines) + "\n"


def _differences(one: Any, names: tuple[str, ...]) -> list[tuple[str, object]]:
    defaults = one._field_defaults
    return [(name, getattr(one, name)) for name in names if getattr(one, name) != defaults.get(name)]


def _toml(value: object) -> str:
    return str(value) if isinstance(value, int) else f'"{value}"'
