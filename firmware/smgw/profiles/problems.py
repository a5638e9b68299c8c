"""The faults of a configuration, each with its file, line, section and key."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from smgw.errors import SmgwError


class Problem(NamedTuple):
    """One fault. `line` counts from 1, None where the whole file is at fault; `section` and `key` may be empty."""

    file: str
    line: int | None
    section: str  # as written in the file: [gateway], [[meter]]
    key: str
    text: str  # the fault; the correct form

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        subject = " ".join(part for part in (self.section, self.key) if part)
        return f"{place}: {subject}: {self.text}" if subject else f"{place}: {self.text}"


class ConfigurationError(SmgwError):
    """A configuration that cannot be used; `problems` holds all its faults in the order of the file, at least one."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def nearest(word: str, known: Iterable[str]) -> str:
    """` (did you mean "x"?)` for the most similar known word; empty if there is none."""
    import difflib  # only ever needed for a wrong file: the services do not carry it

    close = difflib.get_close_matches(word.lower(), list(known), n=1)
    return f' (did you mean "{close[0]}"?)' if close else ""
