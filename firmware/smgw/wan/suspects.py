"""Rows that an EMP disliked one by one, until it is known whether it is the rows or the EMP."""

import logging
from collections.abc import Callable
from itertools import groupby
from typing import NamedTuple

from smgw.cosem import Stamp
from smgw.store.records import StoredRecord
from smgw.store.wan import WanStore
from smgw.store.wan_records import SetAside
from smgw.wan.exchange import Answer

log = logging.getLogger(__name__)


#: The "status" of a row that could not be written as a document: no fault of the EMP.
NOT_SENT = 0


class _Suspect(NamedTuple):
    record: StoredRecord
    answer: Answer


class Suspects:
    """The suspects of one round of delivery, in order. `file_id` is the store id of the file they are read from."""

    def __init__(self, emp: str, file_id: str, store: WanStore, now: Callable[[], Stamp]) -> None:
        self._emp = emp
        self._file_id = file_id
        self._store = store
        self._now = now
        self._suspects: list[_Suspect] = []

    def __len__(self) -> int:
        return len(self._suspects)

    @property
    def last_answer(self) -> Answer:
        """What the EMP said to the newest; there must be one."""
        return self._suspects[-1].answer

    def blamed(self, meter: str | None = None) -> int:
        """How many the EMP disliked, of one meter or of all."""
        return sum(
            suspect.answer.status != NOT_SENT and meter in (None, suspect.record.meter) for suspect in self._suspects
        )

    def has(self, record: StoredRecord) -> bool:
        """True if this row is one of them."""
        return any(suspect.record.position == record.position for suspect in self._suspects)

    def add(self, record: StoredRecord, answer: Answer) -> None:
        """The EMP answered so to this row alone."""
        self._suspects.append(_Suspect(record, answer))
        log.warning(
            "EMP %s: answers %s to record %d of meter %s: %s",
            self._emp, answer.status, record.record_number, record.meter, answer.detail,
            extra={"event": "record-refused", "EMP": self._emp, "METER": record.meter},
        )  # fmt: skip

    def take(self, meter: str) -> list[SetAside]:
        """One meter's suspects, to be set aside together with an acknowledgement of later rows."""
        own = [suspect for suspect in self._suspects if suspect.record.meter == meter]
        self._suspects = [suspect for suspect in self._suspects if suspect not in own]
        return [self._set_aside(suspect) for suspect in own]

    def settle(self) -> None:
        """Others were taken, so it is the rows: set all aside, each meter's behind its own cursor."""
        ordered = sorted(self._suspects, key=lambda suspect: (suspect.record.meter, suspect.record.position))
        for meter, group in groupby(ordered, key=lambda suspect: suspect.record.meter):
            self._write(meter, list(group))
        self._suspects = []

    def settle_newest(self) -> None:
        """Set the newest aside by itself: no older one of its meter may wait."""
        suspect = self._suspects.pop()
        self._write(suspect.record.meter, [suspect])

    def _write(self, meter: str, suspects: list[_Suspect]) -> None:
        aside = [self._set_aside(suspect) for suspect in suspects]
        self._store.acknowledge(self._emp, self._file_id, meter, suspects[-1].record.position, 0, aside)

    def _set_aside(self, suspect: _Suspect) -> SetAside:
        record, answer = suspect
        return SetAside(
            self._emp,
            self._file_id,
            record.meter,
            record.position,
            record.store_id,
            record.record_number,
            answer.status or 0,
            answer.detail,
            self._now().utc_us,
        )
