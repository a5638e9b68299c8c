"""Orders for faults of DLMS lines in a running simulator: `heat lost-frame 10`, `heat echo`, `heat echo off`."""

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

from smsim.dlms.faults import DlmsFaults
from smsim.errors import FaultError

if TYPE_CHECKING:
    from smsim.dlms.line import DlmsLine

#: Default value of each fault.
_USUAL: dict[str, int | float | bool] = {
    "lost-frame": 10, "wrong-crc": 10, "slow-answer": 3.0, "drop-after": 10, "wrong-deviation": True, "echo": True,
}  # fmt: skip
assert set(_USUAL) == {field.name.replace("_", "-") for field in fields(DlmsFaults)}
HELP = "METER KIND [VALUE] | off     the same for the line of a DLMS meter: " + " ".join(
    name if usual is True else f"{name} {usual:g}" for name, usual in _USUAL.items()
)


def carry_out(lines: "Sequence[DlmsLine]", words: Sequence[str]) -> str | None:
    """Carry out an order for a DLMS meter; None if the order names none. FaultError if it is wrong."""
    line = next((line for line in lines if words[0] in line.names), None)
    if line is None:
        return None
    name, kind, *rest = words
    if kind not in _USUAL:
        raise FaultError(f"there is no fault {kind} of a DLMS line; write one of {', '.join(_USUAL)}")
    usual = _USUAL[kind]
    if rest == ["off"]:
        value: int | float | bool = type(usual)(0)
    elif rest and usual is not True:
        value = _number(rest, usual)
    elif rest:
        raise FaultError(f"{kind} takes no {' '.join(rest)!r}; write it alone, or off")
    else:
        value = usual
    setattr(line.faults, kind.replace("-", "_"), value)
    return f"{kind} is {'on' if value else 'off'}: {name}"


def states(lines: "Sequence[DlmsLine]") -> list[str]:
    """The meters of all lines and their faults."""
    return [f"{name}: {', '.join(line.faults.names()) or 'well'}" for line in lines for name in line.names]


def _number(words: Sequence[str], usual: float) -> float:
    try:
        value = type(usual)(" ".join(words))
    except ValueError:
        value = -1
    if not 0 < value <= 1_000_000:
        raise FaultError(f"{' '.join(words)!r} is not right; write a number such as {usual:g}, or off")
    return value
