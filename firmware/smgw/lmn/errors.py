"""What a reader that asks may be told, whatever the protocol."""

from smgw.errors import SmgwError


class PollError(SmgwError):
    """The meter gave no answer, or a refusal."""


class AccessRefused(PollError):  # noqa: N818 - the meter's answer, as the meter means it
    """The meter does not know the user or the password."""

    def __init__(self, refusal: str) -> None:
        super().__init__(f"{refusal}; put username and password_file of this meter's profile right")
