"""M-Bus telegrams as text: records with units for people, one JSON object a telegram for programs."""

import struct
from collections.abc import Sequence
from typing import Any

from smgw.cosem import DataType, plain
from smgw.cosem.date_time import DateTime
from smgw.cosem.printable import printable
from smgw.dump.counted import Counted
from smgw.dump.printer import Options
from smgw.errors import RemoteProtocolError
from smgw.mbus.frame import Frame, FrameDecoder
from smgw.mbus.readings import device_of, name_of
from smgw.mbus.records import Record
from smgw.mbus.telegram import Telegram, medium_name, read_telegram

_HEX_DIGITS = b"0123456789abcdefABCDEF"
_HEX_TEXT = _HEX_DIGITS + b" \t\r\n:,-"
_ALL_BUT_DIGITS = bytes(octet for octet in range(256) if octet not in _HEX_DIGITS)
_FUNCTIONS = ("", "maximum", "minimum", "in error")


class Printer(Counted):
    """Prints telegrams of the M-Bus. The octets may be hex digits."""

    dump = "mbus"

    def __init__(self, *, as_json: bool, most: int = 0, keys: Sequence[bytes] = ()) -> None:
        super().__init__(FrameDecoder(), as_json=as_json, most=most)
        self._keys = keys
        self._text: bool | None = None  # the octets are hex digits; None: not known yet
        self._digits = ""

    def receive(self, data: bytes) -> bool:
        """See Counted."""
        if self._text is None and data:
            self._text = not data.translate(None, _HEX_TEXT)
        return super().receive(self._from_hex(data) if self._text else data)

    def _from_hex(self, data: bytes) -> bytes:
        """The octets behind hex digits, as other programs write frames; a digit without its second one waits."""
        self._digits += data.translate(None, _ALL_BUT_DIGITS).decode("ascii")
        even = len(self._digits) & ~1
        octets, self._digits = bytes.fromhex(self._digits[:even]), self._digits[even:]
        return octets

    def shown(self, telegram: Frame) -> tuple[dict[str, Any], list[str]]:
        """See Counted."""
        try:
            found = self._read(telegram)
        except RemoteProtocolError as error:
            raise RemoteProtocolError(f"address {telegram.address}: {error}") from None
        return _object(telegram, found), _tree(telegram, found)

    def length(self, telegram: Frame) -> int:
        """See Counted."""
        return telegram.length

    def _read(self, frame: Frame) -> Telegram:
        """With the first key that fits, or in the clear."""
        wrong: RemoteProtocolError | None = None
        for key in self._keys:
            try:
                return read_telegram(frame, key)
            except RemoteProtocolError as error:
                wrong = error
        try:
            return read_telegram(frame)
        except RemoteProtocolError as error:
            raise wrong or error from None


def _object(frame: Frame, telegram: Telegram) -> dict[str, Any]:
    return {"address": frame.address, **content(telegram)}


def content(telegram: Telegram) -> dict[str, Any]:
    """A telegram for programs, by wire or by radio."""
    identity = telegram.identity
    medium = identity.medium if identity else 0
    return {
        "identity": None if identity is None else identity._asdict(),
        "device": None if identity is None else str(device_of(identity)),
        "access": telegram.access,
        "status": telegram.status,
        "records": [_record(record, medium) for record in telegram.records],
        "makers": telegram.makers.hex(),
        "more": telegram.more,
        "fault": telegram.fault,
        "rest": telegram.rest.hex(),
    }


def _record(record: Record, medium: int) -> dict[str, Any]:
    head, meaning = record.head, record.head.meaning
    name = name_of(head, medium)
    value = None if record.value is None else record.value.value
    return {
        "obis": None if name is None else str(name),
        "quantity": meaning.quantity,
        "modifiers": list(meaning.modifiers),
        "function": head.function.name.lower(),
        "storage": head.storage,
        "tariff": head.tariff,
        "subunit": head.subunit,
        "value": _shown(record) if isinstance(value, bytes) else value,
        "scaler": meaning.scaler,
        "unit": meaning.symbol,
        "octets": record.octets.hex(),
        "fault": record.fault,
    }


def _shown(record: Record) -> str:
    """The value of a record for people."""
    data, meaning = record.value, record.head.meaning
    if data is None:
        return f"{record.octets.hex()} ({record.fault})"
    if isinstance(data.value, int):
        return plain(data.value, meaning.scaler)
    if data.type is DataType.DATE_TIME and isinstance(data.value, bytes):
        return str(DateTime.read(data.value))
    if data.type is DataType.FLOAT32 and isinstance(data.value, bytes):
        power = f"e{meaning.scaler}" if meaning.scaler else ""
        return f"{struct.unpack('>f', data.value)[0]:g}{power}"
    return data.value.hex() if isinstance(data.value, bytes) else f'"{data.value}"'


def _tree(frame: Frame, telegram: Telegram) -> list[str]:
    return tree([f"address {frame.address}"], telegram)


def tree(parts: list[str], telegram: Telegram) -> list[str]:
    """A telegram for people, by wire or by radio; its first line begins with `parts`."""
    identity = telegram.identity
    medium = identity.medium if identity else 0
    if identity is not None:
        parts += [f"{device_of(identity)}" if identity.maker else identity.id, medium_name(medium)]
    if telegram.access is not None:
        parts.append(f"access {telegram.access}")
    lines = [printable(", ".join((*parts, *telegram.alarms)))]
    for record in telegram.records:
        head = record.head
        name = name_of(head, medium)
        places = [
            f"{word} {number}"
            for word, number in zip(("storage", "tariff", "subunit"), head[1:4], strict=True)
            if number
        ]
        about = ", ".join(
            filter(None, (head.meaning.quantity, *head.meaning.modifiers, _FUNCTIONS[head.function], *places))
        )
        value = f"{_shown(record)} {head.meaning.symbol if record.value else ''}".rstrip()
        lines.append(printable(f"  {'' if name is None else str(name):<16} {value:<24} {about}"))
    if telegram.makers:
        lines.append(f"  maker's own data: {telegram.makers.hex()}")
    if telegram.more:
        lines.append("  more telegrams follow")
    if telegram.fault:
        lines.append(printable(f"  {telegram.fault}: {telegram.rest.hex()}"))
    return lines


def make(options: Options) -> Printer:
    """The printer."""
    keys: tuple[bytes, ...] = ()
    if options.keys:
        from smgw.dump.keys import Keys  # few meters encrypt

        keys = Keys.of(options.keys, ()).encryption
    return Printer(as_json=options.as_json, most=options.most, keys=keys)
