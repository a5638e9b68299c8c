"""The interface of a printer of one format of telegrams, and its options."""

from pathlib import Path
from typing import NamedTuple, Protocol

from smgw.profiles import protocols
from smgw.profiles.advice import advised_format
from smgw.profiles.entries import resolve


class Options(NamedTuple):
    """Options of a printer."""

    as_json: bool = False
    most: int = 0  # number of telegrams to print; 0: no limit
    live: bool = False  # from a port: there may be no end
    keys: tuple[Path, ...] = ()  # files with encryption keys
    authentication_keys: tuple[Path, ...] = ()


class Printer(Protocol):
    """Prints telegrams to stdout and refused octets to stderr, and counts both."""

    delivered: int

    @property
    def enough(self) -> bool:
        """True once the requested number was printed."""

    def receive(self, data: bytes) -> bool:
        """Print the telegrams that these octets complete; True if there was one."""

    def finish(self) -> None:
        """Handle the end of octets."""

    def summary(self) -> None:
        """Print a summary on stderr."""


def look_alike(name: str, octets: bytes) -> str:
    """What octets without a telegram of this format look like, and what to try; "" if nothing is known."""
    return str(advised_format(octets, name) or "")


def formats() -> dict[str, str]:
    """Format -> "module:name" of its printer, from all protocol entries."""
    return {entry.dump: entry.printer for entry in protocols.every() if entry.dump}


def make_printer(name: str, options: Options) -> Printer:
    """The printer of a format; KeyError if no protocol has it."""
    printer: Printer = resolve(formats()[name])(options)
    return printer
