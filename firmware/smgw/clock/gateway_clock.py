"""The gateway's clock: stamps captures, is disciplined by time samples, and states its quality."""

from collections import deque
from collections.abc import Collection
from threading import Lock
from typing import NamedTuple

from smgw.clock.agreement import SLACK_US, Agreement
from smgw.clock.event import ClockEvent, ClockEventKind
from smgw.clock.sample import TimeSample
from smgw.clock.slew import Slew
from smgw.clock.source import Source, SystemSource
from smgw.clock.sources import Sources
from smgw.cosem.reading import ClockState, Stamp

# The dispersion of a stamp whose time is invalid: 4 years, more than any valid one.
DISPERSION_UNKNOWN_US = 2**47 - 1

# A synchronised clock believes no source that is further off (detail specification to TR-03109-1, chapter 14).
JUMP_LIMIT_US = 1_000_000_000
# If there is only one source, and it says so that many times in a row, the time is invalid.
_JUMPS_BELIEVED = 3

# Where several sources agree, a clock that is further off than they and it can be is wrong. A leap second is no reason.
_WRONG_US = 1_000_000

# The largest step that one source alone may bring about once the clock was synchronised.
STEP_ALONE_US = 3_600_000_000

# The time is invalid beyond this share of the registration period: 27 s at 15 minutes (references, 3.4).
INVALID_BEYOND_PERCENT = 3

# Slews kept for moments before the newest sample: a capture waits seconds for its stamp, samples are a minute apart.
_SLEWS_KEPT = 32

# A sample may be this much ahead of the clock that is asked: the two processes' calls are not simultaneous.
_FUTURE_NS = 1_000_000_000


class Saved(NamedTuple):
    """What survives a restart of the process; means nothing after a restart of the kernel."""

    boot_id: str
    boottime_ns: int
    offset_us: int
    dispersion_us: int
    state: ClockState


class Floor(NamedTuple):
    """The time is never stepped before these moments, in microseconds UTC."""

    built_us: int = 0  # when the package was built
    known_us: int = 0  # the newest valid time in the database when the process started; a person may go behind it


