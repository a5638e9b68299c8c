"""Readers of the answers to `smgw setup`. Each returns a value, or raises SmgwError with the correct form."""

import re
from collections.abc import Callable

from smgw.errors import SmgwError
from smgw.profiles import checks
from smgw.profiles.checks import Check

PERIODS = {"every telegram": 0, "minute": 60, "5 minutes": 300, "quarter hour": 900, "hour": 3600, "day": 86_400}
_UNITS = {"s": 1, "second": 1, "min": 60, "minute": 60, "h": 3600, "hour": 3600}
_PERIOD = re.compile(r"(\d+)\s*([a-z]*?)s?")


def valid(check: Check) -> Callable[[str], str]:
    """A reader of answers that a key of the configuration takes. Raises SmgwError with the words of its check."""

    def read(answer: str) -> str:
        faults: list[str] = []
        check(answer, lambda text, *_: faults.append(text))
        if faults:
            raise SmgwError(faults[0])
        return answer

    return read


def servers(answer: str) -> list[str]:
    """Time servers, or `system` alone."""
    words = answer.replace(",", " ").split()
    if not words:
        raise SmgwError("write hosts such as ntp.example.org, or system")
    if words == ["system"]:
        return words
    return [valid(checks.time_server)(word) for word in words]


def period(answer: str) -> int:
    """A registration period in seconds: words, or a time that divides a day."""
    word = answer.strip().lower()
    if word in PERIODS:
        return PERIODS[word]
    match = _PERIOD.fullmatch(word)
    seconds = int(match[1]) * _UNITS.get(match[2] or "s", 0) if match else 0
    if not seconds or 86_400 % seconds:
        raise SmgwError(f'"{answer}" is no period; write one of {", ".join(PERIODS)}, or a time that divides a day')
    return seconds


def emp_url(answer: str) -> str:
    """The URL of an EMP, or `none`."""
    return answer if answer == "none" else valid(checks.http_url)(answer)


def emp_name(taken: list[str]) -> str:
    """A free name for an EMP."""
    names = ["emp", *(f"emp-{number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)


def password(answer: str) -> str:
    """Any password."""
    return answer


def key(answer: str) -> str:
    """A key of 16 octets in hex."""
    if not re.fullmatch(r"(?:[0-9A-Fa-f]{2}){16}", answer):
        raise SmgwError("this is no key; write 32 hex digits")
    return answer
