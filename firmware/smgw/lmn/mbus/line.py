"""Sends the requests of a master over an open port, and waits for what comes back."""

from collections.abc import Generator, Iterator

from smgw.cosem import Stamp
from smgw.lmn.contract import Surroundings
from smgw.lmn.errors import StoppedError
from smgw.mbus.frame import Frame
from smgw.mbus.master import Answer, Found, Procedure, Request, Result, ended, judge
from smgw.ports import Port
from smgw.ports.port import GATHER_S

#: A meter answers within 330 bits and 50 ms; bridges need longer.
_ANSWER_BITS, _ANSWER_S, _BITS = 330, 0.15, 11
#: An answer has ended after so many silent octets, at least after so many seconds.
_PAUSE_OCTETS, _PAUSE_S = 22, 0.25
_LONGEST_ANSWER = 1024  # octets, also of several meters at once


class MBusLine:
    """One line. `timeout`: seconds until an answer begins."""

    def __init__(self, surroundings: Surroundings, timeout: float) -> None:
        self.timeout = timeout
        self.answered: Stamp | None = None  # begin of the newest answer
        self._clock = surroundings.clock
        self._now = surroundings.now
        self._stopping = surroundings.stopping
        self._tick = surroundings.tick

    def run(self, port: Port, procedure: Procedure[Result]) -> Result:
        """Carry out a procedure that finds nothing on its way. Raises what it raises, StoppedError and PortError."""
        steps = self._steps(port, procedure)
        try:
            while True:
                next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result

    def search(self, port: Port, procedure: Procedure[object]) -> Iterator[Found]:
        """Carry out a search; gives the meters as they are found."""
        yield from self._steps(port, procedure)

    def _steps(self, port: Port, procedure: Procedure[Result]) -> Generator[Found, None, Result]:
        answer: Frame | Answer | None = None
        try:
            while True:
                step = procedure.send(answer)
                answer = None
                if isinstance(step, Request):
                    answer = self.exchange(port, step)
                else:
                    yield step
        except StopIteration as end:
            result: Result = end.value
            return result
        finally:
            procedure.close()

    def exchange(self, port: Port, request: Request) -> Frame | Answer:
        """Send a request; what came back. Octets from before it are dropped."""
        if self._stopping():
            raise StoppedError
        self._tick()
        while port.wait(0) and port.read():
            pass
        octet_s = _BITS / port.settings.baudrate if port.paced else 0.0
        port.write(request.octets)
        began = self._now() + len(request.octets) * octet_s
        usual = _ANSWER_S + _ANSWER_BITS / _BITS * octet_s
        due = began + (min(self.timeout, usual) if request.brief else self.timeout)
        latest = due + _LONGEST_ANSWER * octet_s + self.timeout
        octets = b""
        while (left := min(due, latest) - self._now()) > 0:
            if self._stopping():
                raise StoppedError
            if not port.wait(left):
                continue
            if len(octets) <= len(request.octets):  # until now an echo at most
                self.answered = self._clock.stamp()
            port.gather(GATHER_S / 10)
            octets += port.read()
            if len(octets) > _LONGEST_ANSWER:
                return Answer.DAMAGED
            if found := judge(request, octets):
                return found
            due = max(due if octets == request.octets else 0.0, self._now() + max(_PAUSE_S, _PAUSE_OCTETS * octet_s))
        if self._stopping():
            raise StoppedError
        return ended(request, octets)
