"""Events of the gateway's clock for the log book."""

from enum import StrEnum
from typing import NamedTuple

from smgw.cosem.reading import Stamp


class ClockEventKind(StrEnum):
    """Values are the log book's event names."""

    SYNCHRONISED = "clock-synchronised"  # stepped out of the state invalid
    JUMP_IGNORED = "clock-jump-ignored"  # a source that is more than 1000 s off while the clock is synchronised
    DEVIATED = "clock-deviated"  # invalid: the best sample and the clock disagree beyond the limit
    AGED = "clock-aged"  # invalid: no sample for so long that the clock may have drifted beyond the limit


_TEXTS = {
    ClockEventKind.SYNCHRONISED: "the clock is synchronised by {source}; the time was stepped by {seconds:+.6f} s",
    ClockEventKind.JUMP_IGNORED: "{source} is {seconds:+.3f} s off; ignored while the clock is synchronised",
    ClockEventKind.DEVIATED: "{source} finds the clock {seconds:+.6f} s off: the time is invalid until the next sample",
    ClockEventKind.AGED: "the last sample, by {source}, is too old: the time is invalid until the next one",
}


class ClockEvent(NamedTuple):
    """`stamp` is the clock's, after the event; `difference_us` is the source's UTC minus the clock's before it."""

    kind: ClockEventKind
    stamp: Stamp
    source: str
    difference_us: int

    @property
    def text(self) -> str:
        """One sentence for users."""
        return _TEXTS[self.kind].format(source=self.source, seconds=self.difference_us / 1_000_000)
