"""A maker's style: what the telegrams of one make of meter look like, read from a table in the folder `styles`.

A style is data: the objects of the list in order, the width of each number, the counting of message ids, the form of
the meter's time. `template` makes octets of it. A style that was not seen on a real meter says so.
"""

import functools
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from smgw.cosem import DeviceId, Obis
from smgw.cosem.units import WATT
from smgw.errors import SmgwError

from smsim.load.registers import Drive, Register
from smsim.sml.number import NUMBERS, Number
from smsim.toml_section import Section, document

#: What an eHZ calls its maker and itself.
MANUFACTURER = Obis(bytes.fromhex("8181C78203FF"))
DEVICE_ID = Obis(bytes.fromhex("0100000009FF"))
#: Status of an EDL meter beside its import register.
EDL_STATUS = 0x0182
_FOLDER = Path(__file__).with_name("styles")
_SUFFIX = ".toml"
#: A list name that most meters send: 1-0:98.10.255*255.
USUAL_LIST_NAME = bytes.fromhex("0100620AFFFF")


class Holds(Enum):
    """What an entry of the list holds, if no register."""

    MAKER = "maker"
    SERVER_ID = "server-id"
    ID_TEXT = "id-text"  # the id as people write it: 1EMH0011261482
    SERIAL = "serial"  # an id of digits, filled to ten with zeros in front
    PUBLIC_KEY = "public-key"
    TEXT = "text"
    STATUS = "status"


class ValTime(Enum):
    """The time beside a value."""

    ABSENT = "absent"
    SENSOR = "sensor"  # the meter's seconds of operation
    ZERO = "zero"  # seconds of operation, always 0 (DZG)
    BARE = "bare"  # seconds of operation without the choice that SML asks for (Holley)


class StatusWord(NamedTuple):
    """`base` while nothing flows; FNN meters (bit 2 set) and EDL meters say in different bits what does."""

    number: Number
    base: int


class Entry(NamedTuple):
    """One object of the list: a register, or something that `holds` names."""

    obis: Obis
    holds: Holds | None
    register: Register | None = None
    text: bytes = b""
    unit: int | None = None
    scaler: int | None = None
    number: Number | None = None
    with_status: bool = False
    val_time: ValTime = ValTime.ABSENT


class Counting(NamedTuple):
    """An id that counts: octets, how much a telegram adds, and what each of its messages adds to that."""

    octets: int
    step: int = 1
    offsets: tuple[int, ...] = (0,)
    little_endian: bool = False
    #: The same ids in every telegram; otherwise a meter begins anywhere.
    fixed: int | None = None
    #: The seconds of operation instead of a count.
    seconds: bool = False


class Style(NamedTuple):
    """What is the same in all telegrams of a make.

    `tag_octets`: 2 or 4 for message types. `whole_fill`: four octets of fill where none are needed (DZG).
    `repeats_type`: the follow-up octets of a type-length field repeat the type of the first one (Hager).
    """

    name: str
    entries: tuple[Entry, ...]
    status: StatusWord
    maker: str | None = None  # None: the letters of the device id
    device: DeviceId | None = None  # of meters that were given none; counted up
    transaction: Counting = Counting(6, 3, (0, 1, 2))
    file: Counting | bytes = Counting(6)
    tag_octets: int = 4
    whole_fill: bool = False
    repeats_type: bool = False
    time: Number = NUMBERS["u32"]
    client_id: bytes | None = None
    open_client_id: bytes | None = None
    reference_time: bool = False
    sml_version: int | None = None
    list_name: bytes | None = USUAL_LIST_NAME
    sensor_time: bool = True
    locked: str | None = None  # the style of this meter while it waits for its PIN

    @property
    def registers(self) -> tuple[Register, ...]:
        """The registers in it, in order."""
        return tuple(entry.register for entry in self.entries if entry.register is not None)


def names() -> list[str]:
    """The styles that there are."""
    return sorted(file.stem for file in _FOLDER.iterdir() if file.suffix == _SUFFIX)


@functools.cache
def load(name: str) -> Style:
    """One of the styles that there are."""
    return parse(name, _FOLDER.joinpath(name + _SUFFIX).read_text(encoding="utf-8"))


