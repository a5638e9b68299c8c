"""`smgw export`: write rows of an EMP to a file that is carried by hand."""

import argparse
import sys
from pathlib import Path

from smgw.clock import GatewayClock
from smgw.errors import SmgwError
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.gateway import Configuration
from smgw.profiles.toml_importer import load
from smgw.reports.export import Which, export
from smgw.services.surroundings import surroundings
from smgw.trust.validity import Moment

_EPILOG = """\
At the head-end:   emp import FILE --db emp.db      (or --url of a running head-end)
                   emp import FILE --db emp.db --trust DIR      for a sealed file

An EMP with CMS gets a sealed file: each document is signed by this gateway, and only the EMP can read it.
Exported rows do not count as delivered. When the network is back, they are delivered as usual, and the head-end
recognises rows that it has. So you may export and import repeatedly. --all also recovers a head-end that lost its
database. The file is complete when this command ends with exit code 0. Remove the memory stick only then.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, and the EMP."""
    parser.add_argument("file", type=Path, metavar="FILE", help="such as /media/usb/backlog.zip")
    parser.add_argument("--emp", metavar="NAME", help="for which EMP; needed if there are several")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--all",
        action="store_const",
        const=Which.ALL,
        default=Which.WAITING,
        dest="which",
        help="all stored rows, not only waiting ones; not with pseudonyms",
    )
    which.add_argument(
        "--quarantined",
        action="store_const",
        const=Which.QUARANTINED,
        dest="which",
        help="rows that the EMP rejected, so that it can find out why",
    )
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Write the file; 1 if some rows do not fit."""
    configuration = load(arguments.config)
    emp = _emp(configuration, arguments.emp)
    lent = surroundings(arguments.state, configuration.keys, configuration.directory, GatewayClock().stamp)
    lent = lent._replace(now=_system_moment)
    done = export(configuration, arguments.state, emp, arguments.file, lent, arguments.which)
    print(f"{arguments.file}: {done.rows} rows for EMP {emp.name}, {_protection(emp, done.sealed)}")
    if done.unfit:
        print(f"smgw export: {done.unfit} rows fit no document and are not in it", file=sys.stderr)
    return 1 if done.unfit else 0


def _system_moment() -> Moment:
    from smgw.reports.certificates import system_moment  # loads what only sealed files need

    return system_moment()


def _protection(emp: CommunicationProfile, sealed: bool) -> str:
    return f"sealed: only {emp.name} can read it" if sealed else "not sealed: whoever has the file can read it"


def _emp(configuration: Configuration, name: str | None) -> CommunicationProfile:
    names = [emp.name for emp in configuration.emps]
    if name is None and len(names) == 1:
        return configuration.emps[0]
    if name not in names:
        if not names:
            raise SmgwError("the configuration has no EMP; write a section [[emp]] for the one that gets the file")
        wrong = "several EMPs are configured" if name is None else f'no EMP has the name "{name}"'
        raise SmgwError(f"{wrong}; write --emp {' or --emp '.join(names)}")
    return configuration.emp(name)
