"""The application layer of a meter's answer (EN 13757-3, 5): who answers, its state, and the records.

CI  72  long header: id, maker, version, medium, access number, status, configuration word; then records
    7A  short header: access number, status, configuration word; then records
    78  no header
    5B  long header, of a meter that sends by itself: it acts as a master (AMIS)
    73  two counters of a fixed form (EN 1434-3)
    70  an error: the meter does not do what it was asked for
    76, 77  as 72 and 73 with the high octet first; no meter is known that sends them
"""

from functools import lru_cache
from typing import NamedTuple

from smgw.cosem.media import ELECTRICITY
from smgw.errors import RemoteProtocolError
from smgw.mbus import fixed_form
from smgw.mbus.frame import Frame
from smgw.mbus.records import Record, Records, read_records

LONG, SHORT, BARE, FIXED, ERROR, PUSHED = 0x72, 0x7A, 0x78, 0x73, 0x70, 0x5B
_MODE_5, _BUS = 5, 14
_IDENTITIES = 256  # how many are remembered
_HIGH_FIRST = (0x76, 0x77)
_LONG_SIZE, _SHORT_SIZE = 12, 4
_BUSY = 8
_ERRORS = {
    0: "an error without a reason", 1: "it does not know this request (CI)", 2: "the request is too long",
    3: "too many records", 4: "the last record was cut off", 5: "too many DIFE", 6: "too many VIFE",
    _BUSY: "it is busy", 9: "it was read too often",
}  # fmt: skip
_MEDIA = {
    0: "other", 1: "oil", 2: "electricity", 3: "gas", 4: "heat", 5: "steam", 6: "hot water", 7: "water",
    8: "heat cost allocator", 9: "compressed air", 10: "cooling (outlet)", 11: "cooling (inlet)", 12: "heat (inlet)",
    13: "heat and cooling", 14: "bus", 15: "unknown", 20: "calorific value", 21: "hot water, 90 °C and more",
    22: "cold water", 23: "hot and cold water", 24: "pressure", 25: "A/D converter", 26: "smoke alarm",
    27: "room sensor", 28: "gas alarm", 32: "circuit breaker", 33: "valve", 37: "display", 40: "waste water",
    41: "waste", 49: "communication controller", 50: "repeater, one way", 51: "repeater, two ways",
    54: "radio converter", 55: "wired converter",
}  # fmt: skip


_CLEAR = "a telegram in the clear, while the profile's encryption_key_file says that all are encrypted"


class ApplicationError(RemoteProtocolError):
    """A meter refuses: CI 70."""

    def __init__(self, code: int) -> None:
        super().__init__(f"the meter refuses: {_ERRORS.get(code, f'error {code}')}")
        self.code = code

    @property
    def busy(self) -> bool:
        """True if it may answer the same request later."""
        return self.code == _BUSY


class Identity(NamedTuple):
    """Who a meter is. Its maker is "" where the form has none."""

    id: str  # eight digits; A to F where the meter breaks the rule
    maker: str
    version: int
    medium: int

    def __str__(self) -> str:
        return f"{self.id} {self.maker} {self.version:02x}{self.medium:02x}"

    @property
    def octets(self) -> bytes:
        """The eight octets of a secondary address, as they go over the line."""
        return bytes.fromhex(self.id)[::-1] + maker_octets(self.maker) + bytes((self.version, self.medium))


class Telegram(NamedTuple):
    """One answer."""

    identity: Identity | None
    access: int | None
    status: int
    configuration: int
    records: tuple[Record, ...]
    makers: bytes = b""
    more: bool = False
    fault: str = ""
    rest: bytes = b""

    @property
    def alarms(self) -> tuple[str, ...]:
        """The status octet in words."""
        words = ("", "busy", "error of the application", "abnormal state")[self.status & 3]
        bits = ((0x04, "low battery"), (0x08, "permanent error"), (0x10, "temporary error"))
        told = (words, *(text for bit, text in bits if self.status & bit))
        return tuple(filter(None, told))


