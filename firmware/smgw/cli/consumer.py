"""`smgw consumer`."""

import argparse

from smgw.cli import accounts
from smgw.han.exchange import Role

_EPILOG = """\
add NAME      a login for the pages and programs of the HAN; the password is made and printed once
              with --certificate FILE: a login by that certificate, without a password or beside it
list          the accounts
reset NAME    another password; the old one ends at once
remove NAME   the account and its certificates; its log book stays
NAME is the consumer's name in the configuration. A running gateway knows the change at once.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do, and with whom."""
    accounts.add_arguments(parser, Role.CONSUMER)
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Do it."""
    return accounts.run(arguments, Role.CONSUMER)
