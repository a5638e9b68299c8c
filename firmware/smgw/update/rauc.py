"""RAUC as the gateway sees it: is there one, what it knows of the slots, what a bundle says about itself."""

import configparser
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from smgw.errors import SmgwError, reason
from smgw.update.bundle import Bundle, described

CONFIGURATION = Path("/etc/rauc/system.conf")
KERNEL_COMMAND_LINE = Path("/proc/cmdline")
_PATIENCE_S = 120


class UpdateError(SmgwError):
    """An update is not possible, or not in this way."""


class Slot(NamedTuple):
    """One root slot. `version` and `installed` are empty for what was written with the card's image."""

    name: str  #: A or B
    booted: bool
    good: bool
    version: str = ""
    installed: str = ""


class Slots(NamedTuple):
    """What RAUC knows of the slots."""

    slots: tuple[Slot, ...]
    primary: str  #: the slot that starts next

    @property
    def booted(self) -> str:
        """The slot that runs."""
        return next((slot.name for slot in self.slots if slot.booted), "")

    @property
    def other(self) -> str:
        """The slot that an update is written to."""
        return next(slot.name for slot in self.slots if not slot.booted)


def compatible() -> str:
    """The kind of board that bundles must be for. UpdateError if this gateway has no RAUC."""
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    if shutil.which("rauc") is None or not CONFIGURATION.exists():
        raise UpdateError(
            "this gateway has no second system to fall back to (no RAUC, as on a Pi 5 or a plain Debian). "
            "Update its Debian packages: sudo apt-get update && sudo apt-get install smgw"
        )
    try:
        parser.read_string(CONFIGURATION.read_text(encoding="utf-8"), str(CONFIGURATION))
        found = parser["system"]["compatible"]
        count = sum(name.startswith("slot.rootfs.") for name in parser.sections())
    except (configparser.Error, KeyError, ValueError, OSError) as error:
        raise UpdateError(f"{CONFIGURATION}: cannot be used ({reason(error)}); it belongs to the image") from error
    if count < 2:
        raise UpdateError(f"{CONFIGURATION}: names {count} root slots; an update needs two. Write the card anew.")
    return found


def booted_slot() -> str:
    """The slot that runs, by the kernel's command line; empty if it names none."""
    try:
        found = re.search(r"(?:^|\s)rauc\.slot=(\w+)", KERNEL_COMMAND_LINE.read_text())
    except OSError:
        return ""
    return found[1] if found else ""


def slots() -> Slots:
    """Ask RAUC's service. UpdateError if it does not answer."""
    done = run("status", "--detailed", "--output-format=json")
    try:
        found = json.loads(done.stdout)
        names = [(name, about) for entry in found["slots"] for name, about in entry.items()]
        primary = next((about["bootname"] for name, about in names if name == found["boot_primary"]), "")
        result = Slots(tuple(sorted(_slot(about) for _, about in names if about["class"] == "rootfs")), primary)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UpdateError(f"RAUC does not tell its slots: {_last(done.stderr)}") from error
    if len(result.slots) < 2 or not result.booted:
        raise UpdateError("RAUC does not know from which slot this system runs; write the card anew")
    return result


def _slot(about: dict[str, Any]) -> Slot:
    status = about.get("slot_status") or {}
    return Slot(
        about["bootname"],
        about["state"] == "booted",
        about.get("boot_status") == "good",
        (status.get("bundle") or {}).get("version") or "",
        (status.get("installed") or {}).get("timestamp") or "",
    )


def information(file: Path) -> Bundle:
    """What a bundle says about itself, after its signature was checked. UpdateError if it is none of ours."""
    done = run("info", "--output-format=json", str(file))
    if done.returncode:
        raise UpdateError(f"the bundle is refused: {_reason(done.stderr)}")
    try:
        found = json.loads(done.stdout)
        return described(found["compatible"], found["version"] or "", found["description"] or "")
    except (ValueError, KeyError, TypeError) as error:
        raise UpdateError("the bundle is refused: RAUC cannot read its manifest") from error


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run rauc; its messages are no translation."""
    command = ["rauc", f"--conf={CONFIGURATION}", *arguments]
    try:
        return subprocess.run(  # noqa: S603 - no shell; the only argument from outside is a path
            command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UpdateError(f"rauc {arguments[0]}: {reason(error)}") from error


#: What RAUC 1.8 says, and what it means.
_REASONS = {
    "signature verification failed": "its signature is by nobody whom this gateway trusts (/etc/rauc/keyring.pem)",
    "Invalid bundle format": "this is no bundle, or only a part of one; copy it again",
    "Invalid identifier": "this is no bundle",
    "not allowed": "bundles of its format are not accepted here; make it with `make bundle`",
}


def _reason(told: str) -> str:
    words = next((words for text, words in _REASONS.items() if text in told), "RAUC cannot read it")
    return f"{words} ({_last(told)})"


def _last(told: str) -> str:
    lines = [line for line in told.splitlines() if line and not line.startswith("rauc-Message")]
    return lines[-1].strip() if lines else "no message"