def medium_name(medium: int) -> str:
    """A medium in words."""
    return _MEDIA.get(medium, f"medium {medium:02x}")


def maker_name(octets: bytes) -> str:
    """Three letters of five bits each, low octet first; hex digits where they are no letters."""
    word = int.from_bytes(octets, "little")
    letters = "".join(chr(64 + (word >> shift & 0x1F)) for shift in (10, 5, 0))
    return letters if letters.isalpha() and word < 1 << 15 else octets.hex()


def maker_octets(name: str) -> bytes:
    """The two octets of a maker's name, or of its hex digits."""
    if len(name) == 3 and name.isalpha() and name.isascii():
        word = 0
        for letter in name.upper():
            word = word << 5 | ord(letter) - 64
        return word.to_bytes(2, "little")
    return bytes.fromhex(name)


@lru_cache(_IDENTITIES)
def identity_of(octets: bytes) -> Identity:
    """The identity in eight octets."""
    return Identity(octets[3::-1].hex().upper(), maker_name(octets[4:6]), octets[6], octets[7])


def read_telegram(frame: Frame, key: bytes | None = None) -> Telegram:
    """The content of a meter's answer. ApplicationError, or RemoteProtocolError for another form.

    With a key, only what it opens is read.
    """
    kind, data = frame.control_information, frame.data
    if kind in (LONG, PUSHED):
        if len(data) < _LONG_SIZE:
            raise RemoteProtocolError(f"the header is cut off: {len(data)} octets of {_LONG_SIZE}")
        octets = data[_LONG_SIZE:]
        if key is not None or kind == PUSHED:
            octets = _in_the_clear(data[:_LONG_SIZE], octets, key)
        identity = identity_of(data[:8])
        if kind == PUSHED and identity.medium == _BUS:  # it names its role on the line; it counts electricity
            identity = identity._replace(medium=ELECTRICITY)
        return _telegram(identity, data[8:_LONG_SIZE], read_records(octets))
    if key is not None and kind != ERROR:
        raise RemoteProtocolError(_CLEAR)
    if kind == SHORT:
        if len(data) < _SHORT_SIZE:
            raise RemoteProtocolError(f"the header is cut off: {len(data)} octets of {_SHORT_SIZE}")
        return _telegram(None, data[:_SHORT_SIZE], read_records(data[_SHORT_SIZE:]))
    if kind == BARE:
        return _telegram(None, bytes(4), read_records(data))
    if kind == FIXED:
        found = fixed_form.read(data)
        identity = Identity(found.id, "", 0, found.medium)
        return Telegram(identity, found.access, found.status, 0, found.records)
    if kind == ERROR:
        raise ApplicationError(data[0] if data else 0)
    if kind in _HIGH_FIRST:
        raise RemoteProtocolError(f"CI {kind:02x}: the high octet comes first in this telegram; report this meter")
    raise RemoteProtocolError(f"CI {kind:02x} is no answer of a meter")


def _in_the_clear(head: bytes, octets: bytes, key: bytes | None) -> bytes:
    """The records. Wired meters have anything in the configuration word, so it counts for nothing without a key."""
    mode = head[11] & 0x1F
    if mode == _MODE_5 and key is not None:
        from smgw.mbus.sealed import opened  # few meters encrypt on a wire

        return opened(key, head, octets)
    if mode == _MODE_5:
        raise RemoteProtocolError(
            "encrypted (mode 5), and there is no key; write encryption_key_file in the meter's section mbus"
        )
    if key is not None:
        raise RemoteProtocolError(f"encrypted in mode {mode}, which is not read on a wire" if mode else _CLEAR)
    return octets


def _telegram(identity: Identity | None, head: bytes, found: Records) -> Telegram:
    return Telegram(
        identity, head[0], head[1], int.from_bytes(head[2:4], "little"), found.records, found.makers, found.more,
        found.fault, found.rest,
    )  # fmt: skip
