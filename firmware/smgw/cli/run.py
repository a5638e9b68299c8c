"""`smgw run`."""

import argparse

from smgw.errors import SmgwError, reason
from smgw.profiles.toml_importer import load
from smgw.services import run as service
from smgw.services.process import Signals, set_up_logging


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""
    parser.epilog = (
        "Ctrl-C or SIGTERM: the LMN process commits, then the WAN process delivers what is left (10 s).\n"
        "SIGHUP: the configuration is checked, then both processes read it again. Started at a terminal, the command\n"
        "ends on SIGHUP instead, because the terminal is gone."
    )


def run(arguments: argparse.Namespace) -> int:
    """Both daemons; the state directory is made if it is missing."""
    signals = Signals()
    set_up_logging(arguments.log_level)
    load(arguments.config)
    try:
        arguments.state.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise SmgwError(
            f"{arguments.state}: no directory for the databases can be made there ({reason(error)}); "
            "name one where you may write with --state"
        ) from error
    return service.run(signals, arguments.config, arguments.state, arguments.log_level)