def parse(name: str, text: str) -> Style:
    """Read the text of a style. ConfigError for whatever is wrong with it."""
    section = document(text, name + _SUFFIX)
    usual = Style(name, (), StatusWord(NUMBERS["u16"], 0))
    style = usual._replace(
        maker=section.text("maker", None, "write its FLAG letters"),
        device=_device(section),
        transaction=_counting(section.table("transaction"), usual.transaction),
        file=_file(section.table("file")),
        tag_octets=int(section.choice("tag", "u32", ("u16", "u32"))[1:]) // 8,
        whole_fill=section.flag("whole_fill", default=False),
        repeats_type=section.flag("repeats_type", default=False),
        time=_number(section, "time", "u32"),
        open_client_id=_octets(section, "open_client_id"),
        client_id=_octets(section, "client_id"),
        reference_time=section.flag("reference_time", default=False),
        sml_version=section.integer("sml_version", 0, 0, 255) or None,
        list_name=USUAL_LIST_NAME if section.flag("list_name", default=True) else None,
        sensor_time=section.flag("sensor_time", default=True),
        locked=section.text("locked", "", "") or None,
        status=_status(section.table("status")),
        entries=tuple(_entry(entry) for entry in section.tables("entry")),
    )
    section.finish()
    return style


def generic(registers: Sequence[Register]) -> Style:
    """The style of a meter for which none was chosen: an eHZ's, with these registers."""
    wide = NUMBERS["i64"]
    entries = [
        Entry(MANUFACTURER, Holds.MAKER),
        Entry(DEVICE_ID, Holds.SERVER_ID),
    ]
    for register in registers:
        number = NUMBERS["i32-64"] if register.unit == WATT or register.drive is Drive.FIXED else wide
        first = register.drive is Drive.IMPORT
        entry = Entry(register.obis, None, register, b"", register.unit, register.scaler, number, first)
        entries.append(entry)
    return Style("generic", tuple(entries), StatusWord(NUMBERS["u16"], EDL_STATUS))


def _device(section: Section) -> DeviceId:
    text = section.text("device", None, "write the octets of a first device id in hex")
    try:
        return DeviceId.parse(text)
    except SmgwError as error:
        raise section.fault("device", str(error)) from None


def _number(section: Section, key: str, default: str) -> Number:
    return NUMBERS[section.choice(key, default, NUMBERS)]


def _octets(section: Section, key: str) -> bytes | None:
    text = section.text(key, "", "")
    try:
        return bytes.fromhex(text) or None
    except ValueError:
        raise section.fault(key, f"{text!r} is no hex", "write pairs of hex digits") from None


def _counting(section: Section, usual: Counting) -> Counting:
    fixed = section.integer("fixed", -1, -1, (1 << 32) - 1)
    counting = Counting(
        section.integer("octets", usual.octets, 1, 8),
        section.integer("step", usual.step, 0, 255),
        tuple(section.integers("offsets", usual.offsets, 0, 255)),
        section.flag("little_endian", default=False),
        fixed if fixed >= 0 else None,
        section.flag("seconds", default=False),
    )
    section.finish()
    return counting


def _file(section: Section) -> Counting | bytes:
    if section.has("text"):
        text = section.text("text", None, "").encode()
        section.finish()
        return text
    return _counting(section, Counting(6))


def _status(section: Section) -> StatusWord:
    status = StatusWord(_number(section, "type", "u16"), section.integer("base", 0, 0, (1 << 32) - 1))
    section.finish()
    return status


def _entry(section: Section) -> Entry:
    obis = Obis.parse(section.text("obis", None, "write a code such as 1-0:1.8.0*255"))
    kinds = [holds.value for holds in Holds]
    drives = [drive.value for drive in Drive]
    held = section.choice("holds", "", kinds + drives)
    entry = Entry(
        obis,
        Holds(held) if held in kinds else None,
        val_time=ValTime(section.choice("val_time", "absent", [time.value for time in ValTime])),
        with_status=section.flag("status", default=False),
        unit=section.optional_integer("unit", 0, 255),
        scaler=section.optional_integer("scaler", -128, 127),
    )
    if entry.holds is Holds.TEXT:
        text = _octets(section, "octets") or section.text("text", None, "write what it holds").encode()
        entry = entry._replace(text=text)
    if entry.holds is None:
        entry = _with_register(section, entry, Drive(held))
    section.finish()
    return entry


def _with_register(section: Section, entry: Entry, drive: Drive) -> Entry:
    """Unit and scaler of what is driven are sent; a fixed number may stand without."""
    unit = drive.unit if entry.unit is None and drive is not Drive.FIXED else entry.unit
    fixed = section.integer("value", 0, -(1 << 63), (1 << 64) - 1)
    register = Register(entry.obis, drive, 255 if unit is None else unit, entry.scaler or 0, fixed)
    return entry._replace(register=register, unit=unit, number=_number(section, "type", "u32"))
