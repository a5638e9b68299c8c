"""A meter with a pulse output (S0): its pulses as the edges that a GPIO chip of the kernel would report.

A gateway on a PC without GPIO reads them from a pseudo terminal. Pulses are spread evenly over the step of the register
that they belong to, so power comes out smooth. There are no telegrams, so no faults of telegrams either.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from smgw.cosem import Obis
from smgw.cosem.units import WATT_HOUR
from smgw.s0.edges import Edge, event_octets

from smsim.load.registers import Drive, Register
from smsim.ports import Port, PtyPort
from smsim.toml_section import Section

#: Pulse and pause: the shortest ones of EN 62053-31 (30 ms) for every meter.
LENGTH_NS = 30_000_000
_DECIMALS = 4  # of a Wh
#: Seconds between two looks for pulses.
INTERVAL_S = 0.1
MOST_PULSES = 1_000_000
_ABSENT_NS = 5_000_000_000
#: What a meter with a pulse output counts.
REGISTERS = (Register(Obis.parse("1.8.0"), Drive.IMPORT, WATT_HOUR, -_DECIMALS),)


class Measuring(Protocol):
    """A meter."""

    def values(self) -> Sequence[tuple[Register, int]]:
        """Its registers, now."""


class S0Pulses:
    """Gives edges without a request: a telegram is all edges since the one before. `pulses` make a kWh."""

    def __init__(self, meter: Measuring, pulses: int, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._meter = meter
        self._pulses = pulses
        self._now_ns = now_ns
        self._seen = self._value()
        self._seen_ns = now_ns()
        self._due: deque[int] = deque()  # when pulses that were not sent yet should begin
        self._free_ns = 0  # when the next one may begin
        self._edges = 0
        self._looked_ns = now_ns()

    def telegram(self) -> bytes:
        """The edges until now; often none."""
        now_ns = self._now_ns()
        if now_ns - self._looked_ns > _ABSENT_NS:  # nobody listened, and pulses do not wait
            self._due.clear()
            self._seen, self._seen_ns = self._value(), now_ns
        self._looked_ns = now_ns
        self._count(now_ns)
        found = []
        while self._due and (begin := max(self._due[0], self._free_ns)) + LENGTH_NS <= now_ns:
            self._due.popleft()
            self._free_ns = begin + 2 * LENGTH_NS
            for ns, active in ((begin, True), (begin + LENGTH_NS, False)):
                self._edges += 1
                found.append(event_octets(Edge(ns, active, self._edges & 0xFFFF_FFFF)))
        return b"".join(found)

    def _count(self, now_ns: int) -> None:
        """Note the pulses of the energy since the register moved last."""
        value = self._value()
        if value == self._seen:
            return
        per_pulse = 1000 * 10**_DECIMALS  # parts of a kWh
        first, last = (energy * self._pulses // per_pulse for energy in (self._seen, value))
        for pulse in range(first + 1, last + 1):
            part = pulse * per_pulse - self._seen * self._pulses
            self._due.append(self._seen_ns + (now_ns - self._seen_ns) * part // ((value - self._seen) * self._pulses))
        self._seen, self._seen_ns = value, now_ns

    def _value(self) -> int:
        ((_, value),) = self._meter.values()
        return value


def pulses_of(section: Section, port: Port) -> int | None:
    """How many pulses of a meter make a kWh; None if it has no pulse output."""
    if not section.has("s0"):
        return None
    if not isinstance(port, PtyPort):
        raise section.fault("port", f"pulses do not come on {port}", "write pty:LINK")
    for key in ("answers", "baud", "fault", "push_interval"):
        if section.has(key):
            raise section.fault(key, "a pulse output has no telegrams", "leave it out")
    return section.integer("s0", 1000, 1, MOST_PULSES)
