"""Numbers of the command line, refused in words."""

import argparse

_LONGEST_S = 1_000_000


def seconds(text: str) -> float:
    """A time above 0 in seconds."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= _LONGEST_S:
        raise argparse.ArgumentTypeError(f'"{text}" is no number of seconds; write a number above 0, such as 15')
    return number


def count(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isascii() or not text.isdigit() or not int(text[:10]):
        raise argparse.ArgumentTypeError(f'"{text}" is no number; write a whole number from 1 on')
    return int(text[:10])
