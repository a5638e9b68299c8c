"""Errors of polled meters, for every protocol."""

from smgw.errors import SmgwError


class PollError(SmgwError):
    """The meter gave no answer, or a refusal."""


class NoAnswerError(PollError):
    """No octets came, or unreadable ones: the meter is absent, or the line is faulty."""


class StoppedError(PollError):
    """The gateway stops: the answer is no longer needed."""

    def __init__(self) -> None:
        super().__init__("stopping")


class AccessRefusedError(PollError):
    """The meter refuses our password, secret or keys. It must not be asked again with the same ones: see `polling`.

    `keys` names what to correct in the meter's profile. `because` says why the meter is not asked again.
    """

    because = "some meters lock after a few refused passwords"

    def __init__(self, refusal: str, keys: str = "username and password_file") -> None:
        super().__init__(f"{refusal}; correct {keys} of this meter")


class SkippedCountersError(AccessRefusedError):
    """A meter is said to expect a counter so far ahead that only a person may allow it."""

    because = "somebody may forge the meter's answers to use the key up"

    def __init__(self, text: str) -> None:
        PollError.__init__(self, text)


class LinkRefusedError(PollError):
    """A meter answers and refuses this link: another client or address, or unknown settings."""
