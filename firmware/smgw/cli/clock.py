"""`smgw clock show`: the clock and its sources. `accept`: allow a step of the time that no other source confirms."""

import argparse
import time
from pathlib import Path

from smgw.cli.numbers import seconds
from smgw.clock.text import utc_text
from smgw.cosem.reading import ClockState
from smgw.services.process import set_up_logging
from smgw.store import paths
from smgw.store.file.lock import owner_running
from smgw.store.lmn.beside import order_acceptance, withdraw_acceptance
from smgw.store.lmn.view import LmnView

_EPILOG = """\
Two steps of the time need your consent: a step of more than an hour that only one time server asks for, and a step
to a time before the newest values in the database. `smgw log` shows which step waits.
Compare the time that `smgw clock show` prints with a clock that you trust, then accept.
Exit code 0 if the time is synchronised, 1 if it is not.
"""
_LOOK_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do."""
    parser.add_argument("action", choices=["accept", "show"], help="allow the step that waits; or show the sources")
    parser.add_argument(
        "--seconds", type=seconds, default=15.0, metavar="S", help="how long to wait (default %(default)s)"
    )
    parser.set_defaults(log_level="warning")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Order, wait, print the outcome."""
    set_up_logging(arguments.log_level)
    if arguments.action == "show":
        return _show(arguments)
    directory = paths.lmn_directory(arguments.state)
    if _synchronised(directory):
        print("the time is synchronised; there is nothing to accept")
        return 0
    if not owner_running(paths.lock_of(directory / paths.LMN)):
        print("the gateway does not run; nothing is accepted. Start it, and look at `smgw log`")
        return 1
    order_acceptance(directory)
    ends = time.monotonic() + arguments.seconds
    while (now := _synchronised(directory)) is None and time.monotonic() < ends:
        time.sleep(_LOOK_S)
    if now is not None:
        print(f"accepted: the time is synchronised, {utc_text(now)}")
        return 0
    if withdraw_acceptance(directory):
        print("no step waits, so nothing is accepted; `smgw status` shows the sources")
    else:
        print("accepted, but the time is not synchronised yet; see `smgw status`")
    return 1


def _show(arguments: argparse.Namespace) -> int:
    from smgw.cli.status import clock_lines  # here, because `accept` does without them
    from smgw.profiles.toml_importer import load
    from smgw.reports.health import examine

    clock = examine(load(arguments.config), arguments.state).clock
    if not clock:
        print("there is no clock yet: the gateway never ran")
        return 1
    print("\n".join(clock_lines(clock)))
    return int(clock["state"] != "synchronised")


def _synchronised(directory: Path) -> int | None:
    """The time by the gateway's clock, in microseconds UTC; None if it is not synchronised."""
    with LmnView.open(directory) as view:
        saved = view.clock()
    if saved is None or saved.state is not ClockState.SYNCHRONISED:
        return None
    return saved.offset_us + saved.boottime_ns // 1000
