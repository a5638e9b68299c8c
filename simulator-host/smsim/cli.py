"""The command `smsim`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from smgw.errors import SmgwError, reason

from smsim import __version__
from smsim.errors import ConfigError

# What only one command needs is imported in its function: the help and `smsim styles` come at once.
if TYPE_CHECKING:
    import asyncio

    from smsim.config import Config
    from smsim.ports import PushPort

_DESCRIPTION = """\
Electricity meters for a testbed. Their registers follow a household's load profile (H0) and a
photovoltaic plant's (PV0), by default 225 times as fast as real time; they speak SML.

  smsim run                     one meter, 1UTB0000000001, answering on TCP port 33333 of this PC
  smsim example > meters.toml   a commented configuration to start from
  smsim run meters.toml         the meters of that file
  smsim styles                  the makes of meters whose telegrams it can send
  smsim say CONTROL ORDER ...   switch faults on and off while `smsim run --control CONTROL` runs
  smsim replay capture.bin --port pty:/tmp/meter
                                a real meter's capture, as if the meter were there
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; exit status 0, 1 for a reported fault, 2 for a wrong command line."""
    given = sys.argv[1:] if arguments is None else arguments
    chosen = _parser(given).parse_args(given)
    try:
        return _carry_out(chosen)
    except SmgwError as error:
        print(f"smsim: {error}", file=sys.stderr)
        return 1
    except OSError as error:  # a file or a host that no command has foreseen
        print(f"smsim: {error.filename or 'the system'}: {reason(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # before the loop listens to it
        return 130


def _carry_out(chosen: argparse.Namespace) -> int:
    if chosen.command == "example":
        print(Path(__file__).with_name("example.toml").read_text(encoding="utf-8"), end="")
        return 0
    if chosen.command == "styles":
        return _styles()
    if chosen.command == "say":
        return _say(chosen)
    import asyncio
    import logging

    logging.basicConfig(level=logging.WARNING, format="smsim: %(message)s", stream=sys.stderr)
    if chosen.command == "replay":
        return asyncio.run(_replay(chosen))
    return asyncio.run(_run(chosen, _config(chosen.config)))


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="smsim", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"smsim {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("run", "run the meters until SIGTERM or Ctrl-C"),
        ("menu", "run the meters and look at their settings by a menu"),
    ):
        command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        command.add_argument(
            "config", nargs="?", type=Path, metavar="CONFIG",
            help="TOML file with the meters (see `smsim example`); without it one meter on TCP port 33333",
        )  # fmt: skip
        command.add_argument(
            "--listen", metavar="ADDRESS", default=None,
            help="where TCP meters without an address of their own listen (default 127.0.0.1; 0.0.0.0 is everywhere)",
        )  # fmt: skip
        command.add_argument(
            "--json-report", type=Path, metavar="FILE",
            help="write what was sent and the last register values to FILE at the end",
        )  # fmt: skip
        command.add_argument(
            "--control", type=Path, metavar="PATH", help="make a socket at PATH that takes the orders of `smsim say`"
        )
    replay = commands.add_parser(
        "replay",
        help="play a capture of raw octets to a port",
        description="Play a capture telegram by telegram (cut at its start escapes) at the speed of the line. "
        "On a pty it begins when a reader opens the link.",
    )
    replay.add_argument("file", type=Path, metavar="FILE", help="raw octets of a meter")
    replay.add_argument("--port", required=True, type=_push_port, help="pty:LINK or a serial device")
    replay.add_argument(
        "--interval", type=_seconds, default=1.0, metavar="S", help="from one telegram's start to the next (default 1)"
    )
    replay.add_argument("--baud", type=_baud, default=9600, metavar="BD", help="speed of the line (default 9600)")
    replay.add_argument(
        "--loop", action="store_true", help="begin again at the end, until stopped; a cut last telegram is left out"
    )
    say = commands.add_parser(
        "say",
        help="switch faults of a running simulator on and off",
        description="Give one order to the simulator that `smsim run --control CONTROL` started.\n\n" + _orders(given),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    say.add_argument("control", type=Path, metavar="CONTROL", help="the path that the simulator was given")
    say.add_argument("order", nargs="*", metavar="WORD", help="the order, e.g. roof loss one_in=50 for=10")
    commands.add_parser("styles", help="list the makers' styles", description="List the makers' styles.")
    commands.add_parser("example", help="print a commented configuration", description="Print an example.")
    return parser


def _orders(given: Sequence[str]) -> str:
    """The grammar of the orders, if somebody asks for it: it comes with both kinds of meters."""
    if "say" not in given:
        return ""
    from smsim.orders import HELP

    return HELP


def _push_port(text: str) -> "PushPort":
    from smsim.ports import parse_push_port

    try:
        return parse_push_port(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; write pty:LINK or a device such as /dev/ttyUSB0") from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 to 86400")
    return seconds


def _baud(text: str) -> int:
    if not text.isdecimal() or not 300 <= int(text) <= 4_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no speed from 300 to 4000000")
    return int(text)


def _config(path: Path | None) -> "Config":
    from smsim.config import default_config, load

    return default_config() if path is None else load(path)


def _styles() -> int:
    from smsim.sml import style

    for name in style.names():
        made = style.load(name)
        locked = f", PIN-locked as {made.locked}" if made.locked else ""
        objects = " ".join(".".join(map(str, register.obis[2:5])) for register in made.registers)
        print(f"{name:<28} {objects}{locked}")
    return 0


def _say(chosen: argparse.Namespace) -> int:
    import shlex

    from smsim import control

    well, answer = control.say(chosen.control, shlex.join(chosen.order))
    print(answer if well else f"smsim: {answer}", file=sys.stdout if well else sys.stderr)
    return 0 if well else 1


def _stop_on_signals() -> "asyncio.Event":
    import asyncio
    import signal

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _run(chosen: argparse.Namespace, config: "Config") -> int:
    import asyncio
    import json

    from smsim import control, menu
    from smsim.simulator import Simulator

    if chosen.json_report:
        _write_report(chosen.json_report, "{}")  # a file that cannot be written is told now, not after hours
    stop = _stop_on_signals()
    simulator = Simulator(config, listen=chosen.listen)
    for line in await simulator.start():
        print(f"smsim: {line}", flush=True)
    listener = control.Control(simulator, chosen.control) if chosen.control else None
    chooser = asyncio.ensure_future(menu.run(simulator, stop)) if chosen.command == "menu" else None
    try:
        if listener is not None:
            await listener.start()
        await simulator.wait(stop)
    finally:
        if listener is not None:
            listener.close()
        if chooser is not None:
            chooser.cancel()
        report = simulator.report()
        await simulator.stop()
    for line in simulator.summary():
        print(f"smsim: {line}", flush=True)
    if chosen.json_report:
        _write_report(chosen.json_report, json.dumps(report, indent=1))
    return 0


def _write_report(path: Path, text: str) -> None:
    try:
        path.write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            str(path), None, "--json-report", f"cannot be written: {reason(error)}", "name a file where you may write"
        ) from None


async def _replay(chosen: argparse.Namespace) -> int:
    import asyncio

    from smsim.replay import Replay, cut, read_capture, without_cut_end

    stop = _stop_on_signals()
    octets = read_capture(chosen.file)
    if chosen.loop and (left_out := len(octets) - len(octets := without_cut_end(octets))):
        print(f"smsim: {chosen.file} ends within a telegram; the last {left_out} octets are left out", flush=True)
    pieces = cut(octets)
    replay = Replay(pieces, chosen.port, baud=chosen.baud, interval_s=chosen.interval, loop=chosen.loop)
    print(f"smsim: replay of {chosen.file} ({len(pieces)} pieces) on {chosen.port}", flush=True)
    stopping, playing = asyncio.ensure_future(stop.wait()), asyncio.ensure_future(replay.run())
    try:
        await asyncio.wait({stopping, playing}, return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            playing.result()
    except OSError as error:
        raise ConfigError(str(chosen.port), None, "", f"the line is gone: {reason(error)}") from None
    finally:
        stopping.cancel()
        playing.cancel()
        replay.close()
    print(f"smsim: replay: {replay.telegrams} pieces, {replay.octets} octets, {replay.lost} not taken", flush=True)
    return 0