class GatewayClock:
    """UTC = CLOCK_BOOTTIME + offset. Thread-safe.

    Two states, and how one becomes the other:

        invalid -> synchronised   feed(): a majority of the sources agrees; the time steps to theirs
        synchronised -> invalid   feed(): a majority contradicts the clock; or no sample for too long
        synchronised              feed(): the offset is slewed at most 500 ppm, stamps never go back

    A single configured source is the majority. Once the clock was synchronised, it alone may not step the time by more
    than an hour; then a person must (`accept`).

    The limit is 3 % of the registration period; it binds dispersion, which grows with the age of the sample in use and
    includes the rest of the slew. While invalid, UTC is the time of the system's clock, flagged as invalid.
    """

    def __init__(
        self,
        *,
        source: Source | None = None,
        saved: Saved | None = None,
        registration_period_s: int = 900,
        sources: Collection[str] | None = None,
        floor: Floor | None = None,
    ) -> None:
        """`saved` of the same boot is used with its dispersion aged; of another boot it is ignored.

        `sources`: the names of the configured sources; None: whoever is heard counts.
        """
        self._source: Source = SystemSource() if source is None else source
        self._boot_id = self._source.boot_id
        self._limit_us = registration_period_s * 1_000_000 * INVALID_BEYOND_PERCENT // 100
        self._lock = Lock()
        self._sources = Sources(sources)
        self._floor = floor or Floor()
        self._slews: deque[Slew] = deque(maxlen=_SLEWS_KEPT)  # empty: invalid
        self._jumping: set[str] = set()  # sources in an episode of jumps
        self._why: ClockEventKind | None = None  # why the time stays invalid
        self._told: set[ClockEventKind] = set()  # the reasons since the time was last valid
        self._lost_us: int | None = None  # the offset when the time was last valid
        self._accepted = False  # by a person
        self._since_ns = 0  # samples before this moment were taken in by an earlier process
        if saved is not None:
            self._restore(saved)

    @property
    def state(self) -> ClockState:
        """The state of a stamp made now."""
        return self.stamp().state

    def stamp(self) -> Stamp:
        """This moment."""
        return self.stamp_at(self._source.boottime_ns())

    def stamp_at(self, boottime_ns: int) -> Stamp:
        """The stamp of the moment `boottime_ns` of CLOCK_BOOTTIME, by the present state of the clock.

        A moment shortly before the clock was synchronised is therefore valid. Later moments never have an earlier UTC
        while the clock stays synchronised, in whatever order they are asked for.
        """
        with self._lock:
            return self._stamp_at(boottime_ns)

    def feed(self, sample: TimeSample) -> ClockEvent | None:
        """Take a sample; return events for the log book.

        Samples of another boot, of the future, or too imprecise to make a valid time are passed over.
        """
        with self._lock:
            now = self._source.boottime_ns()
            if (
                sample.boot_id != self._boot_id
                or not self._since_ns <= sample.boottime_ns <= now + _FUTURE_NS
                or sample.dispersion_at(now) > self._limit_us
                or not self._sources.knows(sample.name)
            ):
                import logging  # here: `smgw status` does without it

                logging.getLogger(__name__).debug("time sample passed over: %s", sample)
                return None
            run = self._sources.add(sample)
            agreement = self._sources.agreement(now, self._limit_us)
            if self._slew_at(now) is None:
                return self._leave_invalid(agreement, now)
            return self._discipline(sample, run, agreement, now)

    def poll(self) -> ClockEvent | None:
        """Notice that the samples have become too old; call it about every minute. Reports it once."""
        with self._lock:
            now = self._source.boottime_ns()
            if self._accepted and self._slew_at(now) is None:
                event = self._leave_invalid(self._sources.agreement(now, self._limit_us), now)
                self._accepted = False  # what the sources say later is another matter
                return event
            if not self._slews or self._slew_at(now) is not None:
                return None
            return self._invalidate(ClockEventKind.AGED, self._slews[-1].sample, now)

    @property
    def refused(self) -> bool:
        """Whether a step waits for a person."""
        return self._why in (ClockEventKind.BEFORE_KNOWN, ClockEventKind.ALONE)

    def accept(self) -> None:
        """A user accepts the time of the sources; the next `poll` steps the time."""
        with self._lock:
            self._accepted = True

    def expect(self, sources: Collection[str]) -> None:
        """Other sources are configured now."""
        with self._lock:
            self._sources.expect(sources)

    def saved(self) -> Saved:
        """To be kept across a restart of the process, renewed every few minutes.

        What slewing did after it was saved is at most 500 ppm of that time: less than a restart takes, so that stamps
        do not go back over one.
        """
        stamp = self.stamp()
        offset_us = stamp.utc_us - stamp.boottime_ns // 1000
        return Saved(stamp.boot_id, stamp.boottime_ns, offset_us, stamp.dispersion_us, stamp.state)

    def _restore(self, saved: Saved) -> None:
        if saved.boot_id != self._boot_id or saved.state != ClockState.SYNCHRONISED:
            return
        sample = TimeSample(saved.boot_id, saved.boottime_ns, saved.offset_us, saved.dispersion_us, "saved state")
        now = self._source.boottime_ns()
        if sample.boottime_ns <= now and sample.dispersion_at(now) <= self._limit_us:
            self._since_ns = sample.boottime_ns
            self._slews.append(Slew(sample.boottime_ns, sample.offset_us * 1000, sample))

    def _slew_at(self, boottime_ns: int) -> Slew | None:
        """The source of the offset at a moment; None if the time is invalid there."""
        if not self._slews:
            return None
        slew = next((slew for slew in reversed(self._slews) if slew.start_ns <= boottime_ns), self._slews[0])
        return slew if slew.dispersion_at(boottime_ns) <= self._limit_us else None

    def _stamp_at(self, boottime_ns: int) -> Stamp:
        slew = self._slew_at(boottime_ns)
        if slew is None:
            age_ns = self._source.boottime_ns() - boottime_ns
            utc_us = (self._source.realtime_ns() - age_ns) // 1000
            return Stamp(self._boot_id, boottime_ns, utc_us, DISPERSION_UNKNOWN_US, ClockState.INVALID)
        utc_us = (boottime_ns + slew.offset_at(boottime_ns)) // 1000
        return Stamp(self._boot_id, boottime_ns, utc_us, slew.dispersion_at(boottime_ns), ClockState.SYNCHRONISED)

    def _leave_invalid(self, agreement: Agreement | None, now: int) -> ClockEvent | None:
        if agreement is None:
            if not self._sources.enough:
                return None
            return self._stay(ClockEventKind.CONTRADICTION, ", ".join(self._sources.heard), 0, now)
        sample = agreement.sample
        utc_us = sample.offset_us + now // 1000
        if utc_us < self._floor.built_us - self._limit_us:
            return self._stay(ClockEventKind.BEFORE_BUILD, sample.source, sample.offset_us, now)
        alone = len(agreement.sources) == 1 and self._lost_us is not None
        far = alone and abs(sample.offset_us - (self._lost_us or 0)) > STEP_ALONE_US
        if utc_us < self._floor.known_us - self._limit_us and not self._accepted:
            return self._stay(ClockEventKind.BEFORE_KNOWN, sample.source, sample.offset_us, now)
        if far and not self._accepted:
            return self._stay(ClockEventKind.ALONE, sample.source, sample.offset_us, now)
        return self._step(sample, now)

    def _stay(self, kind: ClockEventKind, source: str, offset_us: int, now: int) -> ClockEvent | None:
        """The time stays invalid: report the reason once."""
        self._why = kind
        if kind in self._told:
            return None
        self._told.add(kind)
        stamp = self._stamp_at(now)
        return ClockEvent(kind, stamp, source, offset_us + now // 1000 - stamp.utc_us)

    def _step(self, sample: TimeSample, now: int) -> ClockEvent:
        before = self._stamp_at(now)
        self._jumping.clear()
        self._told.clear()
        self._why = None
        if self._accepted:  # once, and it holds
            self._floor = self._floor._replace(known_us=min(self._floor.known_us, sample.offset_us + now // 1000))
        self._slews.clear()
        self._slews.append(Slew(now, sample.offset_us * 1000, sample))
        stamp = self._stamp_at(now)
        return ClockEvent(ClockEventKind.SYNCHRONISED, stamp, sample.source, stamp.utc_us - before.utc_us)

    def _discipline(self, sample: TimeSample, run: int, agreement: Agreement | None, now: int) -> ClockEvent | None:
        slew = self._slews[-1]
        offset_ns = slew.offset_at(now)
        name = sample.name
        if agreement is None or name not in agreement.sources:
            apart_us = sample.offset_us - offset_ns // 1000
            if abs(apart_us) > sample.dispersion_at(now) + slew.dispersion_at(now) + SLACK_US:
                return self._ignore(name, apart_us, now)
            return None
        agreed = agreement.sample
        apart_us = agreed.offset_us - offset_ns // 1000
        several = len(agreement.sources) > 1
        if abs(apart_us) > JUMP_LIMIT_US and not several and run < _JUMPS_BELIEVED:
            return self._ignore(name, apart_us, now)
        self._jumping.discard(name)
        wrong_us = max(_WRONG_US, agreed.dispersion_us + slew.dispersion_at(now))
        slew = Slew(now, offset_ns, agreed)
        if slew.dispersion_at(now) > self._limit_us or (several and abs(apart_us) > wrong_us):
            return self._invalidate(ClockEventKind.DEVIATED, agreed, now)
        self._slews.append(slew)
        return None

    def _ignore(self, source: str, difference_us: int, now: int) -> ClockEvent | None:
        """Report a source that is not used, once an episode."""
        if source in self._jumping:
            return None
        self._jumping.add(source)
        return ClockEvent(ClockEventKind.JUMP_IGNORED, self._stamp_at(now), source, difference_us)

    def _invalidate(self, kind: ClockEventKind, sample: TimeSample, now: int) -> ClockEvent:
        self._lost_us = self._slews[-1].offset_at(now) // 1000
        self._slews.clear()
        return ClockEvent(kind, self._stamp_at(now), sample.source, sample.offset_us - self._lost_us)
