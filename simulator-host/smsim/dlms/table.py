"""An object model as a table: a TOML file beside this module, read once.

maker, firmware, status (the object of each row's status), public (objects that any client may read)
[[register]]  obis, type, scaler, unit, and drive (see `registers`) or value; `part` "positive" or "negative" of a power
[[data]]      obis, type, and value: text, number, or one of the words in braces: {device}, {serial}, {firmware}, {name}
[[profile]]   obis, period (seconds, or "month"), entries, columns: clock, status, or registers
"""

import tomllib
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from smgw.cosem import Obis
from smgw.cosem.data import DataType
from smgw.cosem.units import SYMBOLS

from smsim.load.registers import Drive, Register

MODELS = ("german", "dsmr")
CLOCK = Obis.parse("0-0:1.0.0*255")
MONTH = 0  # a period that is no number of seconds


class RegisterRow(NamedTuple):
    """A register; `sign` 1 or -1: the part of a signed power in that direction, 0: the whole power."""

    register: Register
    type: DataType
    class_id: int = 3
    sign: int = 0


class DataRow(NamedTuple):
    """A data object; texts may hold words in braces."""

    obis: Obis
    type: DataType
    value: str | int


class ProfileRow(NamedTuple):
    """A profile; `period_s` MONTH is the first of each month."""

    obis: Obis
    period_s: int
    entries: int
    columns: tuple[Obis, ...]


class Table(NamedTuple):
    """The objects of one kind of meter, besides those of every meter."""

    name: str
    maker: str  # three letters, for its system title
    firmware: str
    status: Obis  # of a row
    registers: tuple[RegisterRow, ...]
    data: tuple[DataRow, ...]
    profiles: tuple[ProfileRow, ...]
    public: tuple[Obis, ...]  # objects for a client without security, if rights are restricted


@cache
def load(name: str) -> Table:
    """One of MODELS."""
    text = resources.files("smsim.dlms").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    content = tomllib.loads(text)
    status = Obis.parse(content["status"])
    return Table(
        name,
        content["maker"],
        content["firmware"],
        status,
        tuple(map(_register, content["register"])),
        tuple(_data(row) for row in content["data"]),
        tuple(_profile(row, {"clock": CLOCK, "status": status}) for row in content["profile"]),
        tuple(map(Obis.parse, content["public"])),
    )


def _type(name: str) -> DataType:
    return DataType[name.upper().replace("-", "_")]


def _register(row: dict[str, Any]) -> RegisterRow:
    drive = Drive(row.get("drive", "fixed"))
    unit = next((number for number, symbol in SYMBOLS.items() if symbol == row["unit"]), 255)
    register = Register(Obis.parse(row["obis"]), drive, unit, row.get("scaler", 0), row.get("value", 0))
    sign = {"positive": 1, "negative": -1}.get(row.get("part", ""), 0)
    return RegisterRow(register, _type(row["type"]), row.get("class", 3), sign)


def _data(row: dict[str, Any]) -> DataRow:
    return DataRow(Obis.parse(row["obis"]), _type(row["type"]), row["value"])


def _profile(row: dict[str, Any], names: dict[str, Obis]) -> ProfileRow:
    period = MONTH if row["period"] == "month" else row["period"]
    columns = tuple(names.get(text) or Obis.parse(text) for text in row["columns"])
    return ProfileRow(Obis.parse(row["obis"]), period, row["entries"], columns)
