"""Retention in bounded pieces: removes old rows, but not before every EMP with a feed of them has them."""

import logging
import time
from pathlib import Path

from smgw.profiles.gateway import Configuration, RetentionProfile
from smgw.store import paths
from smgw.store.errors import StoreError
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
_GO_ON = 2.0  # pause between two pieces, so that the registrar is not delayed


class RetentionKeeper:
    """Called every second; works every ten minutes, in short steps while there is work."""

    def __init__(self, configuration: Configuration, store: LmnStore, state: Path, wan: CopiedWan) -> None:
        self._configuration = configuration
        self._store = store
        self._state = state
        self._wan = wan
        self._limits = limits(configuration.gateway.retention)
        self._due = time.monotonic() + _GO_ON

    def configure(self, configuration: Configuration) -> None:
        """Use this configuration from now on."""
        self._configuration = configuration
        self._limits = limits(configuration.gateway.retention)

    def tick(self, now_us: int) -> None:
        """Do a piece of work if it is due."""
        if time.monotonic() < self._due:
            return
        report = self._store.retain(now_us, self._limits, self._delivered())
        if report.undelivered:
            log.error(
                "retention: %d rows went that no EMP had: the store reached its bound of %d octets",
                report.undelivered, self._limits.undelivered_bytes, extra={"event": "undelivered-lost"},
            )  # fmt: skip
        self._due = time.monotonic() + (_GO_ON if report.more else _EVERY)

    def _delivered(self) -> dict[bytes, int]:
        """Device -> the position up to which all EMPs with a feed of its rows have them."""
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
        return delivered


def limits(profile: RetentionProfile) -> Retention:
    """The store's limits from the profile's units."""
    return Retention(
        grid_s=profile.grid_months * _MONTH,
        daily_s=profile.daily_weeks * 7 * _DAY,
        live_s=profile.live_days * _DAY,
        undelivered_bytes=profile.undelivered_mb * 1_000_000,
    )
