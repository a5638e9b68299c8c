"""The command `smgw`."""

import argparse
import contextlib
import gc
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

from smgw import __version__
from smgw.errors import SmgwError, reason
from smgw.store import paths

DEFAULT_CONFIGURATION = Path("/etc/smgw/gateway.toml")
USAGE_ERROR = 2
_COLUMNS = 80  # where there is no terminal

# Each command is one module of this package with `add_arguments(parser)` and `run(arguments) -> exit code`. Only the
# module of the command that was asked for is imported, so a daemon has nothing of the others, and help comes at once.
_COMMANDS = {
    "lmn": "read the meters and keep every reading (a daemon)",
    "wan": "deliver the readings to the market participants, sample the time (a daemon)",
    "board": "status LEDs and the shutdown button, on lines of a GPIO chip (a daemon)",
    "han": "pages, programs and live values for the house, each with a login (a daemon)",
    "run": "these as children of one command, for demo and lab",
    "setup": "scan for meters, ask for the rest, and write a configuration that was checked",
    "check": "check a configuration and say what is wrong, where, and what would be right",
    "read": "read meters once and print their values",
    "scan": "find out what is behind a port, and print a meter profile for it",
    "profile": "read a meter's own load profile, as far as it is not kept yet, and print it",
    "daily": "readings of billing days (TAF 6), for a move or a change of supplier; each retrieval is logged",
    "evaluate": "what a tariff would have given over stored readings, without changing anything",
    "status": "how the gateway fares: meters, store, delivery, clock; exit code 0 healthy, 1 degraded, 2 down",
    "watch": "the newest value of every register, in a table that is renewed every second",
    "log": "the log books of all processes as one; --verify checks that nobody tampered with them",
    "verify": "check the gateway's signatures of values in a document or an export archive",
    "deliver": "deliver now what waits; --again also what an EMP refused",
    "retry": "ask a meter again that is held because it refused its password",
    "set-counter": "tell the gateway what the dial of a meter with pulses shows",
    "clock": "show the sources of time; or accept: allow a large step of the time that one source alone wants",
    "keys": "private keys and certificates: make, install, list",
    "consumer": "logins of consumers at the HAN: add, list, reset, remove",
    "technician": "logins of technicians at the HAN, by certificate: add, list, remove",
    "update": "update the system on the card, and fall back if the new one does not work: install, status, accept",
    "export": "what waits for an EMP into a file that is carried by hand, for `emp import`",
    "transparency": "the consumer's file of a usage point, for the display software TRuDI (VDE-AR 2418-6)",
    "support-bundle": "what a supporter wants to know, in one file; secrets, and on request ids, are left out",
    "dump": "print the telegrams in a file, or those that a port receives, as a readable tree or as JSON",
}
_DAEMONS = ("lmn", "wan", "keys", "board", "han")
_DESCRIPTION = """\
Smart meter gateway. Reads meters, keeps every reading with its time and quality, delivers it to market participants.

A first look at a meter:     smgw dump sml /dev/ttyUSB0
A gateway on this machine:   smgw check --config gateway.toml && smgw run --config gateway.toml --state ./state
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code. Errors a person can mend are one line on stderr, never a traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        prog="smgw", description=_DESCRIPTION, formatter_class=_help(argparse.RawDescriptionHelpFormatter)
    )
    parser.add_argument("--version", action="version", version=f"smgw {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    asked = next((argument for argument in given if not argument.startswith("-")), None)
    for name, text in _COMMANDS.items():
        if name != asked:
            if asked not in _COMMANDS:  # only the help, or the choices that an error names
                commands.add_parser(name, help=text, add_help=False)
            continue
        command = commands.add_parser(
            name, description=_sentence(text), formatter_class=_help(argparse.RawTextHelpFormatter)
        )
        common_arguments(command)
        with quick_imports():
            module = import_module(f"smgw.cli.{name.replace('-', '_')}")
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    parsed = parser.parse_args(given)
    from smgw.cli.terminal import harmless_output

    with harmless_output():
        return _run(parsed)


@contextlib.contextmanager
def quick_imports() -> Iterator[None]:
    """Imports leave no garbage, so nobody looks for it within this block: 4 ms of `smgw status`."""
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searching:
            gc.enable()


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _run(parsed: argparse.Namespace) -> int:
    try:
        return int(parsed.run(parsed))
    except SmgwError as error:
        _tell(parsed.command, error)
        return USAGE_ERROR
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()  # nobody reads what we print, such as after `| head`
        return 1
    except OSError as error:  # a file or a host that no command has foreseen
        if parsed.log_level == "debug":
            raise
        _tell(parsed.command, SmgwError(f"{error.filename or 'the system'}: {reason(error)}"))
        return USAGE_ERROR


def _help(formatter: type[argparse.HelpFormatter]) -> partial[argparse.HelpFormatter]:
    """The formatter, told how wide it is: to find that out it would bring shutil and three compressors along."""
    try:
        width = int(os.environ.get("COLUMNS", "0")) or os.get_terminal_size().columns or _COLUMNS
    except (OSError, ValueError):
        width = _COLUMNS
    return partial(formatter, width=width - 2)


def _tell(command: str, error: SmgwError) -> None:
    """One line on stderr; of a daemon under systemd an entry of the journal, which can be looked for."""
    from smgw.board.journal import goes_to_journal

    if goes_to_journal() and command in _DAEMONS:
        import logging

        logging.getLogger(__name__).error("smgw %s: %s", command, error, extra={"event": "start-refused"})
    else:
        print(f"smgw {command}: {error}", file=sys.stderr)


def common_arguments(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """What every command understands. `again`: for an action of a command that has understood them already."""
    for name, metavar, default, text in (
        ("--config", "FILE", DEFAULT_CONFIGURATION, "configuration"),
        ("--state", "DIR", paths.STATE, "state directory"),
    ):
        parser.add_argument(
            name,
            type=Path,
            default=argparse.SUPPRESS if again else default,
            metavar=metavar,
            help=f"{text} (default {default})",
        )
    parser.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default=argparse.SUPPRESS if again else "info",
        help="how much goes to stderr (default info)",
    )
