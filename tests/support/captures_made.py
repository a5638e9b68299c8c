"""Captures made up for tests: a meter with one energy register, stamped as the test likes."""

from smgw.cosem import Capture, ClockState, Data, DataType, DeviceId, Obis, Reading, Stamp
from smgw.store.records import Source

SECOND = 1_000_000
BOOT = "0f3c6f3e-5c1b-4d32-9a52-6e2f9d3a0a11"
DEVICE = DeviceId.parse("1EMH0011802881")
HOUSE = Source("house", DEVICE)
ENERGY = Obis.parse("1.8.0")
POWER = Obis.parse("16.7.0")
#: 2026-03-01 00:00:00 UTC: a multiple of every registration period.
MIDNIGHT = 1_772_323_200 * SECOND


def energy(value: int, scaler: int = -1) -> Reading:
    return Reading(ENERGY, Data(DataType.LONG64_UNSIGNED, value), scaler, 30)


def capture(
    utc_us: int, *readings: Reading, synchronised: bool = True, meter: str = "house", device: DeviceId = DEVICE
) -> Capture:
    """The value of a capture without given readings is its own time, so that one can tell captures apart."""
    state = ClockState.SYNCHRONISED if synchronised else ClockState.INVALID
    stamp = Stamp(BOOT, max(utc_us, 0) * 1000, utc_us, 5000, state)
    return Capture(meter, device, stamp, None, readings or (energy(max(utc_us, 0)),))
