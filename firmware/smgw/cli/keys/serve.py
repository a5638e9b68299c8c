"""`smgw keys serve`: the agent."""

import argparse

from smgw.services.process import Signals, set_up_logging


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""
    parser.epilog = (
        "Its socket is keys/keys.sock in the run directory. The users smgw-wan and root may use it.\n"
        "Reads configuration and keys again on SIGHUP; keys also when their files change."
    )


def run(arguments: argparse.Namespace) -> int:
    """The daemon."""
    signals = Signals()  # before the many imports: whatever is asked meanwhile is done after them
    set_up_logging(arguments.log_level)
    from smgw.profiles.toml_importer import load
    from smgw.services.daemon import Daemon
    from smgw.services.keys import KeysService

    daemon = Daemon(lambda: load(arguments.config), lambda configuration: KeysService(configuration, arguments.state))
    return daemon.run(signals)
