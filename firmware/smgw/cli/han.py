"""`smgw han`."""

import argparse

from smgw.services.process import Signals, set_up_logging


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""
    parser.epilog = (
        "Serves the house at the place that [han] names: pages, and the views for programs. Without [han] it does\n"
        "nothing. Logins: smgw consumer add NAME. Reads its configuration again on SIGHUP."
    )


def run(arguments: argparse.Namespace) -> int:
    """The daemon."""
    signals = Signals()  # before the many imports: whatever is asked meanwhile is done after them
    set_up_logging(arguments.log_level)
    from smgw.profiles.toml_importer import load
    from smgw.services.daemon import Daemon
    from smgw.services.han import HanService

    file, state = arguments.config, arguments.state
    daemon = Daemon(lambda: load(file), lambda configuration: HanService(configuration, state, file))
    return daemon.run(signals)
