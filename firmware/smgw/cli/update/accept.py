"""`smgw update accept`: count the running version as good, by order of a person."""

import argparse
import os

from smgw.store import paths
from smgw.update import rauc
from smgw.update.rauc import UpdateError, booted_slot
from smgw.update.trial import of_slot
from smgw.update.units import start


def add_arguments(_: argparse.ArgumentParser) -> None:
    """None of its own."""


def run(arguments: argparse.Namespace) -> int:
    """Ask the unit that marks a slot as good."""
    rauc.compatible()
    trial = of_slot(paths.update_directory(arguments.state), booted_slot())
    if trial is None:
        print("the running version is good already")
        return 0
    if os.geteuid() != 0:
        raise UpdateError("only root may accept a version: sudo smgw update accept")
    start("smgw-update-mark.service")
    print(f"version {trial.version} in slot {trial.slot} is accepted")
    return 0
