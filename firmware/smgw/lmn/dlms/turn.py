"""One association at a time is opened with a secret, on all lines of this process.

High level security with a shared secret can be reflected. An attacker between the gateway and two lines passes the
challenge of one association to the other one, and the gateway's answer back. The answer then proves a secret that the
attacker does not have. This works only while both associations are being opened. So they take turns.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from smgw.lmn.errors import PollError, StoppedError

#: Seconds between two looks whether the gateway stops.
_LOOK_S = 0.1

_turns: dict[bytes, threading.Lock] = {}
_guard = threading.Lock()


@contextmanager
def turn(secret_id: bytes, seconds: float, stopping: Callable[[], bool], tick: Callable[[], None]) -> Iterator[None]:
    """While an association is opened. `secret_id` names its secret; empty: there is none to reflect.

    Raises PollError after so many seconds if another association with this secret is still being opened.
    """
    if not secret_id:
        yield
        return
    with _guard:
        lock = _turns.setdefault(secret_id, threading.Lock())
    for _ in range(max(1, round(seconds / _LOOK_S))):
        if lock.acquire(timeout=_LOOK_S):
            break
        tick()
        if stopping():
            raise StoppedError
    else:
        raise PollError(
            "another meter with the same secret or keys is authenticating at this moment, and they take turns; "
            "give each meter its own if this comes again and again"
        )
    try:
        yield
    finally:
        lock.release()
