"""What all lines have in common, and the thread of a line that has one."""

import logging
import threading
from collections.abc import Sequence

from smgw.lmn.contract import Surroundings
from smgw.lmn.reopening import Reopening
from smgw.lmn.sink import Sink
from smgw.lmn.unread import UnreadLine
from smgw.lmn.watch import Watch
from smgw.patience import BackOff
from smgw.ports import LineSettings, Port, PortError, Security, Wake, open_port
from smgw.profiles.meter import MeterProfile

log = logging.getLogger(__name__)

#: Pause between two tries to open a port. It is short for a user who plugs a head in again.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 1.0


class Line:
    """A port and the states of its meters, which share it."""

    def __init__(
        self, profiles: Sequence[MeterProfile], surroundings: Surroundings, sink: Sink, stop: threading.Event
    ) -> None:
        """`stop` is the event that the surroundings check, too."""
        clock, now = surroundings.clock, surroundings.now
        self._unread = UnreadLine(profiles[0], now)
        self.watches = {
            profile.name: Watch(
                profile.name,
                profile.port,
                profile.silence,
                clock,
                sink,
                now,
                profile.devices,
                profile.corrections,
                self._unread,
            )
            for profile in profiles
        }
        self.tried = False  #: the port was opened once, or the failure was logged
        self._port = profiles[0].port
        self._settings = line_settings(profiles[0])
        self._security = security_of(profiles, surroundings)
        self._now = now
        self._stop = stop
        self._wake = Wake()
        self._reopen = BackOff(_FIRST_PAUSE, _LONGEST_PAUSE)
        self._reopening = Reopening(max(profile.silence for profile in profiles), now)

    @property
    def stopping(self) -> bool:
        """True after `stop`."""
        return self._stop.is_set()

    def stop(self) -> None:
        """End soon, from another thread."""
        self._stop.set()
        self._wake.set()

    def _lost(self, error: PortError) -> float:
        """The port is closed, or cannot be opened; returns the pause before the next try."""
        if not self._stop.is_set():
            for watch in self.watches.values():
                watch.absent(str(error))
        self.tried = True
        return self._reopen.next()

    def _heard(self) -> None:
        """A telegram came: the next loss of the port is a new episode."""
        self._reopen.reset()
        self._unread.clear()
        if self._reopening.times:
            log.info(
                "%s: telegrams come again; the port was opened again %d times",
                self._port, self._reopening.times, extra=self._about("port-reopened"),
            )  # fmt: skip
        self._reopening.heard()

    def _opens_again(self) -> None:
        """The silent port is opened again. Logged once an episode."""
        log.log(
            logging.DEBUG if self._reopening.times else logging.WARNING,
            "%s: no good telegram; the port is opened again, and from now on more and more rarely",
            self._port, extra=self._about("port-reopened"),
        )  # fmt: skip
        self._reopening.opened_again()

    def _about(self, event: str) -> dict[str, str]:
        """Fields for the journal."""
        return {"event": event, "METER": ", ".join(self.watches), "PORT": self._port}


class Driver(Line):
    """A line with a thread of its own, whose body is `run`. Subclasses implement `_serve` for the open port."""

    def run(self) -> None:
        """Until `stop`: open the port, serve it, and open it again after a loss."""
        while not self._stop.is_set():
            pause = 0.0
            try:
                with open_port(self._port, self._settings, self._wake, self._security) as port:
                    for watch in self.watches.values():
                        watch.opened()
                    self.tried = True
                    pause = self.serve(port)
            except PortError as error:
                pause = self._lost(error)
            if self._stop.wait(pause):
                break

    def serve(self, port: Port) -> float:
        """Use the open port until the stop; returns seconds until it is opened again. Raises PortError."""
        port.tap = self._unread.take
        self._reopening.opened()
        return self._serve(port)

    def _reopen_silent(self, port: Port) -> None:
        """Open a silent port again. Raises PortError.

        A dead TCP connection and line settings that another program changed end this way. Octets that wait to be read
        come first.
        """
        if not port.wait(0) and not self._stop.is_set():
            self._opens_again()
            port.reopen(self._settings)

    def tick(self) -> None:
        """Handle the passing of time; meters also call it during a long answer."""
        for watch in self.watches.values():
            watch.tick()

    def _serve(self, port: Port) -> float:
        """Serve until the stop, or until the port must be closed; returns seconds until the next opening. PortError."""
        raise NotImplementedError


def line_settings(profile: MeterProfile) -> LineSettings:
    """The line settings of a meter profile."""
    return LineSettings(profile.baudrate, profile.bytesize, profile.parity, profile.stopbits, profile.rs485)


def security_of(profiles: Sequence[MeterProfile], surroundings: Surroundings) -> Security | None:
    """What the port of these meters needs for TLS; None for another port."""
    if surroundings.trust is None or not profiles[0].over_tls:
        return None
    return Security(surroundings.trust, tuple(one.name for one in profiles), surroundings.clock.stamp)
