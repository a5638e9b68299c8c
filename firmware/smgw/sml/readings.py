"""From a list of SML values to readings of the data model."""

from collections.abc import Sequence
from functools import lru_cache

from smgw.cosem import Data, DataType, Obis, Reading, integer, octet_string
from smgw.cosem.units import NO_UNIT
from smgw.sml.habits import corrected_power
from smgw.sml.messages import ListEntry
from smgw.sml.tlv import Kind, Value

_NUMBERS = (Kind.SIGNED, Kind.UNSIGNED)
_DATA_CLASS, _REGISTER_CLASS = 1, 3


def data(value: Value) -> Data:
    """The same value in the data model; 3 octets go to 4, 5 to 7 go to 8; a list becomes a structure."""
    content = value.value
    if isinstance(content, bytes):
        return octet_string(content)
    if isinstance(content, tuple):
        return Data(
            DataType.STRUCTURE,
            tuple(Data(DataType.NULL_DATA, None) if part is None else data(part) for part in content),
        )
    if value.kind is Kind.BOOLEAN:
        return Data(DataType.BOOLEAN, int(content))
    return integer(content, value.size, signed=value.kind is Kind.SIGNED)


def readings(
    server_id: bytes, entries: Sequence[ListEntry], wanted: frozenset[bytes] = frozenset(), *, correct: bool = True
) -> tuple[Reading, ...]:
    """The readings in a list, in order. Entries without a value, and objects not in `wanted`, are left out.

    `wanted` empty means all numbers: texts such as the maker's name are not readings.
    With `correct`, `habits` corrects power, and the raw value is stored beside it.
    """
    corrections = corrected_power(server_id, entries) if correct else {}
    found: dict[bytes, Reading] = {}  # if a meter lists an object twice, the first one counts
    for place, (name, status, _, unit, scaler, value, signature) in enumerate(entries):
        if value is None or len(name) != 6 or name in found:
            continue
        number = value.kind in _NUMBERS
        if name not in wanted and (wanted or not number):
            continue
        correction = corrections.get(place)
        found[name] = Reading(
            _obis(name),
            data(correction or value),
            (scaler or 0) if number else 0,
            unit if number and unit is not None else NO_UNIT,
            data(value) if correction else None,
            _status(status) if status else None,
            _REGISTER_CLASS if number else _DATA_CLASS,
            signature=signature,
        )
    return tuple(found.values())


#: What is the same in nearly every telegram is made once.
_obis = lru_cache(256)(Obis)
_status = lru_cache(256)(data)
