"""`smgw board`."""

import argparse
from collections.abc import Callable
from pathlib import Path

from smgw.errors import SmgwError
from smgw.services.process import Signals, set_up_logging


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""
    parser.epilog = (
        "Shows the gateway's state by the LEDs of [board], and shuts the board down when the button is held for 3 s.\n"
        "Reads its configuration again on SIGHUP."
    )


def run(arguments: argparse.Namespace) -> int:
    """The daemon."""
    signals = Signals()  # before the many imports: whatever is asked meanwhile is done after them
    set_up_logging(arguments.log_level)
    from smgw.profiles.toml_importer import load
    from smgw.services.board import BoardService
    from smgw.services.daemon import Daemon

    file = Changed(arguments.config, load)
    daemon = Daemon(
        lambda: load(arguments.config),
        lambda configuration: BoardService(configuration, arguments.state, file.is_right),
    )
    return daemon.run(signals)


class Changed:
    """A file that is checked again when it has changed."""

    def __init__(self, path: Path, load: Callable[[Path], object]) -> None:
        self._path = path
        self._load = load
        self._mark: object = None
        self._right = True

    def is_right(self) -> bool:
        """Whether the configuration in it can be used."""
        try:
            found = self._path.stat()
            mark = found.st_mtime_ns, found.st_ino, found.st_size
            if mark != self._mark:
                self._load(self._path)
                self._mark, self._right = mark, True
        except (SmgwError, OSError):
            self._mark, self._right = None, False
        return self._right
