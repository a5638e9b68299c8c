"""Times for people: local with UTC beside it, and how long ago."""

from datetime import UTC, datetime


def iso(utc_us: int | None) -> str | None:
    """ISO 8601 in UTC with hundredths, or None."""
    if utc_us is None:
        return None
    seconds, microseconds = divmod(utc_us, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{microseconds // 10_000:02d}Z"


def local(utc_us: int | None) -> str:
    """`2025-03-30 03:15:00.50 CEST`, in the time zone of this computer; without hundredths where they are 0."""
    if utc_us is None:
        return "–"
    seconds, microseconds = divmod(utc_us, 1_000_000)
    moment = datetime.fromtimestamp(seconds, UTC).astimezone()
    hundredths = f".{microseconds // 10_000:02d}" if microseconds >= 10_000 else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{hundredths} {moment:%Z}"


def ago(utc_us: int, now_us: int) -> str:
    """How long ago: `just now`, `42 s ago`, `5 min ago`, `3 h ago`, `12 d ago`."""
    seconds = (now_us - utc_us) // 1_000_000
    if seconds < 2:
        return "just now"
    for size, name, until in ((1, "s", 120), (60, "min", 7200), (3600, "h", 172_800)):
        if seconds < until:
            return f"{seconds // size} {name} ago"
    return f"{seconds // 86_400} d ago"
