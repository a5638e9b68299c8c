"""Faults that one can switch on: what goes wrong with one meter and its line, from when and for how long.

A fault stands in the configuration, `[[meter.fault]]`, or is said while the simulator runs: `roof loss one_in=50`.
Chance is drawn from the meter's id and seed, so that a run can be repeated.
"""

import random
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from smgw.cosem import DeviceId

from smsim.errors import FaultError
from smsim.sml.meter import Meter


class Kind(Enum):
    """What can go wrong. Those with `for` end then, or when they are switched off."""

    LOSS = "loss"  # one octet in so many is lost
    NOISE = "noise"  # one octet in so many has a wrong bit, and rubbish precedes each telegram
    SILENCE = "silence"  # nothing comes, in the middle of a telegram too: the head fell off
    REBOOT = "reboot"  # dark for a while; then the seconds of operation and the ids of telegrams begin anew
    CLOCK_JUMP = "clock-jump"  # the seconds of operation jump
    EXCHANGE = "exchange"  # another meter hangs there, its registers at zero
    PIN_LOCK = "pin-lock"  # it waits for its PIN


class Fault(NamedTuple):
    """One fault; which fields matter is said in FIELDS."""

    kind: Kind
    at_s: float = 0.0  # after the start of the simulator
    for_s: float | None = None  # None: until it is switched off
    one_in: int = 200
    by_s: int = 3600
    device: DeviceId | None = None  # None: the serial number goes on by 50,000,000


#: Which keys each kind takes beside `kind` and `at`.
FIELDS: dict[Kind, tuple[str, ...]] = {
    Kind.LOSS: ("for", "one_in"),
    Kind.NOISE: ("for", "one_in"),
    Kind.SILENCE: ("for",),
    Kind.REBOOT: ("for",),
    Kind.CLOCK_JUMP: ("by",),
    Kind.EXCHANGE: ("device",),
    Kind.PIN_LOCK: ("for",),
}
MOST_SECONDS, MOST_ONE_IN = 86_400 * 366, 1_000_000
_LASTING = (Kind.LOSS, Kind.NOISE, Kind.SILENCE, Kind.PIN_LOCK)
_DARK_S = 5.0  # a reboot of which nothing is said
_MOST_RUBBISH = 32
_EXCHANGE_STEP = 50_000_000
_SERIALS = 100_000_000  # DIN 43863-5: eight digits


class Faults:
    """What is wrong with one meter now. `elapsed_ms` is the PC's running time."""

    def __init__(self, meter: Meter, elapsed_ms: Callable[[], int]) -> None:
        self._meter = meter
        self._elapsed_ms = elapsed_ms
        self._present: dict[Kind, tuple[Fault, float]] = {}  # with the millisecond of its end
        self._random = random.Random(f"{meter.spec.device.hex()} {meter.spec.seed}")  # noqa: S311 - to be repeated

    def check(self, fault: Fault) -> None:
        """FaultError if this cannot go wrong with this meter."""
        if fault.kind is Kind.PIN_LOCK and not self._meter.lockable:
            raise FaultError(f"meter {self._meter.spec.name}: its style knows no state before the PIN")

    def begin(self, fault: Fault) -> None:
        """Let it go wrong now. FaultError if it cannot."""
        self.check(fault)
        now = self._elapsed_ms()
        match fault.kind:
            case Kind.CLOCK_JUMP:
                self._meter.jump_clock(fault.by_s)
                return
            case Kind.EXCHANGE:
                self.end(Kind.PIN_LOCK)
                self._meter.exchange(fault.device or counted(self._meter.device, _EXCHANGE_STEP))
                return
            case Kind.PIN_LOCK:
                self._meter.lock(locked=True)
            case Kind.REBOOT:
                fault = fault._replace(for_s=_DARK_S if fault.for_s is None else fault.for_s)
                self._meter.reboot(round((fault.for_s or 0) * 1000))
        self._present[fault.kind] = fault, float("inf") if fault.for_s is None else now + fault.for_s * 1000

    def end(self, kind: Kind) -> None:
        """Let it be right again; a reboot ends by itself, what happened at once stays."""
        if kind is Kind.PIN_LOCK and kind in self._present:
            self._meter.lock(locked=False)
        if kind is not Kind.REBOOT:
            self._present.pop(kind, None)

    def present(self, kind: Kind) -> Fault | None:
        """The fault of this kind, if it is on."""
        found = self._present.get(kind)
        if found is None:
            return None
        fault, end_ms = found
        if self._elapsed_ms() < end_ms:
            return fault
        self.end(kind)
        self._present.pop(kind, None)
        return None

    @property
    def silent(self) -> bool:
        """True while nothing may leave the meter. Asked before each telegram, so it also ends what is over."""
        if not self._present:
            return False
        self.present(Kind.PIN_LOCK)
        return self.present(Kind.SILENCE) is not None or self.present(Kind.REBOOT) is not None

    def on_the_line(self, octets: bytes) -> tuple[bytes, bool]:
        """What a reader gets of these octets, and whether all of them are in it as they were."""
        noise, loss = self.present(Kind.NOISE), self.present(Kind.LOSS)
        draw = self._random
        wire = octets
        if noise:
            wire = bytes(
                octet if draw.randrange(noise.one_in) else octet ^ 1 << draw.randrange(8) for octet in wire
            )  # fmt: skip
        if loss:
            wire = bytes(octet for octet in wire if draw.randrange(loss.one_in))
        intact = wire == octets
        if noise:
            wire = draw.randbytes(draw.randrange(_MOST_RUBBISH + 1)) + wire
        return wire, intact

    def names(self) -> list[str]:
        """What is on, for people."""
        return [kind.value for kind in Kind if self.present(kind)]


def lasting(kind: Kind) -> bool:
    """True if it can be switched off."""
    return kind in _LASTING


def counted(device: DeviceId, steps: int) -> DeviceId:
    """The device id whose serial number is so many further on; beyond the last it begins at zero."""
    if device.isdigit():  # an id of digits as old EMH meters have
        return DeviceId(b"%0*d" % (len(device), (int(device) + steps) % 10 ** len(device)))
    width = min(len(device), 4)
    serial = (int.from_bytes(device[-width:], "big") + steps) % (_SERIALS if device.is_din else 1 << 8 * width)
    return DeviceId(device[:-width] + serial.to_bytes(width, "big"))
