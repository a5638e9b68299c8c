"""Watches contacts: opens their lines, waits for edges, and tells changes. Runs in a thread of its caller."""

import logging
import select
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from smgw.board.contacts import Change, Contact
from smgw.ports import PortError, Wake
from smgw.ports.gpio import GpioLine
from smgw.s0.edges import EVENT_OCTETS, EdgeReader, Lost

log = logging.getLogger(__name__)

#: Seconds until a line that cannot be requested is tried again, and the longest wait.
_AGAIN_S, _LONGEST_S = 10.0, 5.0
_NS = 1_000_000_000
_EVENTS = 64


class Watched(NamedTuple):
    """A contact to watch."""

    url: str
    make: Callable[..., Contact]  # (ns, active=) -> Contact


class _Line:
    """A watched line, open or to be tried again."""

    def __init__(self, name: str, watched: Watched) -> None:
        self.name = name
        self._watched = watched
        self.line: GpioLine | None = None
        self._contact: Contact | None = None
        self._reader = EdgeReader()
        self._try_at = 0.0
        self._told = False  # that it cannot be used

    def open(self, now: float) -> None:
        """Request it, if it is time to."""
        if self.line is not None or now < self._try_at:
            return
        self._try_at = now + _AGAIN_S
        try:
            self.line = GpioLine.with_edges(self._watched.url)
            self._reader = EdgeReader()
            ns, active = time.monotonic_ns(), self.line.active
            if self._contact is None:
                self._contact = self._watched.make(ns, active=active)
            else:  # nobody looked meanwhile
                self._contact.take(Lost(1), ns, active=active)
        except (PortError, OSError) as error:
            self.close()
            log.log(logging.DEBUG if self._told else logging.WARNING, "%s: %s", self.name, error)
            self._told = True

    def read(self) -> None:
        """Edges came."""
        assert self.line is not None
        assert self._contact is not None
        try:
            for event in self._reader.receive(self.line.read(_EVENTS * EVENT_OCTETS)):
                self._contact.take(event, time.monotonic_ns(), active=self.line.active)
        except OSError as error:
            log.warning("%s: the line is gone: %s", self.name, error)
            self.close()

    def settle(self, ns: int) -> Change | None:
        """See `Contact.settle`."""
        return None if self._contact is None else self._contact.settle(ns)

    def wait_s(self, ns: int) -> float:
        """The longest wait for an edge."""
        due = None if self._contact is None else self._contact.due
        return _LONGEST_S if due is None else min(_LONGEST_S, max(0.0, (due - ns) / _NS))

    def close(self) -> None:
        """Give it back."""
        if self.line is not None:
            self.line.close()
            self.line = None


def watch(
    contacts: Mapping[str, Watched], tell: Callable[[str, Change], None], wake: Wake, beat: Callable[[], None]
) -> None:
    """Until `wake` is set. `tell` gets the name of the contact and its change; `beat` is called every 5 s at least."""
    lines = [_Line(name, watched) for name, watched in contacts.items()]
    try:
        while not wake.is_set():
            beat()
            for one in lines:
                one.open(time.monotonic())
            now = time.monotonic_ns()
            seconds = min((one.wait_s(now) for one in lines), default=_LONGEST_S)
            opened = {one.line.fileno(): one for one in lines if one.line is not None}
            ready, _, _ = select.select([wake.fileno(), *opened], [], [], seconds)
            for descriptor in ready:
                if descriptor in opened:
                    opened[descriptor].read()
            moment = time.monotonic_ns()
            for one in lines:
                if change := one.settle(moment):
                    tell(one.name, change)
    finally:
        for one in lines:
            one.close()
