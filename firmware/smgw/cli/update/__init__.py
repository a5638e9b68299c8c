"""`smgw update`: updates of the image by RAUC. Each action is one module of this package."""

import argparse
from typing import Final

from smgw.cli.actions import add_actions, run_action

#: Each module has `add_arguments(parser)` and `run(arguments) -> exit code`, as the commands have.
_ACTIONS: Final = {
    "install": "install a bundle into the slot that does not run",
    "status": "both slots, the trial of a new version, how the last one ended",
    "accept": "count the running version as good now, whatever is still missing",
    "prepare": "of smgw-update.service: fetch the bundle and check it",
    "installed": "of smgw-update.service: the bundle is in its slot",
    "judge": "of smgw-update-good.service: wait until the running version is good, or give it up",
}
_EPILOG: Final = """\
A card has two slots with a system each. An update is written to the slot that does not run, and starts with the next
boot. It is kept when everything works as before: both services are ready, every meter that was read before was read
again, and every EMP that took rows took some. After two hours an EMP that does not answer no longer counts.
If this does not happen within two and a half hours, or the system does not even start, the old slot starts again.
Readings and configuration lie on a partition of their own and stay in both cases.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its actions."""
    parser.epilog = _EPILOG
    add_actions(parser, __name__, _ACTIONS)


def run(arguments: argparse.Namespace) -> int:
    """Do it; its exit code."""
    return run_action(arguments)
