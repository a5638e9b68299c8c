"""`smgw update prepare`: fetch the bundle that was ordered, and check everything that can be checked before."""

import argparse
import sys
from pathlib import Path

from smgw.store import paths
from smgw.store.errors import StoreError
from smgw.update import fetch, rauc, stores
from smgw.update.bundle import Bundle, objections
from smgw.update.facts import boot_id, emps, meters_read
from smgw.update.rauc import UpdateError
from smgw.update.trial import Trial, note, pending

#: What `smgw update install` orders: a path or a URL. A file comes on standard input, since only systemd may read it.
ORDER = Path("/run/smgw-update/order")


def add_arguments(_: argparse.ArgumentParser) -> None:
    """None of its own."""


def run(arguments: argparse.Namespace) -> int:
    """Leave a bundle that RAUC may install, and the note of its trial."""
    state: Path = arguments.state
    directory = paths.update_directory(state)
    compatible = rauc.compatible()
    slots = rauc.slots()
    refuse_during_trial(directory, slots.booted)
    bundle = directory / "bundle.raucb"
    try:
        source = ORDER.read_text(encoding="utf-8").strip()
        print(f"fetching {source}", flush=True)
        if is_url(source):
            fetch.from_web(source, bundle)
        else:
            fetch.from_file(sys.stdin.buffer, bundle)
        about = rauc.information(bundle)
        refuse(about, compatible, state)
    except BaseException:
        bundle.unlink(missing_ok=True)
        raise
    took, _ = emps(state)
    note(
        directory,
        Trial(slots.other, about.version, boot_id(), tuple(sorted(meters_read(state))), tuple(sorted(took))),
    )
    print(f"installing {about.version} into slot {slots.other}", flush=True)
    return 0


def is_url(source: str) -> bool:
    """True for what is fetched from a web server."""
    return source.startswith(("http://", "https://"))


def refuse_during_trial(directory: Path, booted: str) -> None:
    """The slot that works is the only way back, so it stays until the new one is good. UpdateError."""
    if (trial := pending(directory)) is not None and trial.slot == booted:
        raise UpdateError(
            f"the running version {trial.version} is on trial, and the other slot is the way back. "
            "Wait until it is good (smgw update status), or accept it: smgw update accept"
        )


def refuse(about: Bundle, compatible: str, state: Path) -> None:
    """UpdateError if the bundle is for another board, or its program and the stores do not fit both ways."""
    try:
        card = stores.on_the_card(state)
    except StoreError as error:
        raise UpdateError(f"the bundle is not installed: {error}") from error
    if found := objections(about, compatible, stores.of_this_program(), card):
        raise UpdateError(f"the bundle {about.version} is refused: {'; '.join(found)}")
