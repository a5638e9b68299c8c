"""A meter's load profiles, fetched by the running gateway where they are not stored yet, a piece at a time."""

import logging
from collections.abc import Callable

from smgw.clock.text import utc_text
from smgw.cosem import ClockState, DeviceId, Obis
from smgw.cosem.corrections import NO_CORRECTIONS, Corrections
from smgw.errors import SmgwError
from smgw.lmn.contract import PolledMeter, Surroundings
from smgw.lmn.errors import AccessRefusedError, PollError
from smgw.lmn.judging import corrected_row
from smgw.lmn.load_profile import PIECE_S, ProfileKeeper, ProfileSource
from smgw.patience import BackOff
from smgw.ports import Port, PortError
from smgw.profiles.meter import DAY_S, MeterProfile
from smgw.store.ranges import Range
from smgw.store.records import ProfileName, ProfilePiece

log = logging.getLogger(__name__)

_SECOND = 1_000_000
_DAY = DAY_S * _SECOND
_USUAL_PERIOD_S = 900
_SHORTEST_PAUSE, _LONGEST_PAUSE = 60.0, 3600.0
#: Largest delay of a meter's clock against ours: the meter writes no row that ends before this.
_SETTLED = _DAY


class Fetch:
    """One range of one load profile that is being fetched. Only `step` stores rows."""

    def __init__(
        self,
        name: ProfileName,
        source: ProfileSource,
        wanted: Range,
        settled_us: int,
        corrections: Corrections = NO_CORRECTIONS,
    ) -> None:
        self.name = name
        self._corrections = corrections
        self.source = source
        self.reached_us = wanted.since - 1
        self.rows = self.new = 0
        self._settled = settled_us
        self._open = wanted.since  # nothing after this is marked as stored

    def step(
        self, port: Port, keeper: ProfileKeeper | None, stopping: Callable[[], bool] | None = None
    ) -> ProfilePiece:
        """Ask for a piece and store it.

        An empty answer is final for times up to `settled_us`, and for times before a later row. For other times the
        meter may still write a row.
        """
        piece = self.source.step(port)
        piece = piece._replace(rows=tuple(corrected_row(row, self._corrections) for row in piece.rows))
        newest = piece.rows[-1].target_time_us if piece.rows else self._open - 1
        until = min(piece.until_us, max(newest, self._settled))
        if keeper is not None and until >= self._open:
            by_event = not self.source.period_s
            self.new += keeper.keep(self.name, ProfilePiece(piece.rows, self._open, until, by_event), stopping)
            self._open = until + 1
        self.rows += len(piece.rows)
        self.reached_us = piece.until_us
        return piece


class Backfill:
    """All load profiles of one meter profile. It belongs to the line's thread."""

    def __init__(self, profile: MeterProfile, surroundings: Surroundings, keeper: ProfileKeeper) -> None:
        self._profile = profile
        self._clock = surroundings.clock
        self._now = surroundings.now
        self._stopping = surroundings.stopping
        self._keeper = keeper
        self._waiting: list[tuple[ProfileName, Range]] | None = None  # None: look up when due
        self._until = 0  # all ranges up to this were looked up
        self._fetch: Fetch | None = None
        self._due = 0.0
        self._back_off = BackOff(_SHORTEST_PAUSE, _LONGEST_PAUSE)
        self._told = ""
        self.cost = PIECE_S  #: duration of the last piece in seconds

    def due(self, now: float) -> bool:
        """True if there may be something to fetch (monotonic seconds)."""
        return now >= self._due

    def between_polls(self, port: Port, meter: PolledMeter, until: float) -> None:
        """Fetch one piece, and more while they fit into the time `until` (monotonic) the next poll. PortError."""
        first = True
        while not self._stopping() and self.due(self._now()):
            if not first and self._now() + self.cost > until:
                return
            first = False
            began = self._now()
            try:
                self._step(port, meter)
            except (PortError, AccessRefusedError):
                raise
            except SmgwError as error:
                if not self._stopping():
                    self._failed(error)
                return
            except Exception as error:  # a fault of ours; polls go on
                log.exception("meter %s: the load profile failed", self._profile.name)
                self._failed(PollError(f"internal error: {error!r}"))
                return
            self.cost = self._now() - began
            self._back_off.reset()
            self._told = ""

    def forget(self) -> None:
        """Look up open ranges again, since another meter may be behind the port now."""
        self._waiting = self._fetch = None

    def _step(self, port: Port, meter: PolledMeter) -> None:
        device = meter.identify(port)
        if self._fetch is not None and self._fetch.name.device != device:
            self.forget()
        if self._waiting is None:
            self._waiting = self._missing(device)
        if self._fetch is None:
            if not self._waiting:
                self._waiting, self._due = None, self._now() + _USUAL_PERIOD_S
                return
            name, gap = self._waiting.pop(0)
            settled = gap.until if gap.until < self._until else self._settled()  # else stored rows begin after it
            self._fetch = Fetch(name, meter.load_profile(name.profile, gap), gap, settled, self._profile.corrections)
        self._fetch.step(port, self._keeper, self._stopping)
        if self._fetch.source.done:
            self._done(self._fetch)
            self._fetch = None

    def _missing(self, device: DeviceId) -> list[tuple[ProfileName, Range]]:
        now = self._clock.stamp().utc_us
        wanted = Range(now - self._profile.load_profile_days * _DAY, now)
        self._until = now
        names = [ProfileName(self._profile.name, device, obis) for obis in self._profile.load_profile]
        return [(name, gap) for name in names for gap in self._keeper.missing(name, wanted)]

    def _settled(self) -> int:
        """The time up to which an empty answer is final. It proves nothing if the clock is not synchronised."""
        stamp = self._clock.stamp()
        return stamp.utc_us - _SETTLED if stamp.state is ClockState.SYNCHRONISED else 0

    def _done(self, fetch: Fetch) -> None:
        log.log(
            logging.INFO if fetch.new else logging.DEBUG,
            "meter %s: load profile %s: %d rows, %d of them new, up to %s",
            *(self._profile.name, fetch.name.profile, fetch.rows, fetch.new, utc_text(fetch.reached_us)),
        )

    def _failed(self, error: SmgwError) -> None:
        """Try later from the present position. Stored rows stay stored."""
        fetch, self._fetch, self._waiting = self._fetch, None, None
        which: Obis | str = fetch.name.profile if fetch else ""
        text = f"load profile {which}: {error}; tried again later"
        log.log(logging.DEBUG if text == self._told else logging.WARNING, "meter %s: %s", self._profile.name, text)
        self._told = text
        self._due = self._now() + self._back_off.next()
