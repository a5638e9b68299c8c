"""`smgw lmn`."""

import argparse

from smgw.services.process import Signals, set_up_logging


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""
    parser.epilog = (
        "Stops on SIGTERM within 2 s, with everything that was read on the disk.\n"
        "Reads its configuration again on SIGHUP; meters that are unchanged notice nothing."
    )


def run(arguments: argparse.Namespace) -> int:
    """The daemon."""
    signals = Signals()  # before the many imports: whatever is asked meanwhile is done after them
    set_up_logging(arguments.log_level)
    from smgw.profiles.toml_importer import load
    from smgw.services.daemon import Daemon
    from smgw.services.lmn import LmnService

    daemon = Daemon(lambda: load(arguments.config), lambda configuration: LmnService(configuration, arguments.state))
    return daemon.run(signals)
