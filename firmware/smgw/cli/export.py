"""`smgw export`: what waits for an EMP, into a file that is carried by hand."""

import argparse
import sys
from pathlib import Path

from smgw.errors import SmgwError
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.gateway import Configuration
from smgw.profiles.toml_importer import load
from smgw.reports.export import export

_EPILOG = """\
At the head-end:   emp import FILE --db emp.db      (or --url of a head-end that runs)

Nothing counts as delivered by an export: when the network is back everything goes that way too, and the head-end knows
what it has. So export, carry and import as often as you like. --all also recovers a head-end that lost its store.
The file is complete when this command has ended well; pull the stick out then, not before.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to, and for whom."""
    parser.add_argument("file", type=Path, metavar="FILE", help="such as /media/usb/backlog.zip")
    parser.add_argument("--emp", metavar="NAME", help="for which EMP; needed if there are several")
    parser.add_argument("--all", action="store_true", help="all that the store has, not only what waits")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Pack it; 1 if something could not be."""
    configuration = load(arguments.config)
    emp = _emp(configuration, arguments.emp)
    rows, unfit = export(configuration, arguments.state, emp, arguments.file, everything=arguments.all)
    print(f"{arguments.file}: {rows} rows for EMP {emp.name}")
    if unfit:
        print(f"smgw export: {unfit} rows fit no document and are not in it", file=sys.stderr)
    return 1 if unfit else 0


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
