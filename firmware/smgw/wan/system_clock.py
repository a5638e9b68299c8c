"""Samples of the system's clock for the gateway's clock, beside those by NTP."""

import logging
from collections.abc import Callable
from threading import Event

from smgw.clock.sample import TimeSample
from smgw.clock.source import Source
from smgw.clock.system_clock import system_sample
from smgw.profiles.gateway import SYSTEM_CLOCK
from smgw.wan.time_polls import Tell, tell_nobody

POLL_GOOD_S = 256  # as often as a time server
POLL_FAILED_S = 8  # the kernel may be asked as often as one likes

#: How logs name this source, beside the host names of time servers.
NAME = SYSTEM_CLOCK

_log = logging.getLogger(__name__)


class SystemClockSampler:
    """Asks the kernel whether a service keeps the system's clock, and takes samples of the clock if so."""

    def __init__(
        self,
        source: Source,
        sink: Callable[[TimeSample], None],
        read: Callable[[Source], TimeSample | None] = system_sample,
        tell: Tell = tell_nobody,
    ) -> None:
        """`sink` is given each sample and `tell` each change, in the caller's thread."""
        self._source = source
        self._sink = sink
        self._read = read
        self._tell_others = tell
        self._told: str | None = None

    def run(self, stop: Event) -> None:
        """Take samples until `stop` is set, which is noticed at once."""
        while not stop.is_set():
            stop.wait(POLL_FAILED_S if self.poll_once() is None else POLL_GOOD_S)

    def poll_once(self) -> TimeSample | None:
        """One sample, which the sink has got; None if the clock is good for nothing."""
        try:
            sample = self._read(self._source)
        except OSError as error:
            self._tell(
                f"the kernel does not say whether a time service keeps it ({error.strerror}). systemd-timesyncd needs "
                "no more than to run; for chrony copy /usr/share/smgw/system-clock.conf as its first lines say"
            )
            return None
        if sample is None:
            self._tell(
                "no time service keeps it. Start one, such as systemd-timesyncd or chrony, or set [gateway] ntp; "
                f"asked again every {POLL_FAILED_S} s"
            )
            return None
        self._tell("")
        self._sink(sample)
        return sample

    def _tell(self, refusal: str) -> None:
        """Log what changed, once; an empty refusal is none."""
        if refusal == self._told:
            return
        self._told = refusal
        if refusal:
            about = {"event": "time-server-refused", "SERVER": NAME}
            _log.warning("%s: %s", NAME, refusal, extra=about)
        else:
            about = {"event": "time-server-answers", "SERVER": NAME}
            _log.info("%s: a time service keeps it; its time is used", NAME, extra=about)
        self._tell_others(NAME, not refusal, refusal)
