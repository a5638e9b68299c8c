"""A meter's object list: the objects that a poll reads, and the cached form of the list."""

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from smgw.cosem import Obis, ObjectName

_REGISTERS = (3, 4, 5, 32770)  # Register, Extended and Demand Register, Advanced Extended Register


class Selection(NamedTuple):
    """The polled objects of a meter, and objects of the profile that the meter lacks."""

    names: tuple[ObjectName, ...]
    missing: tuple[Obis, ...]


def select(objects: Sequence[ObjectName], wanted: Sequence[Obis]) -> Selection:
    """Filter an object list by OBIS code. An empty filter means every register. Order and duplicates as wanted."""
    by_obis: dict[Obis, ObjectName] = {}
    for name in objects:
        by_obis.setdefault(name.obis, name)
    if not wanted:
        return Selection(tuple(name for name in by_obis.values() if name.class_id in _REGISTERS), ())
    return Selection(
        tuple(by_obis[obis] for obis in dict.fromkeys(wanted) if obis in by_obis),
        tuple(obis for obis in dict.fromkeys(wanted) if obis not in by_obis),
    )


def to_octets(objects: Iterable[ObjectName]) -> bytes:
    """For the store."""
    return json.dumps([name.octets().hex() for name in objects]).encode()


def from_octets(octets: bytes) -> list[ObjectName]:
    """From the store; an empty list for unknown content (the meter is then asked again)."""
    try:
        names = [ObjectName.from_octets(bytes.fromhex(text)) for text in json.loads(octets)]
    except (ValueError, TypeError):
        return []
    return [name for name in names if name is not None]
