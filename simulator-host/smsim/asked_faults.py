"""Faults of a line whose meters are asked, and the orders that switch them: `heat lost-frame 10`, `heat echo off`."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, Protocol

from smsim.errors import FaultError

Value = int | float | bool


@dataclass
class AskedFaults:
    """The fields of a subclass are its faults: 0, 0.0 and False mean none. Each is switched while the line runs.

    Random numbers come from a seed, so a run can be repeated.
    """

    WHAT: ClassVar[str] = ""  #: the protocol
    #: Default value of each fault.
    USUAL: ClassVar[Mapping[str, Value]] = {}

    def __post_init__(self) -> None:
        self._random = random.Random(1)  # noqa: S311 - to be repeated

    def begin(self, seed: str) -> None:
        """Start the random numbers again."""
        self._random = random.Random(seed)  # noqa: S311

    def names(self) -> list[str]:
        """The faults that are on, as text."""
        return [field.name.replace("_", "-") for field in fields(self) if getattr(self, field.name)]

    def one_in(self, number: int) -> bool:
        """True once in so many times; never for 0."""
        return bool(number) and not self._random.randrange(number)

    def damaged(self, octets: bytes, first: int, after: int) -> bytes:
        """With one wrong bit in the octets from `first` to before `after`."""
        place = self._random.randrange(first, after)
        return octets[:place] + bytes((octets[place] ^ 1 << self._random.randrange(8),)) + octets[place + 1 :]

    @classmethod
    def help(cls) -> str:
        """A line of text about the orders."""
        kinds = " ".join(name if usual is True else f"{name} {usual:g}" for name, usual in cls.USUAL.items())
        return f"METER KIND [VALUE] | off     the same for the line of {cls.WHAT} meters: {kinds}"


class Faulty(Protocol):
    """A line with such faults."""

    @property
    def faults(self) -> AskedFaults:
        """What can go wrong."""

    @property
    def names(self) -> list[str]:
        """The names of its meters."""


def carry_out(lines: Sequence[Faulty], words: Sequence[str]) -> str | None:
    """Carry out an order for a meter of one of the lines; None if the order names none. FaultError if it is wrong."""
    line = next((line for line in lines if words[0] in line.names), None)
    if line is None:
        return None
    name, kind, *rest = words
    all_kinds = line.faults.USUAL
    if kind not in all_kinds:
        raise FaultError(f"there is no fault {kind} of {line.faults.WHAT} lines; write one of {', '.join(all_kinds)}")
    usual = all_kinds[kind]
    if rest == ["off"]:
        value: Value = type(usual)(0)
    elif rest and usual is not True:
        value = _number(rest, usual)
    elif rest:
        raise FaultError(f"{kind} takes no {' '.join(rest)!r}; write it alone, or off")
    else:
        value = usual
    setattr(line.faults, kind.replace("-", "_"), value)
    return f"{kind} is {'on' if value else 'off'}: {name}"


def states(lines: Sequence[Faulty]) -> list[str]:
    """The meters of all lines and their faults."""
    return [f"{name}: {', '.join(line.faults.names()) or 'well'}" for line in lines for name in line.names]


def _number(words: Sequence[str], usual: Value) -> Value:
    try:
        value = type(usual)(" ".join(words))
    except ValueError:
        value = -1
    if not 0 < value <= 1_000_000:
        raise FaultError(f"{' '.join(words)!r} is not right; write a number such as {usual:g}, or off")
    return value
