"""Events of the gateway's clock for the log book."""

from enum import StrEnum
from typing import NamedTuple

from smgw.cosem.reading import Stamp


class ClockEventKind(StrEnum):
    """Values are the log book's event names."""

    SYNCHRONISED = "clock-synchronised"  # stepped out of the state invalid
    JUMP_IGNORED = "clock-jump-ignored"  # a source that the others contradict, or that jumps while it is alone
    DEVIATED = "clock-deviated"  # invalid: the best sample and the clock disagree beyond the limit
    AGED = "clock-aged"  # invalid: no sample for so long that the clock may have drifted beyond the limit
    CONTRADICTION = "clock-sources-disagree"  # invalid, and the sources contradict each other
    BEFORE_BUILD = "clock-step-before-build"  # invalid: the sources give a time before the package was built
    BEFORE_KNOWN = "clock-step-before-values"  # invalid: the database has newer values; a person may allow the step
    ALONE = "clock-step-alone"  # invalid: only one source asks for a large step; a user may allow it


_TEXTS = {
    ClockEventKind.SYNCHRONISED: "the clock is synchronised by {source}; the time was stepped by {seconds:+.6f} s",
    ClockEventKind.JUMP_IGNORED: "{source} is {seconds:+.3f} s off; ignored while the clock is synchronised",
    ClockEventKind.DEVIATED: "{source} finds the clock {seconds:+.6f} s off: the time is invalid until the next sample",
    ClockEventKind.CONTRADICTION: "no majority of the time sources agrees ({source}): the time stays invalid",
    ClockEventKind.BEFORE_BUILD: "{source} tells a time before this software was built: the time stays invalid",
    ClockEventKind.BEFORE_KNOWN: "{source} tells a time before the newest values in the database: the time stays "
    "invalid; the step would be {seconds:+.3f} s. If {source} is right: smgw clock accept",
    ClockEventKind.ALONE: "{source} alone would step the time by {seconds:+.3f} s: the time stays invalid. "
    "If {source} is right: smgw clock accept",
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
