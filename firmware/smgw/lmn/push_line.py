"""A line whose meters send by themselves. While its port is open, `PushLoop` serves it together with others.

All that may take long happens in a thread of the line's own: opening, opening again, and closing. The thread exists
only so long. So a bridge that does not answer or a head that is unplugged delays no other line.
A line belongs to one thread at a time: to the loop or to its own.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from smgw.cosem.duration import duration_text
from smgw.lmn.contract import PushedLine, PushedMeter, Surroundings
from smgw.lmn.driver import Line
from smgw.lmn.listening import Listening, Wait
from smgw.lmn.sink import Sink
from smgw.patience import Restarts
from smgw.ports import Port, PortError, open_port
from smgw.profiles.entries import resolve
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets

log = logging.getLogger(__name__)

_SPARE = 1024  # octets of the kernel's 4096 that may come while a read is put off
#: What a line does in its own thread.
Errand = Callable[[], None]


class Loop(Protocol):
    """What a line needs of the loop. All of it may be called from any thread."""

    def take(self, line: "PushLine") -> None:
        """Serve this line, which is open."""

    def look(self) -> None:
        """A line shall stop."""

    def spawn(self, name: str, errand: Errand) -> None:
        """Run this in a thread of its own."""


class PushLine(Line):
    """One line with one meter profile, or with several if their protocol sorts telegrams by meter."""

    def __init__(
        self,
        profile: MeterProfile,
        secrets: Secrets,
        surroundings: Surroundings,
        sink: Sink,
        stop: threading.Event,
        others: Sequence[tuple[MeterProfile, Secrets]] = (),
    ) -> None:
        super().__init__([profile, *(one for one, _ in others)], surroundings, sink, stop)
        self._opening = profile.entry.opening(profile.options)
        self._listening: Listening[Any]
        if profile.entry.line:
            from smgw.lmn.sorting import Sorting  # few lines have several meters that push

            line: PushedLine = resolve(profile.entry.line)([(profile, secrets), *others], surroundings)
            self._listening = Listening(line, Sorting(self._port, self.watches, surroundings.now), surroundings)
        else:
            meter: PushedMeter = resolve(profile.entry.meter)(profile, secrets, surroundings)
            self._listening = Listening(meter, self.watches[profile.name], surroundings)
        self._restarts = Restarts(self._now)
        self._open_port: Port | None = None
        self._loop: Loop | None = None
        self.name = f"line of {profile.name}"  #: of its thread, for logs
        self.slack = 0.0  #: seconds by which a read may be put off
        self.since = 0.0  #: octets that are found now may have begun to come so many seconds ago
        self.wait = Wait(0.0, readable=False)  #: what the loop waits for
        self.ended = threading.Event()  #: after `stop`: the port is closed, and no thread uses the line any more

    @property
    def port(self) -> Port:
        """The open port."""
        assert self._open_port is not None, "the port is not open"
        return self._open_port

    def start(self, loop: Loop) -> None:
        """Open the port, then let the loop serve it until `stop`."""
        self._loop = loop
        loop.spawn(self.name, self._open)

    def stop(self) -> None:
        """End soon, from another thread; see `ended`."""
        super().stop()
        if self._loop is not None:
            self._loop.look()

    def opened(self, port: Port) -> None:
        """The port is open; reading begins anew."""
        self._open_port = port
        port.tap = self._unread.take
        for watch in self.watches.values():
            watch.opened()
        self.tried = True
        self._reopening.opened()
        self._restarts.began()
        self.slack = _SPARE * port.settings.octet_time if port.paced else float("inf")
        if self._opening:
            port.write(self._opening)
        self.wait = self._listening.opened()

    def turn(self, *, readable: bool) -> Errand | None:
        """The port has octets, or the wait is over. Never raises.

        If it returns an errand, the loop drops the line and has the errand run in the line's own thread.
        """
        try:
            heard, self.wait = self._listening.turn(self.port, readable=readable, since=self.since)
            if heard:
                self._heard()
            elif self._reopening.due and (self._listening.idle or self._reopening.overdue) and not self.port.wait(0):
                self._opens_again()
                return self._open_anew
            elif self.port.outdated and self._listening.idle and not self.port.wait(0):
                return self._open_anew
        except PortError as error:
            return partial(self._open, self._lost(error))
        except Exception:  # a fault in one meter's code costs the other lines nothing
            return partial(self._open, self._failed())
        return None

    def end(self) -> None:
        """Close the port: nothing uses the line any more."""
        self._close()
        self._wake.close()
        self.ended.set()

    def fail(self) -> Errand:
        """The loop cannot serve the line, because of the exception at hand: open it again."""
        return partial(self._open, self._failed())

    def _open(self, pause: float = 0.0) -> None:
        """Close the port; after a pause open it, again and again until it is open or the line stops."""
        while True:
            self._close()
            if self._wake.wait(pause):
                return self.end()
            try:
                return self._hand_over(open_port(self._port, self._settings, self._wake, self._security))
            except PortError as error:
                pause = self._lost(error)
            except Exception:
                pause = self._failed()

    def _open_anew(self) -> None:
        try:
            self.port.reopen(self._settings)
            self._hand_over(self.port)
        except PortError as error:
            self._open(self._lost(error))
        except Exception:
            self._open(self._failed())

    def _hand_over(self, port: Port) -> None:
        self.opened(port)
        assert self._loop is not None
        self._loop.take(self)

    def _close(self) -> None:
        if self._open_port is not None:
            self._open_port.close()
            self._open_port = None

    def _failed(self) -> float:
        """The exception at hand is a fault of our code; returns the pause."""
        pause = self._restarts.failed()
        log.exception(
            "%s failed; it starts again in %s",
            self.name, duration_text(pause), extra={"event": "worker-failed", "WORKER": self.name},
        )  # fmt: skip
        return pause
