"""The trial of a new version: what was seen before it was installed, and what must be seen again.

The files lie in STATE/update, whose owner is the user smgw-update:

    trial-B.json    slot B has a version that was not found good yet; the name tells it to systemd without Python
    last.json       how the last trial ended
    bundle.raucb    the bundle that is being installed
"""

import contextlib
import json
import os
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from smgw.errors import SmgwError, reason
from smgw.update.boot_state import SLOTS

#: Without an EMP, or one that answers, a version counts as good after this time.
WITHOUT_EMP_S = 2 * 3600.0
#: A version that was not found good by then is given up. A timer of systemd gives it up half an hour later by itself.
GIVEN_UP_S = 2.5 * 3600.0


class Phase(StrEnum):
    """How far an installation came."""

    INSTALLING = "installing"
    INSTALLED = "installed"


class Result(StrEnum):
    """How a trial ended."""

    KEPT = "kept"
    FELL_BACK = "fell-back"
    INTERRUPTED = "interrupted"  # the slot was not written whole


class Trial(NamedTuple):
    """A version that was not found good yet."""

    slot: str
    version: str
    boot: str  #: id of the boot in which it was installed
    meters: tuple[str, ...] = ()  #: that were read before
    emps: tuple[str, ...] = ()  #: that had taken rows before
    phase: Phase = Phase.INSTALLING
    waits: tuple[str, ...] = ()  #: what was still missing when somebody looked last


class Last(NamedTuple):
    """How the last trial ended."""

    version: str
    slot: str
    result: Result
    why: tuple[str, ...]
    utc_us: int


class Facts(NamedTuple):
    """What this boot has shown until now."""

    ready: bool  #: systemd has READY of both daemons
    read: frozenset[str]  #: meters with a reading
    delivered: frozenset[str]  #: EMPs that took rows
    refusing: frozenset[str]  #: EMPs that answer, and refuse this gateway
    uptime_s: float


def missing(trial: Trial | None, facts: Facts) -> list[str]:
    """What must still be seen before the running slot is good; empty if it is. Without a trial it was good before."""
    found = [] if facts.ready else ["smgw-lmn and smgw-wan are not both ready"]
    if trial is None:
        return found
    found += [f"meter {name} was not read" for name in trial.meters if name not in facts.read]
    if facts.uptime_s < WITHOUT_EMP_S:
        found += [f"EMP {name} took no rows" for name in trial.emps if name not in facts.delivered]
        if not trial.emps and not facts.delivered:
            found.append("no EMP took rows, and two hours have not passed")
    else:
        found += [f"EMP {name} refuses this gateway" for name in trial.emps if name in facts.refusing - facts.delivered]
    return found


def of_slot(directory: Path, slot: str) -> Trial | None:
    """The trial of a slot, if there is one. A file that makes no sense still stands for one."""
    try:
        found = json.loads(_file(directory, slot).read_text())
        return Trial(
            slot, str(found["version"]), str(found["boot"]), _names(found["meters"]), _names(found["emps"]),
            Phase(found["phase"]), _names(found["waits"]),
        )  # fmt: skip
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return Trial(slot, "", "", phase=Phase.INSTALLED)


def pending(directory: Path) -> Trial | None:
    """The trial of either slot."""
    return next((found for slot in SLOTS if (found := of_slot(directory, slot)) is not None), None)


def note(directory: Path, trial: Trial) -> None:
    """Write a trial durably; those of other slots end. SmgwError."""
    about = trial._asdict()
    _write(_file(directory, about.pop("slot")), about)
    for slot in SLOTS:
        if slot != trial.slot:
            _remove(_file(directory, slot))


def end(directory: Path, trial: Trial, result: Result, why: Sequence[str], utc_us: int) -> None:
    """Note how a trial ended. Its own file goes too; that of a kept version stays until RAUC has marked the slot."""
    _write(
        directory / "last.json",
        Last(trial.version, trial.slot, result, tuple(why), utc_us)._asdict(),
    )
    if result is not Result.KEPT:
        _remove(_file(directory, trial.slot))


def last(directory: Path) -> Last | None:
    """How the last trial ended; None if there was none."""
    try:
        found = json.loads((directory / "last.json").read_text())
        return Last(
            str(found["version"]), str(found["slot"]), Result(found["result"]), _names(found["why"]),
            int(found["utc_us"]),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError):
        return None


def outcome(trial: Trial, booted: str, boot: str) -> Result | None:
    """How a trial ended, if it did: another slot runs after a later start. None while it goes on."""
    if booted == trial.slot or boot == trial.boot:
        return None
    return Result.INTERRUPTED if trial.phase is Phase.INSTALLING else Result.FELL_BACK


def _file(directory: Path, slot: str) -> Path:
    return directory / f"trial-{slot}.json"


def _names(found: object) -> tuple[str, ...]:
    return tuple(map(str, found)) if isinstance(found, list) else ()


def _write(path: Path, about: dict[str, object]) -> None:
    new = path.with_suffix(".new")
    try:
        with new.open("w") as file:
            json.dump(about, file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise SmgwError(f"{path}: cannot be written: {reason(error)}") from error


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
        _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
