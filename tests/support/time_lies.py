"""Time servers that lie, and a gateway's clock that hears them, in made time."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from smgw.clock.gateway_clock import GatewayClock
from smgw.clock.sample import TimeSample
from smgw.cosem.reading import ClockState

SECOND_NS = 1_000_000_000
SECOND_US = 1_000_000
UTC_US = 1_790_000_000 * SECOND_US
YEAR_S = 365 * 86_400


def year(which: int) -> int:
    """Seconds from the true time to about the beginning of that year."""
    return (which - 1970) * 31_556_952 - UTC_US // SECOND_US


class Lie(NamedTuple):
    """How far off a server is, and how far it says that it may be off, in seconds."""

    off_s: float
    claims_s: float = 0.001


#: What a false server says at its so-manieth answer.
LIES: Mapping[str, Callable[[int], Lie]] = {
    "a year ahead": lambda _: Lie(YEAR_S),
    "2020": lambda _: Lie(year(2020)),
    "2150": lambda _: Lie(year(2150)),
    "+20 s, claims exactness": lambda _: Lie(20, 0),
    "+6 h": lambda _: Lie(6 * 3600),
    "oscillates by 20 s": lambda number: Lie(20 if number % 2 else -20, 0),
    "oscillates by an hour": lambda number: Lie(3600 if number % 2 else -3600),
    "huge dispersion": lambda _: Lie(20, 26),
    "a day off, huge dispersion": lambda _: Lie(86_400, 26),
    "true, then +20 s": lambda number: Lie(0 if number < 5 else 20, 0),
    "true, then a year ahead": lambda number: Lie(0 if number < 5 else YEAR_S, 0),
    "creeps away": lambda number: Lie(0.05 * number, 0),
    "creeps away with a wide claim": lambda number: Lie(0.3 * number, 15),
}


class Kernel:
    """A board whose crystal is off by `ppm`, so that true time and CLOCK_BOOTTIME part."""

    boot_id = "boot"

    def __init__(self, ppm: int = 0) -> None:
        self.ppm = ppm
        self.boottime = 60 * SECOND_NS

    def boottime_ns(self) -> int:
        return self.boottime

    def realtime_ns(self) -> int:
        return self.boottime

    @property
    def true_us(self) -> int:
        """UTC now."""
        return UTC_US + self.boottime // 1000 + self.boottime * self.ppm // 1_000_000_000

    def sample(self, source: str, off_us: int, dispersion_us: int) -> TimeSample:
        return TimeSample("boot", self.boottime, self.true_us - self.boottime // 1000 + off_us, dispersion_us, source)


class Outcome(NamedTuple):
    """The worst error of a stamp that was called valid, the share of valid stamps, and whether the last one was."""

    worst_us: int
    valid: float
    valid_at_last: bool


def live(
    clock: GatewayClock,
    kernel: Kernel,
    rounds: int,
    ask: Callable[[int, str], Lie | None],
    servers: Sequence[str] = "abc",
) -> Outcome:
    """Ask all servers every 256 s; look at the clock after each answer and before the next round."""
    worst, valid, looks = 0, 0, 0
    for number in range(rounds):
        for server in servers:
            said = ask(number, server)
            if said is not None:
                clock.feed(kernel.sample(server, round(said.off_s * SECOND_US), round(said.claims_s * SECOND_US)))
            kernel.boottime += SECOND_NS // 20
            worst, valid, looks = _look(clock, kernel, worst, valid, looks)
        kernel.boottime += 256 * SECOND_NS
        clock.poll()
        worst, valid, looks = _look(clock, kernel, worst, valid, looks)
    return Outcome(worst, valid / looks, clock.state is ClockState.SYNCHRONISED)


def _look(clock: GatewayClock, kernel: Kernel, worst: int, valid: int, looks: int) -> tuple[int, int, int]:
    stamp = clock.stamp()
    if stamp.state is not ClockState.SYNCHRONISED:
        return worst, valid, looks + 1
    return max(worst, abs(stamp.utc_us - kernel.true_us)), valid + 1, looks + 1
