"""A limit that only ends a hang: no test asserts how long something took."""

import queue
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds that nothing takes that works, not even on a busy machine.
LIMIT = 60.0


def soon(call: Callable[[], T]) -> T:
    """What the call returns or raises. A call that hangs fails the test; its thread is left behind.

    To show that something ends a wait, let the wait be longer than the limit, such as a timeout of 600 s.
    """
    results: queue.SimpleQueue[tuple[T] | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put((call(),))
        except BaseException as error:  # raised by the test's thread
            results.put(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        result = results.get(timeout=LIMIT)
    except queue.Empty:
        raise AssertionError(f"still not over after {LIMIT:.0f} s") from None
    if isinstance(result, BaseException):
        raise result
    return result[0]
