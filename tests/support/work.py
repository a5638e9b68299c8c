"""Counts what a call costs in lines of Python, so that a test of cost gives the same verdict on a busy machine.

Work inside C functions is not seen, such as copies of a long buffer: tests/bench/bench_hostile.py measures that.
"""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


def work(call: Callable[[], object], most: int = 10**9) -> int:
    """How many lines of Python a call runs. Fails as soon as there are more than `most`."""
    count = 0

    def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
        nonlocal count
        if event == "line":
            count += 1
            assert count <= most, f"more than {most} lines of Python"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def is_linear(call: Callable[[int], object], size: int) -> bool:
    """Whether twice and four times the size cost at most twice and four times the work, with a tenth of slack."""
    once = work(lambda: call(size)) + 100
    return all(work(lambda times=times: call(times * size), round(1.1 * times * once)) for times in (2, 4))  # type: ignore[misc]
