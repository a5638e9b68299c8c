"""Readings of a telegram: each record that has a name in COSEM, named by its medium (EN 13757-1).

A  medium
B  subunit
C  quantity
D  electricity: 8 energy, 7 now, 6 maximum, 3 minimum; others: 0 now, 5 maximum, 4 minimum
E  tariff
F  storage number, 1 to 99; 255 for the present value

A name is given once: the first record with it counts. What has none (a date, a flow of mass, a maker's value) is shown
by `smgw dump` alone.
"""

from smgw.cosem.data import DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.media import ELECTRICITY, GAS, GAS_BASE, GAS_MEASURED, GROUP_A
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Reading
from smgw.mbus.meaning import BASE_CONDITIONS, NEGATIVE, PHASES, POSITIVE, UNCORRECTED
from smgw.mbus.records import Function, Head
from smgw.mbus.telegram import Identity, Telegram

_DATA, _REGISTER = 1, 3
_PRESENT, _MOST_STORAGE, _MOST_TARIFF, _MOST_SUBUNIT = 255, 99, 63, 64
_NAMES = 512  # how many are remembered
#: Medium -> head as sent -> what its value is called.
_known: dict[int, dict[bytes, tuple[Obis, int, int, int] | None]] = {}
_FLOAT = DataType.FLOAT32
_new = tuple.__new__
_SECTOR_OTHER = 0xE

#: Quantity -> group C, and that of the other direction.
_ELECTRIC_ENERGY = {"energy": (1, 2), "reactive energy": (3, 4), "apparent energy": (9, 10)}
_ELECTRIC = {
    "power": (1, 2), "reactive power": (3, 4), "apparent power": (9, 10), "voltage": (12, 12), "current": (11, 11),
    "frequency": (14, 14),
}  # fmt: skip
_OF_PHASE = {"voltage": 32, "current": 31}
_NEUTRAL_CURRENT = 91
_ELECTRIC_D = {Function.NOW: 7, Function.MAXIMUM: 6, Function.MINIMUM: 3}
_OTHER_D = {Function.NOW: 0, Function.MAXIMUM: 5, Function.MINIMUM: 4}
_THERMAL = {
    "energy": 1, "volume": 2, "mass": 3, "power": 8, "volume flow": 9, "mass flow": 9, "flow temperature": 10,
    "return temperature": 11, "temperature difference": 12, "pressure": 13,
}  # fmt: skip
_WATER = {"volume": 1, "volume flow": 2, "flow temperature": 3}
_BY_GROUP = {5: _THERMAL, 6: _THERMAL, 8: _WATER, 9: _WATER, 4: {"heat cost": 1}}
_HEAT_AND_COOLING, _COOLING = 13, 5
#: Of every medium: quantity -> groups A, C, D, E.
_GENERAL = {
    "operating time": (0, 96, 8, 0), "external temperature": (0, 96, 9, 0), "life of battery": (0, 96, 6, 6),
    "error flags": (0, 97, 97, 0),
}  # fmt: skip


def readings(telegram: Telegram, medium: int, wanted: frozenset[bytes] = frozenset()) -> tuple[Reading, ...]:
    """The readings of one telegram, in its order. `wanted`: their names; empty: all."""
    found: dict[Obis, Reading] = {}
    known = _known.get(medium) or _known.setdefault(medium, {})
    for head, data, _, _ in telegram.records:
        if data is None or (type(data[1]) is not int and data[0] is not _FLOAT):
            continue
        try:
            about = known[head[9]]  # its octets
        except KeyError:
            about = _about(head, medium)
        if about is None or about[0] in found or (wanted and bytes(about[0]) not in wanted):
            continue
        name, scaler, unit, class_id = about
        found[name] = _new(Reading, (name, data, scaler, unit, None, None, class_id, 2, None))
    return tuple(found.values())


def _about(head: Head, medium: int) -> tuple[Obis, int, int, int] | None:
    """Name, scaler, unit and class of a record's value; None without a name. They are remembered."""
    known = _known[medium]
    if len(known) >= _NAMES:
        known.clear()
    name, meaning = _name_of(head, medium), head.meaning
    made = None if name is None or meaning.unit is None else (name, meaning.scaler, meaning.unit, _class(name))
    known[head.key] = made
    return made


