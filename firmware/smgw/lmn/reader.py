"""What readers have in common: a port that may vanish and come back, and a stop that interrupts."""

import logging
import threading
from contextlib import AbstractContextManager, nullcontext

from smgw.lmn.sink import Clock, Sink
from smgw.lmn.watch import Watch
from smgw.ports import LineSettings, Port, PortError, Wake, open_port
from smgw.profiles.meter import MeterProfile

log = logging.getLogger(__name__)

#: Between two tries to open a port: whoever plugs a head in again does not want to wait for it.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 1.0
#: A grid takes captures within 2 s of a target time at least (metering); the extra poll comes just after it.
_NARROWEST_WINDOW = 2
_PAST_TARGET = 0.05
_MOST_ROWS, _FEWEST_ROWS = 100, 4
#: On a line, a piece takes about so many seconds at so many octets a row, so that polls still have their turn.
_PIECE_S, _ROW_OCTETS = 5.0, 64


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
                with self._turn(), open_port(self.profile.port, line, self._wake) as port:
                    self.watch.opened()
                    self.tried = True
                    self._serve(port)
            except PortError as error:
                if not self._stop.is_set():
                    self.watch.absent(str(error))
                self.tried = True
            if self._stop.wait(self._rest()):
                break

    def stop(self) -> None:
        """End `run` soon, from another thread."""
        self._stop.set()
        self._wake.set()

    def _heard(self) -> None:
        """The meter spoke: the next loss of the port is a new one."""
        self._pause = _FIRST_PAUSE

    def _turn(self) -> AbstractContextManager[object]:
        """Held while the port is open: where several readers share one, each waits for its turn."""
        return nullcontext()

    def _rest(self) -> float:
        """Seconds until the port is opened again."""
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST_PAUSE)
        return pause

    def _until_target(self) -> float:
        """Seconds until the next target time, where polls by the interval alone could miss its window."""
        period = self.profile.registration_period
        if not period or self.profile.interval <= _NARROWEST_WINDOW:
            return float("inf")
        return period - self._clock.stamp().utc_us % (period * 1_000_000) / 1e6 + _PAST_TARGET

    def _serve(self, port: Port) -> None:
        raise NotImplementedError


def line_settings(profile: MeterProfile) -> LineSettings:
    """How the port of a meter profile is set."""
    return LineSettings(profile.baudrate, profile.bytesize, profile.parity, profile.stopbits)


def rows_of_a_piece(profile: MeterProfile) -> int:
    """How many rows of a load profile to ask for at once: as many as the line carries in a few seconds."""
    if profile.port.startswith(("socket://", "udp://")):
        return _MOST_ROWS
    return max(_FEWEST_ROWS, min(_MOST_ROWS, int(_PIECE_S / (_ROW_OCTETS * line_settings(profile).octet_time))))
