"""The time limits of a link: for octets, for an answer, for any progress. `now` is monotonic seconds.

Only progress extends the time until the primary gives up; noise, echoes and repeated frames do not.
"""

_BUSY_S = 0.5  # a meter that has no answer yet is polled again after this
_INTER_OCTET_S = 1.0  # within a frame; 25 ms on the wire, but USB and TCP bridges pause


class Timing:
    """The deadlines of one link, in seconds: `timeout` for an answer, `patience` without progress, `inactivity`.

    `due` is the next deadline, None while nothing is awaited.
    """

    def __init__(self, timeout: float, retries: int, inactivity: float | None) -> None:
        self.patience = timeout * (1 + retries)
        self.inactivity = inactivity
        self.due: float | None = None
        self._timeout = timeout
        self._answer_due = 0.0  # deadline if no octet comes
        self._give_up = 0.0

    def deadline(self, now: float) -> float | None:
        """`due`, but not before now."""
        return None if self.due is None else max(self.due, now)

    def passed(self, now: float) -> bool:
        """True if the deadline is over."""
        return self.due is not None and now >= self.due

    def exhausted(self, now: float) -> bool:
        """True if there was no progress for too long."""
        return now >= self._give_up

    def progress(self, now: float) -> None:
        """Note progress: something new came, or was begun."""
        self._give_up = now + self.patience

    def await_answer(self, now: float) -> None:
        """Note that a request was sent."""
        self.due = self._answer_due = now + self._timeout

    def await_once(self, now: float) -> None:
        """The same, for a request that is not repeated."""
        self.await_answer(now)
        self._give_up = self._answer_due

    def await_later(self, now: float) -> None:
        """Note that the peer has no answer yet."""
        self.due = self._answer_due = min(now + _BUSY_S, self._give_up)

    def octets(self, now: float, *, receiving: bool, lost: bool) -> None:
        """Octets came while an answer is awaited: of an unfinished frame, or of none.

        Octets without a frame are most likely the damaged answer: it is polled for when the line is silent.
        """
        if self.due is None:
            return
        if receiving:
            self.due = max(self.due, min(now + _INTER_OCTET_S, self._give_up))
        elif lost:
            self.due = min(self._answer_due, now + _INTER_OCTET_S)

    def await_command(self, now: float) -> None:
        """Secondary: the primary sent a frame and must send the next one in time."""
        self.due = None if self.inactivity is None else now + self.inactivity

    def stop(self) -> None:
        """Await nothing."""
        self.due = None