def clock_of(telegram: Telegram) -> bytes | None:
    """The meter's own time: twelve octets without a zone."""
    for record in telegram.records:
        function, storage, tariff, subunit, _, _, meaning, *_ = record.head
        if (function, storage, tariff, subunit) != (0, 0, 0, 0) or meaning.quantity != "time" or meaning.modifiers:
            continue
        if record.value is not None and isinstance(record.value.value, bytes):
            return record.value.value
    return None


def device_of(identity: Identity) -> DeviceId:
    """A DIN 43863-5 id where the identity has all parts of one: the version is its block. Else the id as text."""
    if identity.id.isdigit() and identity.maker.isalpha() and len(identity.maker) == 3:
        sector = GROUP_A.get(identity.medium, _SECTOR_OTHER)
        return DeviceId.parse(f"{sector:X}{identity.maker}{identity.version:02X}{identity.id}")
    if identity.maker:
        return DeviceId(identity.octets)
    return DeviceId(identity.id.encode())


def name_of(head: Head, medium: int) -> Obis | None:
    """The name of a record's value; None if it has none."""
    return _name_of(head, medium)


def _name_of(head: Head, medium: int) -> Obis | None:
    meaning = head.meaning
    storage = head.storage or _PRESENT
    if meaning.unit is None or meaning.date or (head.storage and storage > _MOST_STORAGE):
        return None
    if head.tariff > _MOST_TARIFF or head.subunit > _MOST_SUBUNIT or head.function is Function.IN_ERROR:
        return None
    quantity, modifiers = meaning.quantity, meaning.modifiers
    if not modifiers and head.function is Function.NOW and quantity in _GENERAL:
        a, c, d, e = _GENERAL[quantity]
        return Obis(bytes((a, head.subunit, c, d, e, storage)))
    group = GROUP_A.get(medium)
    if group is None:
        return None
    if medium == ELECTRICITY:
        found = _electric(head)
    elif medium == GAS:
        found = _gas(head)
    else:
        found = _other(head, group)
        if medium == _HEAT_AND_COOLING and NEGATIVE in modifiers:
            group = _COOLING
    if found is None:
        return None
    return Obis(bytes((group, head.subunit, *found, head.tariff, storage)))


def _electric(head: Head) -> tuple[int, int] | None:
    """Groups C and D."""
    quantity, modifiers = head.meaning.quantity, set(head.meaning.modifiers)
    ways = modifiers & {POSITIVE, NEGATIVE}
    phases = modifiers & set(PHASES[:4])
    if len(phases) > 1 or len(ways) > 1 or modifiers - ways - phases:
        return None
    way = int(NEGATIVE in ways)
    phase = PHASES.index(phases.pop()) if phases else -1
    if quantity in _ELECTRIC_ENERGY:
        if head.function is not Function.NOW:
            return None
        c, d = _ELECTRIC_ENERGY[quantity][way], 8
    elif quantity in _ELECTRIC:
        c, d = _ELECTRIC[quantity][way], _ELECTRIC_D[head.function]
    else:
        return None
    if phase < 0:
        return c, d
    if phase == PHASES.index("N"):
        return (_NEUTRAL_CURRENT, d) if quantity == "current" else None
    if quantity in _OF_PHASE:
        return _OF_PHASE[quantity] + 20 * phase, d
    return (c + 20 * (phase + 1), d) if quantity != "frequency" else None


def _gas(head: Head) -> tuple[int, int] | None:
    """The volume; by its modifiers as measured, or at the standard's conditions."""
    modifiers = set(head.meaning.modifiers)
    if head.meaning.quantity != "volume" or head.function is not Function.NOW:
        return None
    if modifiers - {POSITIVE, UNCORRECTED, BASE_CONDITIONS}:
        return None
    name = GAS_BASE if BASE_CONDITIONS in modifiers else GAS_MEASURED
    return name[2], name[3]


def _other(head: Head, group: int) -> tuple[int, int] | None:
    modifiers = set(head.meaning.modifiers)
    c = _BY_GROUP[group].get(head.meaning.quantity)
    if c is None or modifiers - {POSITIVE, NEGATIVE}:
        return None
    if NEGATIVE in modifiers and (group != GROUP_A[_HEAT_AND_COOLING] or c != 1):
        return None
    return c, _OTHER_D[head.function]


def _class(name: Obis) -> int:
    return _DATA if name[2] == 97 else _REGISTER
