"""What pulses show: the register of the meter, and its power or flow. Whole numbers only.

A pulse is `amount / pulses` of a base unit, such as 1000/800 Wh. The register gets so many decimals that each pulse is
exact, but at most three; beyond these it is rounded down, and no error adds up, because pulses are counted.

Power is one pulse divided by the time between the last two. Without pulses it falls as 1/time and never holds.
"""

from typing import NamedTuple

_MOST_DECIMALS = 3
SECOND_NS = 1_000_000_000
HOUR_NS = 3600 * SECOND_NS


class Quantity(NamedTuple):
    """A quantity of a dial. `amount` and `shown` are in 10^scaler of the register's unit."""

    amount: int  # of so many pulses as the profile says
    scaler: int
    unit: int  # of the register
    shown: int  # one unit of the dial that a person reads
    name: str  # of that unit
    rate_unit: int  # of power or flow
    rate_scaler: int
    rate_ns: int  # the time in which a rate of 1 gives 1: an hour for Wh and m³, a second for J


class Dial:
    """A register that shows counted pulses. `pulses` make `quantity.amount`."""

    def __init__(self, pulses: int, quantity: Quantity) -> None:
        self._pulses = pulses
        self._quantity = quantity
        decimals = 0
        while decimals < _MOST_DECIMALS and quantity.amount * 10**decimals % pulses:
            decimals += 1
        self._factor: int = 10**decimals
        self.scaler = quantity.scaler - decimals

    def value(self, count: int) -> int:
        """The register after so many pulses since zero, in 10^scaler of its unit."""
        return count * self._quantity.amount * self._factor // self._pulses

    def count(self, digits: int, decimals: int) -> int:
        """The number of pulses at which a dial shows `digits`, of which the last `decimals` stand behind the point.

        Rounded to the nearest pulse.
        """
        top = digits * self._quantity.shown * self._pulses
        bottom: int = self._quantity.amount * 10**decimals
        return (2 * top + bottom) // (2 * bottom)

    def text(self, count: int) -> str:
        """What a person reads on the dial after so many pulses, such as `12345.678 kWh`."""
        decimals = len(str(self._quantity.shown)) - 1 - self.scaler + self._quantity.scaler
        whole, rest = divmod(self.value(count), 10**decimals)
        return f"{whole}.{rest:0{decimals}d} {self._quantity.name}" if decimals else f"{whole} {self._quantity.name}"

    def rate(self, interval_ns: int) -> int:
        """Power or flow of one pulse in so much time, in 10^rate_scaler of its unit."""
        quantity = self._quantity
        shift = quantity.scaler - quantity.rate_scaler
        more: int = 10 ** max(0, shift)
        less: int = 10 ** max(0, -shift)
        return quantity.amount * quantity.rate_ns * more // (self._pulses * interval_ns * less)


class Rate:
    """The time between pulses (ns CLOCK_MONOTONIC)."""

    def __init__(self) -> None:
        self._before: int | None = None
        self._last: int | None = None

    def pulse(self, ns: int) -> None:
        """A pulse began."""
        self._before, self._last = self._last, ns

    def broken(self) -> None:
        """Pulses may be missing: the next two begin anew."""
        self._before = self._last = None

    def interval(self, ns: int) -> int | None:
        """Between the last two pulses, or since the last one if that is longer; None before the second pulse."""
        if self._last is None or self._before is None:
            return None
        return max(self._last - self._before, ns - self._last, 1)
