"""What drives a line: a thread that opens its port, and opens it again when it went away, until it is stopped."""

import threading
from collections.abc import Sequence

from smgw.lmn.contract import Surroundings
from smgw.lmn.sink import Sink
from smgw.lmn.watch import Watch
from smgw.patience import BackOff
from smgw.ports import LineSettings, Port, PortError, Wake, open_port
from smgw.profiles.meter import MeterProfile

#: Between two tries to open a port: whoever plugs a head in again does not want to wait for it.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 1.0


class Driver:
    """One line; `run` is the body of its thread. Subclasses say in `_serve` what to do on the open port."""

    def __init__(
        self, profiles: Sequence[MeterProfile], surroundings: Surroundings, sink: Sink, stop: threading.Event
    ) -> None:
        """`stop` is the event that the surroundings look at, too."""
        clock, now = surroundings.clock, surroundings.now
        self.watches = {
            profile.name: Watch(profile.name, profile.port, profile.silence, clock, sink, now) for profile in profiles
        }
        self.tried = False  #: the port was opened once, or it was said why not
        self._port = profiles[0].port
        self._settings = line_settings(profiles[0])
        self._now = now
        self._stop = stop
        self._wake = Wake()
        self._reopen = BackOff(_FIRST_PAUSE, _LONGEST_PAUSE)

    def run(self) -> None:
        """Until `stop`: open the port, serve it, and when it goes away open it again."""
        while not self._stop.is_set():
            pause = 0.0
            try:
                with open_port(self._port, self._settings, self._wake) as port:
                    for watch in self.watches.values():
                        watch.opened()
                    self.tried = True
                    pause = self._serve(port)
            except PortError as error:
                if not self._stop.is_set():
                    for watch in self.watches.values():
                        watch.absent(str(error))
                self.tried = True
                pause = self._reopen.next()
            if self._stop.wait(pause):
                break

    def stop(self) -> None:
        """End `run` soon, from another thread."""
        self._stop.set()
        self._wake.set()

    def _heard(self) -> None:
        """A meter spoke: the next loss of the port is a new one."""
        self._reopen.reset()

    def tick(self) -> None:
        """Time passed; the meters call it, too, while an answer takes long."""
        for watch in self.watches.values():
            watch.tick()

    def _serve(self, port: Port) -> float:
        """Until the stop, or until the port shall be closed; seconds until it is opened again. Raises PortError."""
        raise NotImplementedError


def line_settings(profile: MeterProfile) -> LineSettings:
    """How the port of a meter profile is set."""
    return LineSettings(profile.baudrate, profile.bytesize, profile.parity, profile.stopbits)
