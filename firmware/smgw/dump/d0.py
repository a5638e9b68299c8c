"""Read-outs of D0 as text: registers with names and units for people, one JSON object a read-out for programs."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from smgw.cosem import DeviceId, Reading, plain
from smgw.cosem.date_time import DateTime
from smgw.cosem.printable import printable
from smgw.cosem.units import symbol
from smgw.dump.printer import Options, look_alike
from smgw.iec62056.codes import ELECTRICITY, read_code
from smgw.iec62056.d0.check import Check
from smgw.iec62056.d0.read_out import ReadOut, ReadOutReader
from smgw.iec62056.d0.values import D0Values, values
from smgw.wire import Refused
from smgw.wire.unread import SAMPLE

_CHECKS = {
    Check.BCC: "check value right",
    Check.PARITY: "parity right",
    Check.NONE: "UNCHECKED: no check value, no parity",
}


class Printer:
    """Prints read-outs to stdout and refused octets to stderr, and counts both."""

    def __init__(self, *, as_json: bool, most: int = 0) -> None:
        self._reader = ReadOutReader()
        self._as_json = as_json
        self._most = most
        self._sample = b""
        self.delivered = 0
        self.refused = 0

    @property
    def enough(self) -> bool:
        """True once as many as were asked for have been printed."""
        return bool(self._most) and self.delivered >= self._most

    def receive(self, data: bytes) -> bool:
        """Print the read-outs that these octets complete; True if there was one."""
        if not self.delivered:
            self._sample = (self._sample + data)[:SAMPLE]
        return self._take(self._reader.receive(data))

    def finish(self) -> None:
        """End an unfinished read-out; if there was none at all, say what the octets look like."""
        self._take(self._reader.finish())
        if not self.delivered and (found := look_alike("d0", self._sample)):
            print(f"no read-out: {found}", file=sys.stderr)

    def summary(self) -> None:
        """Read-outs seen, delivered, refused."""
        seen = self.delivered + self.refused
        print(f"{seen} telegrams seen, {self.delivered} delivered, {self.refused} refused", file=sys.stderr)

    def _take(self, events: Sequence[ReadOut | Refused]) -> bool:
        for event in events:
            if self.enough:
                break
            if isinstance(event, Refused):
                self.refused += 1
                print(f"refused: {event.octets} octets: {printable(event.reason)}", file=sys.stderr)
                continue
            self.delivered += 1  # before it is printed: who has seen it and interrupts is told so
            found = values(event.sets, ELECTRICITY, _every_name(event))
            print(json.dumps(_object(event, found)) if self._as_json else "\n".join(_tree(event, found)), flush=True)
        return any(isinstance(event, ReadOut) for event in events)


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
    return Printer(as_json=options.as_json, most=options.most)
