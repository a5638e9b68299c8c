"""What readers have in common: a port that may vanish and come back, and a stop that interrupts."""

import logging
import threading

from smgw.lmn.sink import Clock, Sink
from smgw.lmn.watch import Watch
from smgw.ports import LineSettings, Port, PortError, Wake, open_port
from smgw.profiles.meter import MeterProfile

log = logging.getLogger(__name__)

#: Between two tries to open a port: whoever plugs a head in again does not want to wait for it.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 1.0


class Reader:
    """One meter's reader; `run` is the body of its thread. Subclasses say in `_serve` what to do on an open port."""

    def __init__(self, profile: MeterProfile, clock: Clock, sink: Sink) -> None:
        self.profile = profile
        self.watch = Watch(profile.name, profile.silence, clock, sink, profile.port)
        self.tried = False  #: the port was opened once, or it was said why not
        self._clock = clock
        self._sink = sink
        self._stop = threading.Event()
        self._wake = Wake()
        self._pause = _FIRST_PAUSE

    def run(self) -> None:
        """Until `stop`: open the port, serve it, and when it goes away open it again."""
        line = line_settings(self.profile)
        while not self._stop.is_set():
            try:
                with open_port(self.profile.port, line, self._wake) as port:
                    self.watch.opened()
                    self.tried = True
                    self._serve(port)
            except PortError as error:
                if not self._stop.is_set():
                    self.watch.absent(str(error))
                self.tried = True
            if self._stop.wait(self._pause):
                break
            self._pause = min(self._pause * 2, _LONGEST_PAUSE)

    def stop(self) -> None:
        """End `run` soon, from another thread."""
        self._stop.set()
        self._wake.set()

    def _heard(self) -> None:
        """The meter spoke: the next loss of the port is a new one."""
        self._pause = _FIRST_PAUSE

    def _serve(self, port: Port) -> None:
        raise NotImplementedError


def line_settings(profile: MeterProfile) -> LineSettings:
    """How the port of a meter profile is set."""
    return LineSettings(profile.baudrate, profile.bytesize, profile.parity, profile.stopbits)
