"""`smgw update status`."""

import argparse
import json
from typing import Any

from smgw import __version__
from smgw.clock.text import utc_text
from smgw.cosem.printable import printable
from smgw.store import paths
from smgw.update import rauc, stores
from smgw.update.rauc import Slot, booted_slot
from smgw.update.trial import Last, Result, Trial, last, pending

_RESULTS = {
    Result.KEPT: "works and was kept",
    Result.FELL_BACK: "did not come to work, and the old version started again",
    Result.INTERRUPTED: "was not written whole, because the installation was interrupted; install it again",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The form of the output."""
    parser.add_argument("--json", action="store_true", help="everything as one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Ask RAUC, and read the notes."""
    compatible = rauc.compatible()
    slots = rauc.slots()
    directory = paths.update_directory(arguments.state)
    trial, ended = pending(directory), last(directory)
    known = stores.of_this_program()
    if arguments.json:
        found: dict[str, Any] = {
            "compatible": compatible,
            "program": __version__,
            "booted": slots.booted,
            "next": slots.primary,
            "slots": [slot._asdict() for slot in slots.slots],
            "trial": trial and trial._asdict(),
            "last": ended and ended._asdict(),
            "stores": {name: store._asdict() for name, store in known.items()},
        }
        print(json.dumps(found))
        return 0
    lines = [_slot(slot) for slot in slots.slots]
    lines.append(f"next    slot {slots.primary} starts with the next boot")
    lines += _trial(trial) + _last(ended)
    names = ", ".join(f"{name}.db version {store.version}" for name, store in known.items())
    lines.append(f"program smgw {__version__} for {compatible}, {names}")
    print("\n".join(map(printable, lines)))
    return 0


def _slot(slot: Slot) -> str:
    what = f"{slot.version}, installed {slot.installed}" if slot.version else "as written with the card"
    return f"slot {slot.name}  {what}; {'good' if slot.good else 'not to be started'}{', runs' if slot.booted else ''}"


def _trial(trial: Trial | None) -> list[str]:
    if trial is None:
        return []
    if trial.slot != booted_slot():
        return [f"trial   {trial.version} is in slot {trial.slot}: {trial.phase}"]
    waits = "; ".join(trial.waits) or "it was not looked at yet"
    return [f"trial   {trial.version} in slot {trial.slot} runs and is not good yet: {waits}"]


def _last(ended: Last | None) -> list[str]:
    if ended is None:
        return []
    why = f": {'; '.join(ended.why)}" if ended.why else ""
    return [f"last    {ended.version} in slot {ended.slot} {_RESULTS[ended.result]} ({utc_text(ended.utc_us)}){why}"]
