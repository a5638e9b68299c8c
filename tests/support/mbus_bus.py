"""Meters on an M-Bus in memory."""

from collections.abc import Sequence
from typing import Any

from memory_line import FakeTime, MemoryPort
from smgw.lmn.contract import Surroundings
from smgw.lmn.mbus.line import MBusLine
from smgw.lmn.mbus.poll import MBusPoll
from smgw.mbus.slave import Bus, Slave
from smgw.mbus.telegram import Identity
from smgw.profiles.mbus import MBusProfile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets

HEAT, WATER = Identity("66660205", "LUG", 7, 4), Identity("14839120", "KAM", 1, 7)


def volume(litres: int) -> bytes:
    """A record with a volume."""
    return b"\x04\x13" + litres.to_bytes(4, "little")


def energy(watt_hours: int) -> bytes:
    """A record with an energy."""
    return b"\x04\x03" + watt_hours.to_bytes(4, "little")


def meter(address: int, identity: Identity = WATER, *telegrams: bytes) -> Slave:
    """A meter with fixed telegrams."""
    return Slave(address, identity, lambda _: telegrams or (volume(1234),))


class Line:
    """A line with slaves, and a time of its own."""

    def __init__(self, slaves: Sequence[Slave], noise: bytes = b"", *, echo: bool = False, spread: int = 1) -> None:
        self.time = FakeTime()
        self.bus = Bus(slaves, spread)
        self.asked: list[bytes] = []
        self.lost = 0  #: so many answers to come are lost
        self.noise, self.echo = noise, echo
        self.port: Any = MemoryPort(self.time, [self._carry])
        self.surroundings = Surroundings(self.time, now=self.time)
        self.line = MBusLine(self.surroundings, 1.0)

    def _carry(self, octets: bytes) -> bytes:
        self.asked.append(octets)
        answer = self.bus.receive(octets)
        if answer and self.lost:
            self.lost -= 1
            answer = b""
        echo = octets if self.echo else b""
        return echo + (self.noise + answer if answer else b"")

    def poll(self, options: MBusProfile, **keys: Any) -> MBusPoll:
        """A meter as the gateway reads it."""
        profile = MeterProfile("house", "mbus", "/dev/null", options=options, timeout=1, retries=1, **keys)
        return MBusPoll(profile, Secrets(), self.surroundings)
