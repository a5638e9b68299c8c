"""What prints one format of telegrams, and what it is told."""

from pathlib import Path
from typing import NamedTuple, Protocol

from smgw.profiles import protocols
from smgw.profiles.entries import resolve


class Options(NamedTuple):
    """How to print."""

    as_json: bool = False
    most: int = 0  # telegrams, then it has enough; 0: never
    live: bool = False  # of a port: there may never be an end
    keys: tuple[Path, ...] = ()  # files with encryption keys
    authentication_keys: tuple[Path, ...] = ()


class Printer(Protocol):
    """Prints what is delivered to stdout, what is refused to stderr, and counts both."""

    delivered: int

    @property
    def enough(self) -> bool:
        """True once as many as were asked for have been printed."""

    def receive(self, data: bytes) -> bool:
        """Print what these octets complete; True if there was anything."""

    def finish(self) -> None:
        """No more octets come."""

    def summary(self) -> None:
        """What was seen, on stderr."""


def formats() -> dict[str, str]:
    """Name -> "module:name" of what prints it, of all formats that the protocols' entries name."""
    return {entry.dump: entry.printer for entry in protocols.every() if entry.dump}


def make_printer(name: str, options: Options) -> Printer:
    """The printer of a format; KeyError if no protocol has it."""
    printer: Printer = resolve(formats()[name])(options)
    return printer
