"""Entries of log books about meters: lost and back, values missing and complete, faults that a meter reports.

Each change is one entry, however many telegrams say it. A meter that changes to and fro gets at most one entry in a
quarter of an hour; what holds then is told.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from smgw.cosem.reading import meter_status
from smgw.cosem.status_word import FnnStatus
from smgw.store.file.log_book import Level
from smgw.store.records import Condition, ListKind, MeterState, Origin, Record

_EVERY_S: Final = 900.0
_LOST: Final = frozenset({Condition.SILENT, Condition.UNREADABLE, Condition.ABSENT, Condition.LOCKED, Condition.HELD})


class _Pair(NamedTuple):
    """The events when something begins to be wrong, and when it is well again."""

    wrong: str
    well: str


METER: Final = _Pair("meter-lost", "meter-back")
VALUES: Final = _Pair("values-missing", "values-complete")
#: Bits of the status word of an FNN basic meter that are raised and cleared.
_BITS: Final = (
    (FnnStatus.MAGNETIC_TAMPER, _Pair("magnet-found", "magnet-gone"), "a magnet is near"),
    (FnnStatus.MECHANICAL_TAMPER, _Pair("tamper-found", "tamper-gone"), "its case was tampered with"),
    (FnnStatus.ROTATION_WRONG, _Pair("phase-order-wrong", "phase-order-right"), "the order of its phases is wrong"),
)


class Entry(NamedTuple):
    """One event of a meter."""

    event: str
    level: Level
    text: str
    meter: str


class _Subject(NamedTuple):
    pair: _Pair
    meter: str
    device: bytes  # empty: no device is known


class MeterEvents:
    """What is told of each device of each meter, and what holds. Used by one thread."""

    def __init__(self, newest: Callable[[str, str], Mapping[str, str]], monotonic: Callable[[], float]) -> None:
        """`newest`: meter -> the newest of two events in the log book."""
        self._newest = newest
        self._monotonic = monotonic
        self._begun: dict[_Pair, set[str]] = {}  # meters of which the log book says that something is wrong
        self._told: dict[_Subject, bool] = {}  # whether the newest entry says that it is wrong
        self._at: dict[_Subject, float] = {}  # when that was
        self._now: dict[_Subject, tuple[bool, str]] = {}  # what holds and is not told yet

    def state(self, state: MeterState) -> None:
        """The state of a device behind a meter, or of the meter."""
        if state.state is Condition.WAITING:
            return
        lost = state.state in _LOST
        device = bytes(state.device or b"")
        text = f"meter {state.meter}{f', device {state.device}' if device else ''}: {state.state.value}"
        self._note(_Subject(METER, state.meter, device), lost, text)
        if device and not lost and self._told.get(whole := _Subject(METER, state.meter, b"")):
            self._note(whole, lost, text)

    def written(self, record: Record) -> None:
        """A row of the grid was written."""
        if record.target_time_us is None or record.list is not ListKind.ORIGINAL or record.origin is Origin.HISTORY:
            return
        missing = record.origin is Origin.MISSING
        meter, device = record.capture.meter, record.capture.device
        what = "a value is missing" if missing else "values are stored again"
        self._note(_Subject(VALUES, meter, bytes(device)), missing, f"meter {meter}, device {device}: {what}")
        if not missing and (status := meter_status(record.capture.readings)):
            for bit, pair, told in _BITS:
                text = f"meter {meter}, device {device} reports: {told}{'' if status & bit else ' no more'}"
                self._note(_Subject(pair, meter, bytes(device)), bool(status & bit), text)

    def take(self) -> list[Entry]:
        """The entries that are due."""
        if not self._now:
            return []
        now, found = self._monotonic(), []
        for subject, (wrong, text) in list(self._now.items()):
            if now - self._at.get(subject, now - _EVERY_S) >= _EVERY_S:
                del self._now[subject]
                self._told[subject], self._at[subject] = wrong, now
                event = subject.pair.wrong if wrong else subject.pair.well
                found.append(Entry(event, Level.WARNING if wrong else Level.INFO, text, subject.meter))
        return found

    def _note(self, subject: _Subject, wrong: bool, text: str) -> None:
        told = self._told.get(subject)
        if told is None:
            told = self._told[subject] = self._was_wrong(subject)
        if told == wrong:
            self._now.pop(subject, None)
        else:
            self._now[subject] = wrong, text

    def _was_wrong(self, subject: _Subject) -> bool:
        """What the log book says of the meter at the start: it does not know devices, so the first one counts."""
        begun = self._begun.get(subject.pair)
        if begun is None:
            newest = self._newest(*subject.pair)
            begun = self._begun[subject.pair] = {
                meter for meter, event in newest.items() if event == subject.pair.wrong
            }
        if subject.meter not in begun:
            return False
        begun.discard(subject.meter)
        return True
