"""A moment as people and programs read it: ISO 8601 in UTC, the same in every command."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_text(utc_us: int, timespec: str = "seconds", *, valid: bool = True) -> str:
    """`2026-01-01T00:15:00Z`; with timespec "milliseconds" `2026-01-01T00:15:00.042Z`.

    A time that is not valid, because the gateway's clock was not synchronised, ends with ` (?)`.
    """
    try:
        text = (_EPOCH + timedelta(microseconds=utc_us)).isoformat(timespec=timespec).replace("+00:00", "Z")
    except OverflowError:  # beyond the year 9999
        text = f"{utc_us} us"
    return text if valid else f"{text} (?)"
