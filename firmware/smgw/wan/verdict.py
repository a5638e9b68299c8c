"""What an EMP's answer means for the rows that were sent (DESIGN.md, "How data flows")."""

from enum import Enum


class Verdict(Enum):
    """What the dispatcher does next."""

    ACKNOWLEDGED = "acknowledged"
    RETRY = "retry"  #: the EMP or the way to it is not well: the same again, later
    HOLD = "hold"  #: the profile or the EMP's set-up is wrong: nothing is skipped, a person is told
    TOO_LARGE = "too large"  #: the same in halves
    DISLIKED = "disliked"  #: something in it is not to the EMP's taste: find out which row


_RETRY = {408, 425, 429}
_DISLIKED = {400, 415, 422}


def verdict(status: int | None) -> Verdict:
    """The meaning of a status code; None is no answer at all. A code nobody foresaw holds: that skips nothing."""
    if status is None or status in _RETRY or status >= 500:
        return Verdict.RETRY
    if 200 <= status < 300:
        return Verdict.ACKNOWLEDGED
    if status == 413:
        return Verdict.TOO_LARGE
    if status in _DISLIKED:
        return Verdict.DISLIKED
    return Verdict.HOLD
