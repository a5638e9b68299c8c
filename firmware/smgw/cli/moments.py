"""Moments on the command line, in ISO 8601."""

import argparse
from datetime import UTC, datetime, tzinfo


def moment(text: str) -> datetime:
    """A moment; without an offset it is a local time, and `utc` says of which zone."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time; write one such as 2026-03-01 or 2026-03-01T12:00+01:00"
        ) from None


def utc(local: datetime, zone: tzinfo | None = None) -> datetime:
    """The moment in UTC. Without an offset it is local time of the zone; None: that of this computer."""
    return (local.replace(tzinfo=zone) if local.tzinfo is None else local).astimezone(UTC)


def here(text: str) -> datetime:
    """A moment in UTC; without an offset it is local time of this computer."""
    return utc(moment(text))
