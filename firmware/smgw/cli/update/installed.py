"""`smgw update installed`: note that the bundle is in its slot."""

import argparse

from smgw.store import paths
from smgw.update.rauc import UpdateError
from smgw.update.trial import Phase, note, pending


def add_arguments(_: argparse.ArgumentParser) -> None:
    """None of its own."""


def run(arguments: argparse.Namespace) -> int:
    """Write it, and remove the bundle."""
    directory = paths.update_directory(arguments.state)
    if (trial := pending(directory)) is None:
        raise UpdateError(f"{directory}: no installation was begun; begin with smgw update install")
    note(directory, trial._replace(phase=Phase.INSTALLED))
    (directory / "bundle.raucb").unlink(missing_ok=True)
    print(f"{trial.version} is in slot {trial.slot} and starts with the next boot", flush=True)
    return 0
