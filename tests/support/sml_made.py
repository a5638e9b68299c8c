"""SML captures made by smsim's styles: what a clone without the shared captures tests the readers with.

What is in them is known from the simulated meter, not from a reader. A capture begins with the end of a telegram and
ends within one, as real ones do.
"""

from functools import cache
from typing import Any, NamedTuple

from smgw.cosem import DeviceId
from smgw.sml.messages import ListEntry
from smgw.sml.tlv import Value
from smgw.wire import Crc
from smsim.load.registers import Drive, Register
from smsim.load.timelapse import TimeLapse
from smsim.sml import style
from smsim.sml.meter import Meter, MeterSpec

_JUNE = 1_780_264_800  # 2026-06-01 00:00 legal time
_HOUR_MS = 16_000  # of the simulation, which runs faster
_SUM = Register(style.DEVICE_ID, Drive.POWER, 27)


class MadeTelegram(NamedTuple):
    """One telegram: its octets, its list, and the power in W that flows (negative: out)."""

    octets: bytes
    server_id: DeviceId
    seconds: int | None  # sensor time
    entries: list[ListEntry]
    watts: int
    crc: Crc


@cache
def a_day(name: str, crc: Crc = Crc.X25) -> tuple[MadeTelegram, ...]:
    """A telegram an hour on a day in June. With a style that counts export, power flows out at noon."""
    made, elapsed = style.load(name), [0]
    assert made.device is not None
    meter = Meter(MeterSpec("m", made.device, (), 3500, 8000, 7, crc, made), TimeLapse(_JUNE), lambda: elapsed[0])
    found = []
    for hour in range(1, 25):
        elapsed[0] = hour * _HOUR_MS
        octets, entries = meter.telegram(), meter.entries()
        seconds = meter.sec_index() if made.sensor_time else None
        found.append(MadeTelegram(octets, meter.device, seconds, entries, meter.bank.value(_SUM), crc))
    return tuple(found)


@cache
def made_captures() -> dict[str, tuple[bytes, list[dict[str, Any]]]]:
    """Name -> octets, and what is in them as golden.json writes it. The families of check sums take turns."""
    found = {}
    for place, name in enumerate(style.names()):
        first, *whole, last = a_day(name, list(Crc)[place % 2])[9:14]
        octets = first.octets[-20:] + b"".join(one.octets for one in whole) + last.octets[:-9]
        found[f"made/{name}.bin"] = octets, list(map(_golden, whole))
    return found


def _golden(telegram: MadeTelegram) -> dict[str, Any]:
    return {
        "server": telegram.server_id.hex(),
        "actSensorTime": None if telegram.seconds is None else [1, telegram.seconds],
        "crc": telegram.crc.value,
        "len": len(telegram.octets),
        "entries": [
            [entry.obj_name.hex(), _plain(entry.status), entry.unit, entry.scaler, _plain(entry.value)]
            for entry in telegram.entries
        ],
    }


def _plain(value: Value | None) -> Any:
    return None if value is None else value.value.hex() if isinstance(value.value, bytes) else value.value
