"""The 64-bit status word of a value: 32 bits of the gateway, 32 bits of the meter (Detailspezifikation 2.0, ch. 15)."""

import re
from enum import IntFlag
from typing import NamedTuple, Self


class GatewayStatus(IntFlag):
    """The gateway's half; bit 0 is the least significant bit of the number."""

    FIXED = 0b101  # bits 0 and 2 are always set
    NOT_VALIDATED = 1 << 1  # not for billing
    FATAL_ERROR = 1 << 8
    TIME_INVALID = 1 << 9
    WARNING = 1 << 12
    NO_VALUE_IN_WINDOW = 1 << 13
    METER_TAMPER = 1 << 14
    METER_ERROR = 1 << 15
    THRESHOLD_EXCEEDED = 1 << 16
    WIRELESS_METER = 1 << 17


class FnnStatus(IntFlag):
    """The meter's half, as an FNN basic meter sends it."""

    BASIC_METER = 1 << 2
    ACTIVE_POWER_PRESENT = 1 << 8
    MAGNETIC_TAMPER = 1 << 9
    MECHANICAL_TAMPER = 1 << 10
    EXPORT = 1 << 11
    EXPORT_L1 = 1 << 12
    EXPORT_L2 = 1 << 13
    EXPORT_L3 = 1 << 14
    ROTATION_WRONG = 1 << 15
    BACKSTOP_ACTIVE = 1 << 16
    FATAL_ERROR = 1 << 17
    VOLTAGE_L1 = 1 << 18
    VOLTAGE_L2 = 1 << 19
    VOLTAGE_L3 = 1 << 20


class ProfileStatus(IntFlag):
    """The status of a row of a load profile, eight bits: DSMR and IDIS, "AMR profile status"; VDEW 2.1.2 as well."""

    FATAL_ERROR = 1 << 0
    CLOCK_INVALID = 1 << 1  # the power reserve of the clock was used up
    DATA_INVALID = 1 << 2
    DAYLIGHT_SAVING = 1 << 3
    CLOCK_ADJUSTED = 1 << 5
    POWER_DOWN = 1 << 7


def _reversed32(word: int) -> int:
    return int(f"{word:032b}"[::-1], 2)


class StatusWord(NamedTuple):
    """Both halves as numbers whose bit 0 is the least significant one."""

    gateway: int
    meter: int = 0

    @property
    def lsb0(self) -> str:
        """16 hex digits, bit 0 of each half last: the form of AR 2418-6 `statusFNN`."""
        return f"{self.gateway:08x}{self.meter:08x}"

    @property
    def msb0(self) -> str:
        """16 hex digits, bit 0 of each half first: the form of the gateway's XML."""
        return f"{_reversed32(self.gateway):08x}{_reversed32(self.meter):08x}"

    @classmethod
    def from_lsb0(cls, digits: str) -> Self:
        """Read the AR 2418-6 form; ValueError unless 16 hex digits."""
        if not re.fullmatch("[0-9a-fA-F]{16}", digits):  # int() would take signs, blanks and underscores too
            raise ValueError(f"{digits!r} is no status word; it has 16 hex digits")
        return cls(int(digits[:8], 16), int(digits[8:], 16))

    @classmethod
    def from_msb0(cls, digits: str) -> Self:
        """Read the form of the gateway's XML; ValueError unless 16 hex digits."""
        word = cls.from_lsb0(digits)
        return cls(_reversed32(word.gateway), _reversed32(word.meter))
