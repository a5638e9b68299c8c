"""Checks rows of a file that another process writes. SQLite allows any type in any column."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

_KINDS: dict[str, type] = {"i": int, "t": str, "o": bytes}


def checked(row: Sequence[Any], shape: str) -> Sequence[Any]:
    """The row, if its columns are of these kinds: i whole number, t text, o octets; a capital allows NULL too.

    ValueError else.
    """
    if not _fits(tuple(map(type, row)), shape):
        raise ValueError(f"columns of types {[type(column).__name__ for column in row]}")
    return row


def within(number: int, low: int, high: int) -> int:
    """The number, if it is in the range; ValueError else."""
    if not low <= number <= high:
        raise ValueError(f"{number} is not in {low} .. {high}")
    return number


@lru_cache(maxsize=256)
def _fits(types: tuple[type, ...], shape: str) -> bool:
    return len(types) == len(shape) and all(
        found is _KINDS[kind.lower()] or (kind.isupper() and found is type(None))
        for found, kind in zip(types, shape, strict=True)
    )
