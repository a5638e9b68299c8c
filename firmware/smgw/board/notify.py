"""Notifies the service manager (sd_notify(3)): ready, reloading, stopping, a status line, watchdog.

Without systemd ($NOTIFY_SOCKET is not set) it does nothing and does not import systemd-python.
"""

import os
import time
from collections.abc import Callable

from smgw.errors import SmgwError

_SOCKET = "NOTIFY_SOCKET"
_WATCHDOG_US, _WATCHDOG_PID = "WATCHDOG_USEC", "WATCHDOG_PID"
#: Without a watchdog the status is renewed this often; with one, three times within its interval.
_SELDOM_S = 5.0
_LONGEST_STATUS = 400


class NotifyUnavailable(SmgwError):  # noqa: N818 - what is the matter, not that something is
    """systemd waits for a notification, but the package for it is missing."""

    def __init__(self) -> None:
        super().__init__("systemd started this with Type=notify, which needs the package python3-systemd; install it")


class Notifier:
    """Notifies systemd. Made early, so that NotifyUnavailable comes before any store is opened."""

    def __init__(self) -> None:
        self._send: Callable[[str], object] | None = None
        if _SOCKET in os.environ:
            try:
                from systemd.daemon import notify
            except ImportError as error:
                raise NotifyUnavailable from error
            self._send = notify
        self.interval = _interval()  #: seconds between two `alive`, at most
        self._status = ""

    @property
    def heard(self) -> bool:
        """True if anybody listens: no need to make up a status otherwise."""
        return self._send is not None

    def ready(self) -> None:
        """The service does what it is for; also the end of `reloading`."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """The configuration is read again."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The end has begun."""
        self._tell("STOPPING=1")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._tell("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`; sent when it has changed."""
        line = " ".join(text.split())[:_LONGEST_STATUS]
        if line != self._status:
            self._status = line
            self._tell(f"STATUS={line}")

    def _tell(self, state: str) -> None:
        if self._send is not None:
            self._send(state)


def _interval() -> float:
    """A third of WatchdogSec=, if systemd watches this very process."""
    microseconds = os.environ.get(_WATCHDOG_US, "")
    ours = os.environ.get(_WATCHDOG_PID) in (None, str(os.getpid()))
    if not (ours and microseconds.isdecimal() and int(microseconds)):
        return _SELDOM_S
    return min(_SELDOM_S, int(microseconds) / 3e6)
