"""`smgw update judge`: wait until the running version is good. Exit code 0 good, 1 given up.

It has no right to do anything about it. smgw-update-good.service starts a unit for each outcome, which do as root what
stands in them: smgw-update-mark.service and smgw-update-back.service.
"""

import argparse
import logging
import time
from collections.abc import Callable
from pathlib import Path

from smgw.services.process import set_up_logging
from smgw.store import paths
from smgw.update.facts import Watcher, boot_id
from smgw.update.rauc import booted_slot
from smgw.update.trial import GIVEN_UP_S, Facts, Result, Trial, end, missing, note, of_slot, outcome, pending

_log = logging.getLogger(__name__)
_LOOK_S = 10.0


def add_arguments(_: argparse.ArgumentParser) -> None:
    """None of its own."""


def run(arguments: argparse.Namespace) -> int:
    """Judge this boot."""
    set_up_logging(arguments.log_level)
    directory = paths.update_directory(arguments.state)
    watcher = Watcher(arguments.state)
    slot = booted_slot()
    tell_end(directory, slot, boot_id())
    return judge(directory, of_slot(directory, slot), watcher.look, time.sleep)


def tell_end(directory: Path, slot: str, boot: str) -> None:
    """Note and report the end of a trial whose slot does not run any more."""
    if (trial := pending(directory)) is None or (result := outcome(trial, slot, boot)) is None:
        return
    why = trial.waits if result is Result.FELL_BACK else ("the installation was interrupted",)
    end(directory, trial, result, why, time.time_ns() // 1000)
    _log.error(
        "version %s in slot %s did not come to work, and slot %s runs again: %s",
        trial.version, trial.slot, slot, "; ".join(why) or "it did not start",
        extra={"event": "update-fell-back"},
    )  # fmt: skip


def judge(directory: Path, trial: Trial | None, look: Callable[[], Facts], sleep: Callable[[float], None]) -> int:
    """Look until everything was seen, or the time is over. A slot without a trial is never given up."""
    while True:
        facts = look()
        waits = missing(trial, facts)
        if not waits:
            return _good(directory, trial)
        if trial is not None:
            trial = _note(directory, trial, waits)
            if facts.uptime_s >= GIVEN_UP_S:
                _log.error(
                    "version %s is given up, and the old one starts again: %s",
                    trial.version, "; ".join(waits), extra={"event": "update-given-up"},
                )  # fmt: skip
                return 1
        sleep(_LOOK_S)


def _good(directory: Path, trial: Trial | None) -> int:
    if trial is not None:
        end(directory, trial, Result.KEPT, (), time.time_ns() // 1000)
        _log.info("version %s in slot %s works and is kept", trial.version, trial.slot, extra={"event": "update-kept"})
    return 0


def _note(directory: Path, trial: Trial, waits: list[str]) -> Trial:
    if trial.waits == tuple(waits):
        return trial
    _log.info("version %s is on trial: %s", trial.version, "; ".join(waits))
    new = trial._replace(waits=tuple(waits))
    note(directory, new)
    return new
