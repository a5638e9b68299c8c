"""The versions of P1 that the simulator knows: which objects, in which order, with how many digits."""

from enum import Enum
from typing import NamedTuple

from smgw.cosem import Obis
from smgw.cosem.units import AMPERE, VOLT, WATT, WATT_HOUR

from smsim.load.registers import Drive, Register


class SubMeter(Enum):
    """A meter that is read over M-Bus: the digit of its medium in an id, which is that of P1 too."""

    GAS = 3
    WATER = 7


class Version(NamedTuple):
    """What differs from version to version."""

    name: str
    head: tuple[str, ...]  # objects before the time
    identity: str  # object with the identity of the meter
    digits: int  # of a register, before the point
    crc: bool = True
    parity: bool = False  # a line with seven data bits
    values: tuple[tuple[SubMeter, str], ...] = ()  # objects with the value of a sub-meter
    sub_identity: str = "96.1.0"
    interval_s: int = 300  # between two values of a sub-meter
    totals: bool = False  # 1.8.0 and 2.8.0 beside the tariffs
    demand: bool = False  # Belgium: the quarter hour's, and the month's peak


_BOTH = ((SubMeter.GAS, "24.2.1"), (SubMeter.WATER, "24.2.1"))
VERSIONS = {
    one.name: one
    for one in (
        Version(
            "2.2", (), "0-0:96.1.1", 5, crc=False, parity=True, values=((SubMeter.GAS, "24.3.0"),), interval_s=3600
        ),
        Version("4", ("1-3:0.2.8(42)",), "0-0:96.1.1", 6, values=_BOTH, interval_s=3600),
        Version("5", ("1-3:0.2.8(50)",), "0-0:96.1.1", 6, values=_BOTH),
        Version(
            "BE", ("0-0:96.1.4(50217)",), "0-0:96.1.1", 6,
            values=((SubMeter.GAS, "24.2.3"), (SubMeter.WATER, "24.2.1")), sub_identity="96.1.1", demand=True,
        ),
        Version("LU", ("1-3:0.2.8(42)",), "0-0:42.0.0", 6, values=_BOTH, totals=True),
    )
}  # fmt: skip

#: The registers of a meter, in Wh, W, tenths of V and A.
REGISTERS = (
    *(
        Register(Obis.parse(code), drive, WATT_HOUR)
        for code, drive in (
            ("1.8.0", Drive.IMPORT),
            ("1.8.1", Drive.IMPORT_T1),
            ("1.8.2", Drive.IMPORT_T2),
            ("2.8.0", Drive.EXPORT),
            ("2.8.1", Drive.EXPORT_T1),
            ("2.8.2", Drive.EXPORT_T2),
        )
    ),
    Register(Obis.parse("1.7.0"), Drive.IMPORT_POWER, WATT),
    Register(Obis.parse("2.7.0"), Drive.EXPORT_POWER, WATT),
    *(Register(Obis.parse(f"{phase}.7.0"), Drive.FIXED, VOLT, -1, 2300 + phase) for phase in (32, 52, 72)),
    *(Register(Obis.parse(f"{phase}.7.0"), Drive.CURRENT, AMPERE) for phase in (31, 51, 71)),
)
