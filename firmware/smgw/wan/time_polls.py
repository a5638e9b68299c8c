"""When time servers are asked, and what the log says of them."""

import logging
from collections.abc import Callable, Sequence
from threading import Event
from typing import Protocol

from smgw.clock.sample import TimeSample
from smgw.clock.source import Source
from smgw.cosem.duration import duration_text
from smgw.errors import reason
from smgw.wan.time_packet import Refusal, Refused

POLL_GOOD_S = 256  # after a sample was taken
POLL_FAILED_S = 64  # after none was; the detail specification, chapter 14, allows one poll a minute
POLL_UNSENT_S = 8  # nothing left the board (no route, no name service yet), so nobody is bothered
POLL_KISSED_S = 3600  # after a kiss of death

SLICE_S = 0.25  # how soon a wait notices the stop

_UNSENT = frozenset({Refusal.UNRESOLVED, Refusal.UNREACHABLE, Refusal.UNPREPARED, Refusal.STOPPED})

_log = logging.getLogger(__name__)


class Server(Protocol):
    """A time server; its text form is how its samples name it."""

    def ask(self, stop: Event) -> TimeSample | Refused:
        """One exchange. It ends in time, and soon after `stop` is set. OSError where nobody can be reached."""


class Tell(Protocol):
    """Is told what changed about a server: its name, whether it gives the time, and a sentence."""

    def __call__(self, server: str, gives: bool, text: str) -> None: ...


def tell_nobody(server: str, gives: bool, text: str) -> None:
    pass


class _Poll:
    """One server: when to ask it next, and what it was last heard to be."""

    def __init__(self, server: Server, tell: Tell) -> None:
        self.server = server
        self.due_ns = 0
        self._tell = tell
        self._told: tuple[Refusal, str] | None = (Refusal.STOPPED, "")  # nothing yet: that one is never told

    def note(self, outcome: TimeSample | Refused, now_ns: int) -> None:
        """Set the next poll and log what changed, once."""
        refused = outcome if isinstance(outcome, Refused) else None
        wait_s = POLL_GOOD_S if refused is None else _pause_s(refused.refusal)
        self.due_ns = now_ns + wait_s * 1_000_000_000
        what = None if refused is None else (refused.refusal, refused.kind)
        if what == self._told or (refused and refused.refusal is Refusal.STOPPED):
            return
        self._told = what
        name = str(self.server)
        if isinstance(outcome, TimeSample):
            text = "gives the time"
            _log.info(
                "time server %s: %s", outcome.source, text, extra={"event": "time-server-answers", "SERVER": name}
            )
        else:
            text = f"{outcome.refusal}{f' ({outcome.detail})' if outcome.detail else ''}"
            about = {"event": "time-server-refused", "SERVER": name}
            _log.warning("time server %s: %s; asked again in %s", name, text, duration_text(wait_s), extra=about)
        self._tell(name, refused is None, text)


def _pause_s(refusal: Refusal) -> int:
    if refusal in _UNSENT:
        return POLL_UNSENT_S
    return POLL_KISSED_S if refusal is Refusal.KISS_OF_DEATH else POLL_FAILED_S


class Sampler:
    """Asks time servers: each at once, then every 256 s, never more often than once a minute."""

    def __init__(
        self, servers: Sequence[Server], source: Source, sink: Callable[[TimeSample], None], tell: Tell = tell_nobody
    ) -> None:
        """`sink` is given each sample, `tell` each change, in the caller's thread."""
        self._source = source
        self._sink = sink
        self._stop = Event()
        self._polls = [_Poll(server, tell) for server in servers]

    def run(self, stop: Event) -> None:
        """Poll until `stop` is set, which is noticed within a quarter of a second."""
        self._stop = stop
        while not stop.is_set():
            self.poll_once()
            now_ns = self._source.boottime_ns()
            wait_ns = min((poll.due_ns - now_ns for poll in self._polls), default=POLL_GOOD_S * 1_000_000_000)
            stop.wait(max(SLICE_S, wait_ns / 1_000_000_000))

    def poll_once(self) -> list[TimeSample]:
        """Ask every server that is due; the samples go to the sink and are returned. No fault of the network raises."""
        samples = []
        for poll in self._polls:
            if self._stop.is_set() or self._source.boottime_ns() < poll.due_ns:
                continue
            try:
                outcome = poll.server.ask(self._stop)
            except OSError as error:
                outcome = Refused(Refusal.UNREACHABLE, reason(error))
            poll.note(outcome, self._source.boottime_ns())
            if isinstance(outcome, TimeSample):
                samples.append(outcome)
                self._sink(outcome)
        return samples
