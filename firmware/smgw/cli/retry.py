"""`smgw retry`: ask a held meter again with the same password."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from smgw.cli.numbers import seconds
from smgw.cosem.printable import printable
from smgw.errors import SmgwError
from smgw.profiles.gateway import Configuration
from smgw.profiles.toml_importer import load
from smgw.services.process import set_up_logging
from smgw.store import paths
from smgw.store.file.lock import owner_running
from smgw.store.lmn.budget import order_step
from smgw.store.lmn.holds import order_retry
from smgw.store.lmn.pushes import forget
from smgw.store.lmn.view import LmnView
from smgw.store.records import Condition, MeterState

_EPILOG = """\
A meter that refused its password is held: the gateway does not ask it again, because it may lock itself.
A meter is also held if an answer asks for an invocation counter far ahead: this command allows the step.
This command ends the hold. After a corrected password, reload the configuration instead.
If an encrypted pushing meter was reset, its next push is accepted after: smgw retry METER
The running gateway asks the meter within some seconds, and the command waits for the outcome.
If no gateway runs, the meter is asked at the next start.
Exit code 0 if every meter answered or none was held, 1 if one refused again or did not answer.
"""
_LOOK_S = 0.5
#: The states in which a poll has had its outcome.
_SETTLED = (Condition.READING, Condition.LOCKED, Condition.HELD)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which meter."""
    parser.add_argument("meter", nargs="?", metavar="METER", help="name of a meter (default: all that are held)")
    parser.add_argument(
        "--seconds", type=seconds, default=60.0, metavar="S", help="how long to wait (default %(default)s)"
    )
    parser.set_defaults(log_level="warning")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Order, wait, print the outcome."""
    set_up_logging(arguments.log_level)
    names = _names(load(arguments.config), arguments.config, arguments.meter)
    directory = paths.lmn_directory(arguments.state)
    before = _states(directory)
    ordered = order_retry(directory, names)
    for name in names if arguments.meter else ordered:
        if name not in ordered:
            print(f"meter {name}{_without_hold(directory, name)}")
    if not ordered:
        if not arguments.meter:
            print("no meter is held")
        return 0
    if not owner_running(paths.lock_of(directory / paths.LMN)):
        for name in ordered:
            print(f"meter {name}: the hold has ended; the gateway does not run and asks the meter at its next start")
        return 0
    ends = time.monotonic() + arguments.seconds
    answered = [_outcome(directory, name, before.get(name, []), ends) for name in ordered]
    return 0 if all(answered) else 1


def _without_hold(directory: Path, name: str) -> str:
    """The answer for a meter that is not held."""
    if order_step(directory, name):
        return ": the step of its invocation counter is allowed"
    if forget(directory, name):
        return ": its next push counts, whatever its invocation counter is"
    return " is not held; there is nothing to retry"


def _names(configuration: Configuration, file: Path, meter: str | None) -> list[str]:
    names = [one.name for one in configuration.meters]
    if meter is not None and meter not in names:
        raise SmgwError(f"{file} has no meter {meter!r}; it has {', '.join(names) or 'none'}")
    return names if meter is None else [meter]


def _states(directory: Path) -> dict[str, list[MeterState]]:
    """Meter -> the states of its devices."""
    found: dict[str, list[MeterState]] = {}
    with LmnView.open(directory) as view:
        for state in view.meter_states():
            found.setdefault(state.meter, []).append(state)
    return found


def _outcome(directory: Path, meter: str, before: Sequence[MeterState], ends: float) -> bool:
    """Wait for the poll until a moment (monotonic); print its result. True if the meter answered."""
    old = {(state.device, state.since_us) for state in before}
    while True:
        states = _states(directory).get(meter, [])
        news = (state for state in states if state.state in _SETTLED and (state.device, state.since_us) not in old)
        if (found := next(news, None)) is not None:
            refused = found.state is Condition.HELD
            print(f"meter {meter}: {'refuses again: ' if refused else 'is read: '}{printable(found.note)}")
            return not refused
        if time.monotonic() > ends:
            note = states[0].note if states else "nothing is known of it"
            print(printable(f"meter {meter}: no outcome yet; now: {note}"))
            return False
        time.sleep(_LOOK_S)
