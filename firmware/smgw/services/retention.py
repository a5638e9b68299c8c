"""Retention in bounded pieces: removes old rows, but not before every EMP with a feed of them has them."""

import logging
import time
from pathlib import Path

from smgw.profiles.gateway import Configuration, RetentionProfile
from smgw.store import paths
from smgw.store.errors import StoreError
from smgw.store.lmn.retention import REMOVED_AT_MOST
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.progress import progress
from smgw.store.records import NOBODY_WAITS, Retention
from smgw.store.wan.copied import CopiedWan
from smgw.store.wan.records import Cursor

log = logging.getLogger(__name__)

_DAY = 86_400
_MONTH = 366 * _DAY // 12  # rounded up: better a day too long
_EVERY = 600.0
_FIRST = 2.0
#: A piece of work holds the registrar's commits up for so long.
_PIECE = 0.03
#: Then the registrar may commit for so many times as long, until the next piece.
_REST = 3.0
_FEWEST, _MOST = 50, 2000
#: What is known of deliveries may be so old: it costs a copy of wan.db, and positions only grow.
_KNOWN_FOR = 1.0


class RetentionKeeper:
    """Works every ten minutes, in short pieces while there are rows to remove.

    So the rate follows what a computer can do in a quarter of its time, and the amount follows the number of old rows.
    """

    def __init__(self, configuration: Configuration, store: LmnStore, state: Path, wan: CopiedWan) -> None:
        self._configuration = configuration
        self._store = store
        self._state = state
        self._wan = wan
        self._limits = limits(configuration.gateway.retention)
        self._due = time.monotonic() + _FIRST
        self._amount = REMOVED_AT_MOST
        self._known_at = -_KNOWN_FOR
        self._known: tuple[str, dict[bytes, int]] = ("", {})

    def configure(self, configuration: Configuration) -> None:
        """Use this configuration from now on."""
        self._configuration = configuration
        self._limits = limits(configuration.gateway.retention)
        self._known = ("", {})

    def tick(self, now_us: int) -> float:
        """Do a piece of work if it is due; returns the seconds until the next one is."""
        began = time.monotonic()
        if began < self._due:
            return self._due - began
        if self._known[0] != self._store.store_id or began - self._known_at >= _KNOWN_FOR:
            self._known, self._known_at = self._delivered(), began
        began = time.monotonic()
        report = self._store.retain(now_us, self._limits, self._known[1], self._amount)
        if report.undelivered:
            log.error(
                "retention: %d rows went that no EMP had: the store reached its bound of %d octets",
                report.undelivered, self._limits.undelivered_bytes, extra={"event": "undelivered-lost"},
            )  # fmt: skip
        ended = time.monotonic()
        took = ended - began
        self._amount = next_amount(self._amount, report.removed, took)
        pause = _REST * took if report.more else _EVERY
        self._due = ended + pause
        return pause

    def _delivered(self) -> tuple[str, dict[bytes, int]]:
        """Store id, and device -> the position up to which all EMPs with a feed of its rows have them."""
        with LmnView.open(paths.lmn_directory(self._state)) as own:
            sources = own.sources()
        cursors: list[Cursor] = []
        try:
            with self._wan.reading() as wan:
                cursors = wan.cursors()
        except StoreError as error:
            log.debug("nothing known of deliveries: %s", error)
        reached = progress(self._configuration, sources, cursors, own.store_id).reached
        delivered: dict[bytes, int] = {}
        for source in sources:
            device = bytes(source.device)
            delivered[device] = min(reached(source), delivered.get(device, NOBODY_WAITS))
        return own.store_id, delivered


def next_amount(amount: int, removed: int, took: float) -> int:
    """How many rows the next piece may remove, after one that removed so many in so many seconds."""
    if not removed:
        return amount
    return max(_FEWEST, min(_MOST, 2 * amount, int(removed * _PIECE / max(took, 1e-3))))


def limits(profile: RetentionProfile) -> Retention:
    """The store's limits from the profile's units."""
    return Retention(
        grid_s=profile.grid_months * _MONTH,
        daily_s=profile.daily_weeks * 7 * _DAY,
        live_s=profile.live_days * _DAY,
        undelivered_bytes=profile.undelivered_mb * 1_000_000,
        derived_s=profile.derived_months * _MONTH,
        period_end_s=profile.period_end_months * _MONTH,
    )
