"""The entry of a protocol: one module in the folder `protocols`. No other place lists protocols.

An entry is data. What it names in other rooms ("module:name") is imported only where it is used: a gateway carries the
protocols of its own meters and no other.
"""

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple

from smgw.profiles.section import Key


class Form(Enum):
    """The content of a file with a secret."""

    TEXT = "text"  # a password in the first line
    HEX = "hex"  # a key in hex digits in the first line
    PEM = "pem"  # a key in PEM: the whole file


class SecretFile(NamedTuple):
    """A secret: its name in `Secrets`, the key that names its file, and the form of the file."""

    field: str
    key: str
    form: Form
    in_section: bool = False  # the key is in the protocol's own section
    #: Octets, by the meter's options: of a key in hex, or at most of a text; 0: any number.
    length: Callable[[Any], int] = lambda _: 0


class Section(NamedTuple):
    """The section of a protocol's own below [[meter]]: its name, its keys, and what its values make together."""

    name: str
    keys: Mapping[str, Key]
    build: Callable[[Mapping[str, Any]], Any]
    contradictions: Callable[[Mapping[str, Any]], Iterator[tuple[str, str]]] = lambda _: iter(())
    #: Keys of the section that this protocol does not use -> advice.
    refused: Mapping[str, str] = {}
    needed: str = ""  # an example of what to write, if a meter must have the section


class Protocol(NamedTuple):
    """One protocol."""

    name: str  # as protocol = "..." has it
    polled: bool  # the gateway asks, the meter answers
    meter: str  # "module:name" of what reads it: (profile, secrets, surroundings) -> PolledMeter or PushedMeter
    #: "module:name" of what sorts a line's telegrams by meter, if several meters that push may share a port:
    #: ([(profile, secrets)], surroundings) -> PushedLine.
    line: str = ""
    keys: tuple[str, ...] = ()  # of [[meter]], besides those of every meter
    #: Values of keys of [[meter]] that are not written, where they differ from those of most protocols.
    defaults: Mapping[str, Any] = {}
    #: True if a read-out of a meter with these options (None: by default) costs its battery. No registration period may
    #: make it be read more often than its interval.
    sparing: Callable[[Any], bool] = lambda _: False
    #: Keys of [[meter]] that users may expect here -> advice.
    refused: Mapping[str, str] = {}
    section: Section | None = None
    secrets: tuple[SecretFile, ...] = ()
    #: The address of a meter on its line, from its table in the file; None: a line has one meter.
    address: Callable[[Mapping[str, Any]], str] | None = None
    address_keys: str = "server or physical in its section dlms"  # where that address is written
    #: What all meters of a line have in common, such as the framing: key -> value, from its table in the file.
    carrier: Callable[[Mapping[str, Any]], Mapping[str, object]] = lambda _: {}
    #: (key, text) of contradictions; gets the checked values of [[meter]].
    contradictions: Callable[[Mapping[str, Any]], Iterator[tuple[str, str]]] = lambda _: iter(())
    #: True if a meter with these options is asked with invocation counters, which must be reserved in the database.
    needs_counters: Callable[[Any], bool] = lambda _: False
    #: What octets of this protocol are (kinds of `wire.guess`), for a meter with these options; None: by default.
    reads: Callable[[Any], tuple[str, ...]] = lambda _: ()
    #: Kinds that it reads with other keys -> what to do; "{how}" stands for how this protocol is chosen.
    instead: Mapping[str, str] = {}
    #: Ids of devices among a meter's options, which a support bundle can leave out.
    ids: Callable[[Any], tuple[str, ...]] = lambda _: ()
    #: What is sent to a port when it is open, for a meter that pushes and has these options.
    opening: Callable[[Any], bytes] = lambda _: b""
    on_udp: bool = False  # a datagram can carry it
    on_gpio: bool = False  # it is read from a line of a GPIO chip, and from nothing else
    scan: str = ""  # "module:name" of what `smgw scan` tries
    dump: str = ""  # name of the format that `smgw dump` shows it by
    printer: str = ""  # "module:name" of what prints that format: Options -> Printer
