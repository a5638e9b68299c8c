"""The time that certificates are judged by, and whether one is valid then. It loads nothing large."""

from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from smgw.trust.errors import ClockNotTrustedError, ExpiredError, NotYetValidError


class Moment(NamedTuple):
    """A time in Unix seconds, and whether it is trusted."""

    utc_s: int
    trusted: bool = True


class Limited(Protocol):
    """A certificate, as far as its validity is asked. Times are Unix seconds."""

    @property
    def not_before_s(self) -> int: ...
    @property
    def not_after_s(self) -> int: ...
    @property
    def described(self) -> str: ...


def utc(seconds: int) -> str:
    """A moment for messages: `2026-11-29 07:00:00 UTC`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def check_valid(one: Limited, now: Moment, renewal: str) -> None:
    """Return if a certificate is valid now. `renewal`: what to do about an expired one, as a sentence.

    :raises ClockNotTrustedError: the time is not trusted.
    :raises NotYetValidError, ExpiredError: the time is trusted, and the certificate is not valid now.
    """
    if not now.trusted:
        raise ClockNotTrustedError(
            f"nobody knows whether it is valid now, because the clock ({utc(now.utc_s)}) is not trusted. "
            f"It is valid from {utc(one.not_before_s)} to {utc(one.not_after_s)}",
            "Wait for the time servers, or see `smgw status` why there is no time.",
            subject=one.described,
        )
    if now.utc_s < one.not_before_s:
        raise NotYetValidError(
            f"it is valid from {utc(one.not_before_s)}, and now is {utc(now.utc_s)}",
            "Wait, or install a certificate that is valid now. If this time is wrong, mend the time servers.",
            subject=one.described,
        )
    if now.utc_s > one.not_after_s:
        raise ExpiredError(
            f"it expired at {utc(one.not_after_s)}, and now is {utc(now.utc_s)}", renewal, subject=one.described
        )
