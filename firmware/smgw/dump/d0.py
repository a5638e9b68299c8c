"""Read-outs of D0 as text: registers with names and units for people, one JSON object a read-out for programs."""

from typing import Any

from smgw.cosem import DeviceId, Reading, plain
from smgw.cosem.date_time import DateTime
from smgw.cosem.printable import printable
from smgw.cosem.units import symbol
from smgw.dump.counted import Counted
from smgw.dump.printer import Options
from smgw.iec62056.codes import ELECTRICITY, read_code
from smgw.iec62056.d0.check import Check
from smgw.iec62056.d0.read_out import ReadOut, ReadOutReader
from smgw.iec62056.d0.values import D0Values, values

_CHECKS = {
    Check.BCC: "check value right",
    Check.PARITY: "parity right",
    Check.NONE: "UNCHECKED: no check value, no parity",
}


class Printer(Counted):
    """Prints read-outs."""

    dump = "d0"
    what = "read-out"

    def shown(self, telegram: ReadOut) -> tuple[dict[str, Any], list[str]]:
        """See Counted."""
        found = values(telegram.sets, ELECTRICITY, _every_name(telegram))
        return _object(telegram, found), _tree(telegram, found)


def _every_name(one: ReadOut) -> frozenset[bytes]:
    """With history, which is read only if its name is wanted."""
    codes = [code for found in one.sets if (code := read_code(found.code)) is not None]
    return frozenset(bytes(code.obis)[:5] + bytes((255 if code.live else code.history,)) for code in codes)


def _object(one: ReadOut, found: D0Values) -> dict[str, Any]:
    return {
        "identification": one.identification,
        "check": one.check.value,
        "sets": [[each.code, list(each.groups)] for each in one.sets],
        "device": found.id.hex(),
        "time": None if found.time is None else str(DateTime.read(found.time)),
        "entries": [
            {
                "obis": str(reading.obis),
                "value": reading.value.value,
                "scaler": reading.scaler,
                "unit": reading.unit,
            }
            for reading in found.readings
        ],
    }


def _tree(one: ReadOut, found: D0Values) -> list[str]:
    time = "" if found.time is None else f", {DateTime.read(found.time)}"
    lines = [printable(f"/{one.identification}, {_CHECKS[one.check]}")]
    lines.append(printable(f"  device {_name(found.id)}{time}"))
    return lines + [printable(f"    {reading.obis!s:<18} {_value(reading)}") for reading in found.readings]


def _name(device: bytes) -> str:
    if not device:
        return "without identity"
    return str(DeviceId(device)) if DeviceId(device).is_din else device.decode("ascii", "replace")


def _value(reading: Reading) -> str:
    value = reading.value.value
    return (
        f"{plain(value, reading.scaler)} {symbol(reading.unit)}".rstrip() if isinstance(value, int) else f'"{value!s}"'
    )


def make(options: Options) -> Printer:
    """The printer."""
    return Printer(ReadOutReader(), as_json=options.as_json, most=options.most)
