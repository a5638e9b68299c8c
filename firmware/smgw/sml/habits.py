"""What real meters do differently, as pure functions over one list of values (sml.md, sections 3.1 and 3.2).

Nothing here changes what the wire said: a corrected value is given beside the raw one.
"""

from collections.abc import Sequence

from smgw.cosem import DeviceId, FnnStatus
from smgw.sml.messages import ListEntry
from smgw.sml.tlv import Kind, Value

_IMPORT_TOTAL = bytes.fromhex("0100010800ff")
_EXPORT_TOTAL = bytes.fromhex("0100020800ff")
_POWER = bytes.fromhex("0100100700ff")
_ABSOLUTE_POWER = bytes.fromhex("01000f0700ff")
_IMPORT_POWER = bytes.fromhex("0100010700ff")
#: Registers of signed power and the status bit that says "export" for each.
_SIGNED_POWER = {
    _POWER: FnnStatus.EXPORT,
    bytes.fromhex("0100240700ff"): FnnStatus.EXPORT_L1,
    bytes.fromhex("0100380700ff"): FnnStatus.EXPORT_L2,
    bytes.fromhex("01004c0700ff"): FnnStatus.EXPORT_L3,
}
_EDL_EXPORT = 1 << 5  # EDL status words (0x1xx) have bit 2 clear, FNN words have it set: never mixed
#: DZG meters that write unsigned power with a signed type, by serial number (libsml pull request 136); only asked when
#: the meter sends no status.
_DZG_SERIALS = ((42_000_000, 48_999_999), (55_000_000, 58_999_999))


def corrected_power(server_id: bytes, entries: Sequence[ListEntry]) -> dict[int, Value]:
    """The power values whose sign or width the meter got wrong: place in `entries` -> corrected value.

    - DZG: a negative number although the status says import is an unsigned number of the same width.
    - 15.7.0 is an absolute value (EMH ED300L, eHZ-HW8); with "export" in the status the power is negative.
    """
    status = _status(entries)
    corrected = {}
    for place, entry in enumerate(entries):
        value = entry.value
        if value is None or value.kind not in (Kind.SIGNED, Kind.UNSIGNED) or not isinstance(value.value, int):
            continue
        bit = _SIGNED_POWER.get(entry.obj_name)
        if bit is not None and value.value < 0 and _dzg_meant_import(server_id, status, bit):
            corrected[place] = Value(Kind.UNSIGNED, value.size, value.value + (1 << 8 * value.size))
        elif entry.obj_name == _ABSOLUTE_POWER and 0 < value.value < 1 << 63 and _exports(status):
            corrected[place] = Value(Kind.SIGNED, min(value.size + 1, 8), -value.value)
    return corrected


def pin_locked(entries: Sequence[ListEntry]) -> bool:
    """True if this looks like a meter whose PIN was not entered: whole kWh only, and no power."""
    names = {entry.obj_name for entry in entries}
    totals = [entry for entry in entries if entry.obj_name in (_IMPORT_TOTAL, _EXPORT_TOTAL) and entry.unit == 30]
    if not totals or names & {_POWER, _ABSOLUTE_POWER, _IMPORT_POWER}:
        return False
    return all(_whole_kwh(entry) for entry in totals)


PIN_ADVICE = (
    "the meter shows whole kWh and no power: it waits for its PIN. Enter the PIN at the meter's front (torch or "
    'button; the grid operator sends it) and switch "InF" on'
)


def _whole_kwh(entry: ListEntry) -> bool:
    """Scaler 3, or a number of Wh that ends in zeros where a finer one would stand."""
    if entry.value is None or not isinstance(entry.value.value, int):
        return False
    scaler = entry.scaler or 0
    return scaler >= 3 or entry.value.value % 10 ** (3 - scaler) == 0


def _status(entries: Sequence[ListEntry]) -> int | None:
    """The meter's status: the one at 1.8.0, else the first there is."""
    found = [entry for entry in entries if entry.status is not None and isinstance(entry.status.value, int)]
    found.sort(key=lambda entry: entry.obj_name != _IMPORT_TOTAL)
    return int(found[0].status.value) if found and found[0].status else None  # type: ignore[arg-type]


def _dzg_meant_import(server_id: bytes, status: int | None, bit: FnnStatus) -> bool:
    try:
        device = DeviceId(server_id)
    except ValueError:
        return False
    if device.maker != "DZG":
        return False
    if status is not None and status & FnnStatus.BASIC_METER:
        return not status & bit
    serial = int.from_bytes(device[-4:], "big")
    return status is None and any(low <= serial <= high for low, high in _DZG_SERIALS)


def _exports(status: int | None) -> bool:
    if status is None:
        return False
    return bool(status & (FnnStatus.EXPORT if status & FnnStatus.BASIC_METER else _EDL_EXPORT))
