"""Runs at the start of a Python whose system clock is faked (see ../fake_time.py).

Python 3.11 sleeps until an absolute CLOCK_MONOTONIC; libfaketime 0.9.10 takes that for a faked time and the call fails
(EINVAL). select() with a relative timeout is passed through as it is.
"""

import select
import time
from typing import SupportsIndex


def _sleep(seconds: SupportsIndex | float) -> None:
    seconds = float(seconds)
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], seconds)


time.sleep = _sleep
