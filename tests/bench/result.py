"""A measured number, its bar if it has one, and how both are shown."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """`bar` None: no bar, a number to compare with."""

    name: str
    value: float
    unit: str
    bar: float | None = None
    at_most: bool = True

    @property
    def ok(self) -> bool:
        """True if the bar is met."""
        if self.bar is None:
            return True
        return self.value <= self.bar if self.at_most else self.value >= self.bar

    def line(self) -> str:
        """One line of the table."""
        number = f"{self.value:,.3f}" if abs(self.value) < 10 else f"{self.value:,.1f}"
        bar = "" if self.bar is None else f"{'at most' if self.at_most else 'at least'} {self.bar:,g}"
        mark = "" if self.bar is None else "ok" if self.ok else "MISSED"
        return f"{self.name:<62} {number:>12} {self.unit:<12} {bar:<18} {mark}"


def shown(results: Sequence[Result]) -> int:
    """Print them; 1 if a bar was missed."""
    for result in results:
        print(result.line(), flush=True)
    return 0 if all(result.ok for result in results) else 1
