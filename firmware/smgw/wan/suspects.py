"""Rows that an EMP rejected one by one, while it is not known whether rows or EMP are at fault."""

import logging
from collections.abc import Callable
from itertools import groupby
from typing import NamedTuple

from smgw.cosem import Stamp
from smgw.cosem.source import Source
from smgw.store.records import StoredRecord
from smgw.store.wan.records import SetAside
from smgw.store.wan.store import WanStore
from smgw.wan.outlet import Outcome, OutcomeKind

log = logging.getLogger(__name__)


class _Suspect(NamedTuple):
    source: Source
    record: StoredRecord
    outcome: Outcome


def _place(suspect: _Suspect) -> tuple[Source, int]:
    return suspect.source, suspect.record.position


class Suspects:
    """The rejected rows of one round of delivery, in order. `file_id` is the store id of their file."""

    def __init__(self, emp: str, file_id: str, store: WanStore, now: Callable[[], Stamp]) -> None:
        self._emp = emp
        self._file_id = file_id
        self._store = store
        self._now = now
        self._suspects: list[_Suspect] = []

    def __len__(self) -> int:
        return len(self._suspects)

    @property
    def last_outcome(self) -> Outcome:
        """The outcome of the newest; there must be one."""
        return self._suspects[-1].outcome

    def of(self, source: Source) -> bool:
        """True if a row of this source is one of them."""
        return any(suspect.source == source for suspect in self._suspects)

    def blamed(self, source: Source | None = None) -> int:
        """Number of rows that the EMP rejected, of one source or all. A row that could not be sent does not count."""
        return sum(
            suspect.outcome.kind is not OutcomeKind.UNSENDABLE and source in (None, suspect.source)
            for suspect in self._suspects
        )

    def has(self, record: StoredRecord) -> bool:
        """True if this row is one of them."""
        return any(suspect.record.position == record.position for suspect in self._suspects)

    def add(self, source: Source, record: StoredRecord, outcome: Outcome) -> None:
        """Add the outcome of one row alone."""
        self._suspects.append(_Suspect(source, record, outcome))
        log.warning(
            "EMP %s: record %d of meter %s, device %s: %s",
            self._emp, record.record_number, *source, outcome.reason,
            extra={"event": "record-refused", "EMP": self._emp, "METER": source.meter},
        )  # fmt: skip

    def take(self, source: Source) -> list[SetAside]:
        """One source's rejected rows, to be quarantined with an acknowledgement of later rows."""
        own = [suspect for suspect in self._suspects if suspect.source == source]
        self._suspects = [suspect for suspect in self._suspects if suspect.source != source]
        return [self._set_aside(suspect) for suspect in own]

    def drop(self, source: Source) -> Outcome:
        """Forget one source's rejected rows, which are sent again later; returns the newest outcome."""
        own = [suspect for suspect in self._suspects if suspect.source == source]
        self._suspects = [suspect for suspect in self._suspects if suspect.source != source]
        return own[-1].outcome

    def settle(self, only: Source | None = None) -> None:
        """Other rows were accepted, so the rows are at fault: quarantine those of one source or all.

        Each source's are written with its own cursor.
        """
        settled = [suspect for suspect in self._suspects if only in (None, suspect.source)]
        for source, group in groupby(sorted(settled, key=_place), key=lambda suspect: suspect.source):
            self._write(source, list(group))
        self._suspects = [suspect for suspect in self._suspects if suspect not in settled]

    def settle_newest(self) -> None:
        """Quarantine only the newest: no older one of its source may wait."""
        suspect = self._suspects.pop()
        self._write(suspect.source, [suspect])

    def _write(self, source: Source, suspects: list[_Suspect]) -> None:
        aside = [self._set_aside(suspect) for suspect in suspects]
        self._store.acknowledge(self._emp, self._file_id, source, suspects[-1].record.position, 0, aside)

    def _set_aside(self, suspect: _Suspect) -> SetAside:
        source, record, outcome = suspect
        return SetAside(
            self._emp,
            self._file_id,
            source.meter,
            bytes(source.device),
            record.position,
            record.store_id,
            record.record_number,
            outcome.reason,
            self._now().utc_us,
        )
