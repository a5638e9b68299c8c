"""`smgw technician`."""

import argparse

from smgw.cli import accounts
from smgw.han.exchange import Role

_EPILOG = """\
add NAME --certificate FILE   a login by that certificate; technicians have no password
list                          the accounts
remove NAME                   the account and its certificates
A technician sees the state of the gateway and no readings. A running gateway knows the change at once.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with whom."""
    accounts.add_arguments(parser, Role.TECHNICIAN)
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    return accounts.run(arguments, Role.TECHNICIAN)
