"""What a meter that is asked may answer, whatever the protocol."""

from smgw.errors import SmgwError


class PollError(SmgwError):
    """The meter gave no answer, or a refusal."""


class NoAnswerError(PollError):
    """Nothing came, or nothing that could be read: the meter, or the way to it, is not there."""


class StoppedError(PollError):
    """We stop: nobody waits for the answer."""

    def __init__(self) -> None:
        super().__init__("stopping")


class AccessRefusedError(PollError):
    """The meter refuses our password, secret or keys. It must not be asked again with the same ones: see `polling`.

    `keys` names what to correct in the meter's profile.
    """

    def __init__(self, refusal: str, keys: str = "username and password_file") -> None:
        super().__init__(f"{refusal}; correct {keys} of this meter")


class LinkRefusedError(PollError):
    """Somebody is there and does not want this link: another client, another address, or settings it does not know."""
