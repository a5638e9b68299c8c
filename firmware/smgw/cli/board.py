"""`smgw board`."""

import argparse
import logging
from collections.abc import Callable
from pathlib import Path

from smgw.cosem.device_id import DeviceId
from smgw.errors import SmgwError
from smgw.profiles.board import alone
from smgw.profiles.gateway import Configuration, GatewayProfile
from smgw.services.process import Signals, set_up_logging

log = logging.getLogger(__name__)

_MOST = 1_000_000  # octets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None of its own."""
    parser.epilog = (
        "Shows the gateway's state by the LEDs of [board], and shuts the board down when the button is held for 3 s.\n"
        "Reads its configuration again on SIGHUP. If the file is wrong at the start, it uses the table [board] alone,\n"
        "and shows the fault, until the file is right."
    )


def run(arguments: argparse.Namespace) -> int:
    """The daemon."""
    signals = Signals()  # before the many imports: whatever is asked meanwhile is done after them
    set_up_logging(arguments.log_level)
    from smgw.profiles.toml_importer import load
    from smgw.services.board import BoardService
    from smgw.services.daemon import Daemon

    def right_again() -> None:
        signals.reload = True

    file = File(arguments.config, load, right_again)
    daemon = Daemon(file.read, lambda configuration: BoardService(configuration, arguments.state, file.is_right))
    return daemon.run(signals)


class File:
    """The file of the configuration: read at the start, and checked again when it has changed."""

    def __init__(self, path: Path, load: Callable[[Path], Configuration], right_again: Callable[[], None]) -> None:
        """`right_again`: called when a file that was wrong at the start is right, until `read` has read it."""
        self._path = path
        self._load = load
        self._right_again = right_again
        self._mark: object = None
        self._right = True
        self._taken = False  # a right file was read

    def read(self) -> Configuration:
        """The configuration. At the start, the table [board] of a wrong file is better than no lamp at all.

        Raises ConfigurationError.
        """
        try:
            found = self._load(self._path)
        except SmgwError as error:
            if self._taken:
                raise
            fitted = alone(self._text())
            if not any(fitted):
                raise
            log.error("only the table [board] is used until the file is right: %s", error)  # noqa: TRY400
            return Configuration(GatewayProfile(DeviceId(b"unknown")), (), board=fitted)
        self._taken = True
        return found

    def is_right(self) -> bool:
        """Whether the configuration in it can be used, and the one that was read was right."""
        try:
            found = self._path.stat()
            mark = found.st_mtime_ns, found.st_ino, found.st_size
            if mark != self._mark:
                self._load(self._path)
                self._mark, self._right = mark, True
        except (SmgwError, OSError):
            self._mark, self._right = None, False
        if self._right and not self._taken:
            self._right_again()
        return self._right and self._taken

    def _text(self) -> str:
        try:
            with self._path.open("rb") as stream:
                return stream.read(_MOST).decode(errors="replace")
        except OSError:
            return ""
