"""Corrects the sign of power that real meters send wrongly, from one list of values (docs/sml.md, section 3.2).

A corrected value is stored beside the raw one.
"""

from collections.abc import Sequence

from smgw.cosem import DeviceId, FnnStatus
from smgw.sml.messages import ListEntry
from smgw.sml.tlv import Kind, Value

_IMPORT_TOTAL = bytes.fromhex("0100010800ff")
_POWER = bytes.fromhex("0100100700ff")
_ABSOLUTE_POWER = bytes.fromhex("01000f0700ff")
#: Registers of signed power and the status bit that says "export" for each.
_SIGNED_POWER = {
    _POWER: FnnStatus.EXPORT,
    bytes.fromhex("0100240700ff"): FnnStatus.EXPORT_L1,
    bytes.fromhex("0100380700ff"): FnnStatus.EXPORT_L2,
    bytes.fromhex("01004c0700ff"): FnnStatus.EXPORT_L3,
}
#: A status word as an object of its own: of FNN meters (Holley DTZ541) and of EDL meters (EasyMeter Q3B).
_STATUS_WORDS = (bytes.fromhex("0100600500ff"), bytes.fromhex("0100600505ff"))
_EDL_EXPORT = 1 << 5  # EDL status words (0x1xx) have bit 2 clear, FNN words have it set: never mixed
#: DZG meters that write unsigned power with a signed type, by serial number (libsml pull request 136); only asked when
#: the meter sends no status.
_DZG_SERIALS = ((42_000_000, 48_999_999), (55_000_000, 58_999_999))


def corrected_power(server_id: bytes, entries: Sequence[ListEntry]) -> dict[int, Value]:
    """The power values whose sign or width the meter got wrong: place in `entries` -> corrected value.

    A positive 16.7.0 is negative while the FNN status says export. The power of a phase follows the phase's own bit.
    Holley DTZ251 and ISKRA AS2020 send no minus sign.

    A DZG meter writes an unsigned number with a signed type. So its power may look negative although it imports.

    15.7.0 is an absolute value (EMH ED300L, eHZ-HW8). It is negative while the status says export.
    """
    status = _status(entries)
    fnn_word = status if status is not None and status & FnnStatus.BASIC_METER else 0
    corrected = {}
    for place, entry in enumerate(entries):
        value = entry.value
        if value is None or value.kind not in (Kind.SIGNED, Kind.UNSIGNED) or not isinstance(value.value, int):
            continue
        bit = _SIGNED_POWER.get(entry.obj_name)
        if bit is None:
            exports = entry.obj_name == _ABSOLUTE_POWER and _exports(status)
        else:
            exports = bool(fnn_word & bit)
            if value.value < 0 and not exports and _dzg_meant_import(server_id, status):
                corrected[place] = Value(Kind.UNSIGNED, value.size, value.value + (1 << 8 * value.size))
        if exports and 0 < value.value < 1 << 63:
            corrected[place] = _negated(value.value, value)
    return corrected


def _negated(number: int, value: Value) -> Value:
    """An unsigned number gets an octet for its sign."""
    return Value(Kind.SIGNED, min(value.size + (value.kind is Kind.UNSIGNED), 8), -number)


def _status(entries: Sequence[ListEntry]) -> int | None:
    """The meter's status: the one beside 1.8.0, else the first beside any register, else an entry of its own."""
    found = [entry for entry in entries if entry.status is not None and isinstance(entry.status.value, int)]
    found.sort(key=lambda entry: entry.obj_name != _IMPORT_TOTAL)
    if found and found[0].status:
        return int(found[0].status.value)  # type: ignore[arg-type]
    own = (entry.value.value for entry in entries if entry.obj_name in _STATUS_WORDS and entry.value is not None)
    return next((word for word in own if isinstance(word, int)), None)


def _dzg_meant_import(server_id: bytes, status: int | None) -> bool:
    """True for a DZG meter whose status does not say what flows, or whose FNN status says import."""
    try:
        device = DeviceId(server_id)
    except ValueError:
        return False
    if device.maker != "DZG":
        return False
    if status is not None:
        return bool(status & FnnStatus.BASIC_METER)
    serial = int.from_bytes(device[-4:], "big")
    return any(low <= serial <= high for low, high in _DZG_SERIALS)


def _exports(status: int | None) -> bool:
    if status is None:
        return False
    return bool(status & (FnnStatus.EXPORT if status & FnnStatus.BASIC_METER else _EDL_EXPORT))
