"""How long a link waits, for octets, for an answer, for any progress. No clock here: `now` is monotonic seconds.

Only progress moves the moment at which the primary gives up: noise, echoes and repeated frames do not.
"""

_BUSY_S = 0.5  # a meter that has nothing to say yet is polled again after this
_INTER_OCTET_S = 1.0  # within a frame; 25 ms on the wire, but USB and TCP bridges pause


class Timing:
    """The deadlines of one link, in seconds: `timeout` for an answer, `patience` without progress, `inactivity`.

    `due` is when something is to be done, None while nothing is waited for.
    """

    def __init__(self, timeout: float, retries: int, inactivity: float | None) -> None:
        self.patience = timeout * (1 + retries)
        self.inactivity = inactivity
        self.due: float | None = None
        self._timeout = timeout
        self._answer_due = 0.0  # when, if nothing at all comes
        self._give_up = 0.0

    def deadline(self, now: float) -> float | None:
        """`due`, and never before now."""
        return None if self.due is None else max(self.due, now)

    def passed(self, now: float) -> bool:
        """Something is to be done."""
        return self.due is not None and now >= self.due

    def exhausted(self, now: float) -> bool:
        """There was no progress for too long."""
        return now >= self._give_up

    def progress(self, now: float) -> None:
        """Something new came, or was begun."""
        self._give_up = now + self.patience

    def await_answer(self, now: float) -> None:
        """Something was sent that wants an answer."""
        self.due = self._answer_due = now + self._timeout

    def await_once(self, now: float) -> None:
        """The same, but it is not sent again."""
        self.await_answer(now)
        self._give_up = self._answer_due

    def await_later(self, now: float) -> None:
        """The peer has nothing to say yet."""
        self.due = self._answer_due = min(now + _BUSY_S, self._give_up)

    def octets(self, now: float, *, receiving: bool, lost: bool) -> None:
        """Octets came while an answer is waited for: of a frame that is not whole yet, or of none.

        What made no frame is most likely the answer, damaged: it is polled for once the line is silent.
        """
        if self.due is None:
            return
        if receiving:
            self.due = max(self.due, min(now + _INTER_OCTET_S, self._give_up))
        elif lost:
            self.due = min(self._answer_due, now + _INTER_OCTET_S)

    def await_command(self, now: float) -> None:
        """Secondary: the primary spoke, and has to speak again in time."""
        self.due = None if self.inactivity is None else now + self.inactivity

    def stop(self) -> None:
        """Nothing is waited for."""
        self.due = None
