"""Values of a contract, as the views of other makers show them: which devices, which registers, which rows."""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from smgw.cosem.evaluation_facts import FACTS
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Reading, meter_status
from smgw.cosem.status_word import StatusWord
from smgw.han.house import Contract, House
from smgw.store.ranges import Range
from smgw.store.records import ListKind, Source, StoredRecord

#: Lists of a contract that are its own. Others are those of its meters.
_OWN = frozenset({ListKind.DERIVED, ListKind.CALCULATED, ListKind.PERIOD_END})


class Value(NamedTuple):
    """A value of one register in one row."""

    record: StoredRecord
    reading: Reading

    @property
    def status(self) -> StatusWord:
        """Both halves of the status word."""
        return StatusWord(self.record.gateway_status, meter_status(self.record.readings))

    @property
    def number(self) -> str:
        """The number as it was stored; scaler and unit stand elsewhere. Empty: there is none."""
        value = self.reading.value.value
        return str(value) if isinstance(value, int) else ""


class Column(NamedTuple):
    """One register of one device."""

    source: Source
    obis: Obis
    scaler: int
    unit: int


def devices(house: House, consumer: str, contract: Contract, kind: ListKind = ListKind.ORIGINAL) -> list[Source]:
    """The devices whose rows a list of this contract has."""
    if kind in _OWN:
        return list(contract.sources)
    return house.parts(consumer, contract)


def columns(house: House, consumer: str, contract: Contract, kind: ListKind = ListKind.ORIGINAL) -> list[Column]:
    """The registers of a list. Of a meter those that the contract names."""
    return [
        Column(source, obis, scaler, unit)
        for source in devices(house, consumer, contract, kind)
        for obis, scaler, unit in house.registers(consumer, source)
        if (kind in _OWN and obis != FACTS.obis) or obis in contract.profile.objects
    ]


def newest(house: House, consumer: str, column: Column) -> Iterator[Value]:
    """The newest stored value of a register; none if the newest row lacks it."""
    record = house.newest(consumer, column.source)
    if record is not None:
        yield from (Value(record, one) for one in record.readings if one.obis == column.obis)


def values(house: House, consumer: str, column: Column, wanted: Range, kind: ListKind) -> Iterator[Value]:
    """The values of a register in a range of target times, both ends included."""
    objects: Collection[Obis] = (column.obis,)
    for record in house.readings(consumer, column.source, wanted, kind, objects):
        yield from (Value(record, one) for one in record.readings)
