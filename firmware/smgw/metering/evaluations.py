"""All evaluations of the gateway: readings that are written give derived rows, inside the same transaction.

A version of a profile is a device of its own, with an id that no other version has. So a changed profile begins with
new registers, and those of the old one stay as they are.

The state of an evaluation is a row of lmn.db, written with the readings that changed it. A transaction that fails
changes nothing here either.
"""

import json
import logging
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from smgw.cosem import Capture, Data, DeviceId, GatewayStatus, Obis, Reading, Stamp
from smgw.cosem.data import RANGE, DataType
from smgw.cosem.evaluation_facts import EvaluationFacts
from smgw.cosem.quality import gateway_status
from smgw.metering.evaluation.evaluation import Event, EventKind, Row, evaluate, final_row
from smgw.metering.evaluation.offers import offers
from smgw.metering.evaluation.plan import Plan, register_name
from smgw.metering.evaluation.state import State, decode_states, encode_states
from smgw.profiles.evaluation import EvaluationProfile
from smgw.store.file import log_books
from smgw.store.file.log_book import Level, Note
from smgw.store.lmn.store import LmnStore
from smgw.store.records import EvaluationState, ListKind, Record

if TYPE_CHECKING:
    from smgw.metering.evaluation.live import LiveState

log = logging.getLogger(__name__)

_SECOND = 1_000_000
_DAILY_TAF = 6
_GOOD = frozenset({EventKind.BEGUN, EventKind.CLOSED, EventKind.EXCHANGED})
#: Of the reading's own status a derived row has what does not keep it from counting.
_PASSED_ON = int(GatewayStatus.NOT_VALIDATED | GatewayStatus.WARNING)
_LOW, _HIGH = RANGE[DataType.LONG64]
#: Rows of these lists say which evaluation they are of.
_WITH_FACTS = (ListKind.PERIOD_END, ListKind.DAILY)


class _Evaluation(NamedTuple):
    """One version of an evaluation profile, compiled."""

    plan: Plan
    number: int
    version: int
    device: DeviceId

    @property
    def name(self) -> str:
        return self.plan.profile.name


class Evaluations:
    """Fills the contract `Evaluating` of the store."""

    def __init__(self, store: LmnStore, stamp: Callable[[], Stamp]) -> None:
        self._store = store
        self._stamp = stamp
        self._known: dict[str, _Evaluation] = {}
        #: What each remembers of its measured registers, as the database has it: a quarter of the size of the states.
        self._states: dict[str, bytes] = {}
        self._by_meter: dict[str, list[tuple[str, int]]] = {}  # meter -> evaluations, and its place in them
        self._live: dict[str, LiveState] = {}
        # Of the open transaction.
        self._new: dict[str, bytes] = {}
        self._notes: list[Note] = []

    def configure(self, profiles: Sequence[EvaluationProfile], with_history: Collection[str] = ()) -> None:
        """Evaluate by these profiles from now on. `with_history`: meters whose load profiles are fetched.

        An unchanged profile goes on. A new or changed one begins a new version. One that is left out ends. All of that
        is durable when this returns. StoreError.
        """
        with self._store.alone():
            self._configure(profiles, frozenset(with_history))

    def _configure(self, profiles: Sequence[EvaluationProfile], with_history: frozenset[str]) -> None:
        stored = {state.name: state for state in self._store.evaluation_states()}
        known: dict[str, _Evaluation] = {}
        states: list[EvaluationState] = []
        notes: list[Note] = []
        octets: dict[str, bytes] = {}
        finals: list[Record] = []
        for profile in profiles:
            if profile.use_case.originals:  # its rows are those of the meter
                continue
            version = self._store.profile_version("evaluation", profile.name, profile.content())
            plan = Plan.of(profile, history=not with_history.isdisjoint(profile.parts))
            before = stored.pop(profile.name, None)
            if before is not None and before.version == version:
                known[profile.name] = _Evaluation(plan, before.number, version, before.device)
                octets[profile.name] = _restored(profile, before)
                continue
            number = 1 if before is None else before.number + 1
            device = DeviceId.evaluation(profile.taf, os.urandom(10))  # random: no id comes back with a lost state
            known[profile.name] = _Evaluation(plan, number, version, device)
            octets[profile.name] = encode_states(_first_states(profile))
            states.append(EvaluationState(profile.name, number, version, device, octets[profile.name]))
            changed = before is not None and before.version
            if before is not None:
                finals += self._finals(before)
            notes += self._told(
                "profile-changed" if changed else "profile-installed",
                profile,
                f"evaluation {profile.name}: TAF {profile.taf}, registers of {device}",
            )
        for state in stored.values():
            if state.version:
                finals += self._finals(state)
                states.append(state._replace(version=0, octets=b""))
                notes += log_books.notes(
                    "profile-ended",
                    Level.INFO,
                    f"evaluation {state.name} has ended",
                    self._stamp(),
                    identity=state.name,
                )
        if finals:
            self._store.append(finals)  # if this process ends here, it is done again, and the slots are taken
        if states:
            self._store.save_evaluations(states, notes)
        self._known, self._states, self._by_meter = known, octets, _by_meter(known)
        self._live = {name: live_state for name, live_state in self._live.items() if name in known}

    @property
    def devices(self) -> Mapping[str, DeviceId]:
        """Evaluation -> the device of its derived registers."""
        return {name: one.device for name, one in self._known.items()}

    def written(self, record: Record) -> Sequence[Record]:
        """The rows that follow from a written row: those of all evaluations of its meter."""
        found = self._by_meter.get(record.capture.meter)
        if found is None or record.target_time_us is None or record.target_time_us % _SECOND:
            return ()
        records: list[Record] = []
        for name, place in found:
            evaluation = self._known[name]
            if evaluation.plan.profile.use_case.live:  # it evaluates telegrams
                continue
            try:
                octets = self._new.get(name) or self._states[name]
                changed, rows, events = _evaluated(evaluation.plan, octets, place, record)
                records += _records(evaluation, rows, record)
            except Exception:  # the reading must not be lost with its derived rows
                log.exception("evaluation %s: nothing is derived from a reading of %s", name, record.capture.meter)
                self._store.count("lost_derived")
                continue
            if changed != octets:
                self._new[name] = changed
            for event in events:
                self._notes += self._told(str(event.kind), evaluation.plan.profile, event.text, event)
        return records

    def live(self, capture: Capture) -> list[Record]:
        """The rows that follow from a telegram at once: at an interval, or at a limit. Called by one thread."""
        found: list[Record] = []
        for name, place in self._by_meter.get(capture.meter, ()):
            evaluation = self._known[name]
            if place or not evaluation.plan.profile.use_case.live:
                continue
            from smgw.metering.evaluation.live import LiveState, live_readings  # few gateways have such a profile

            due, self._live[name] = live_readings(evaluation.plan.profile, capture, self._live.get(name, LiveState()))
            if due is not None:
                row = capture._replace(meter=name, device=evaluation.device, readings=due.readings, signature=None)
                status = gateway_status(row) | (GatewayStatus.THRESHOLD_EXCEEDED if due.at_limit else 0)
                found.append(Record(row, None, status, ListKind.DERIVED))
        return found

    def changed(self) -> Iterator[EvaluationState]:
        """The states that this transaction changed."""
        for name, octets in self._new.items():
            _, number, version, device = self._known[name]
            yield EvaluationState(name, number, version, device, octets)

    def notes(self) -> Sequence[Note]:
        """The log entries of this transaction."""
        return self._notes

    def committed(self) -> None:
        """The transaction is durable."""
        if self._new or self._notes:
            self._states.update(self._new)
            self.rolled_back()

    def rolled_back(self) -> None:
        """The transaction is void."""
        self._new, self._notes = {}, []

    def _finals(self, ended: EvaluationState) -> list[Record]:
        """The registers of a version that ends, for the list of period ends."""
        content = self._store.profile_content(ended.version)
        if not ended.version or content is None:
            return []
        profile = json.loads(content)
        registers: dict[int, list[Reading]] = {}
        for measured, state in zip(profile["objects"], _states(ended), strict=False):
            row = final_row(state)
            if row is not None:
                registers.setdefault(row.time_s, []).extend(_readings(Obis.parse(measured), row, billed=True))
        capture = Capture(ended.name, ended.device, self._stamp(), None, ())
        facts = _facts(profile).reading()
        return [
            Record(
                capture._replace(readings=(*readings, facts)),
                time_s * _SECOND,
                list=ListKind.PERIOD_END,
                to_sign=True,
            )
            for time_s, readings in sorted(registers.items())
        ]

    def _told(self, event: str, profile: EvaluationProfile, text: str, about: Event | None = None) -> list[Note]:
        if about is not None:
            text = f"evaluation {profile.name}, {_utc(about.time_s)}: {text}"
        level = Level.INFO if about is None or about.kind in _GOOD else Level.WARNING
        consumers = (profile.consumer,) if profile.consumer else ()
        return log_books.notes(event, level, text, self._stamp(), identity=profile.name, consumers=consumers)


def _restored(profile: EvaluationProfile, stored: EvaluationState) -> bytes:
    """What the database remembers; an evaluation whose state is damaged begins with its next reading."""
    first = _first_states(profile)
    try:
        if len(decode_states(stored.octets)) != len(first):
            raise ValueError("a state of other registers")
    except ValueError as error:
        log.warning("evaluation %s: its state is unreadable, so it begins anew: %s", stored.name, error)
        return encode_states(first)
    return stored.octets


def _first_states(profile: EvaluationProfile) -> tuple[State, ...]:
    """The states of its measured registers before the first reading, in the order of `objects`."""
    return () if profile.use_case.live else (State(),) * len(profile.objects)


def _states(stored: EvaluationState) -> tuple[State, ...]:
    """Nothing if they are damaged."""
    try:
        return decode_states(stored.octets)
    except ValueError:
        return ()


def _by_meter(known: Mapping[str, _Evaluation]) -> dict[str, list[tuple[str, int]]]:
    found: dict[str, list[tuple[str, int]]] = {}
    for name, evaluation in known.items():
        for place, meter in enumerate(evaluation.plan.profile.parts):
            found.setdefault(meter, []).append((name, place))
    return found


def _evaluated(
    plan: Plan, octets: bytes, place: int, record: Record
) -> tuple[bytes, list[tuple[int, Row]], list[Event]]:
    """The states after this record, rows by the place of their measured register, and events."""
    capture, target_us = record.capture, record.target_time_us or 0
    found_offers = offers(
        plan.profile, place, capture.device, target_us, record.gateway_status, capture.readings, capture.stamp.utc_us
    )
    rows: list[tuple[int, Row]] = []
    events: list[Event] = []
    if found_offers.count(None) == len(found_offers):
        return octets, rows, events
    states = list(decode_states(octets))
    for number, offer in enumerate(found_offers):
        if offer is not None:
            found = evaluate((offer,), plan, states[number])
            states[number] = found.state
            rows += [(number, row) for row in found.rows]
            events += found.events
    return encode_states(states), rows, events


def _records(evaluation: _Evaluation, rows: Sequence[tuple[int, Row]], source: Record) -> list[Record]:
    """Derived rows as records: registers of one time and list stand in one record."""
    together: dict[tuple[int, int], list[Reading]] = {}
    for number, row in rows:
        measured = evaluation.plan.profile.objects[number]
        readings = together.setdefault((row.time_s, row.list), [])
        readings += _readings(measured, row, billed=evaluation.plan.billed)
    for (_, kind), readings in together.items():
        if readings and kind in _WITH_FACTS:
            readings.append(_facts(evaluation.plan.profile._asdict()).reading())
    status = int(GatewayStatus.FIXED) | source.gateway_status & _PASSED_ON
    return [
        Record(
            Capture(evaluation.name, evaluation.device, source.capture.stamp, None, tuple(readings)),
            time_s * _SECOND,
            status,
            ListKind(kind),
            to_sign=evaluation.plan.boundaries.is_one(time_s),
        )
        for (time_s, kind), readings in sorted(together.items())
        if readings
    ]


def _readings(measured: Obis, row: Row, *, billed: bool) -> list[Reading]:
    """The registers of a row; a register that no column can hold is left out."""
    return [
        Reading(
            register_name(measured, group_e) if billed else measured,
            Data(DataType.LONG64, amount),
            row.scaler,
            row.unit,
        )
        for group_e, amount in row.registers
        if _LOW <= amount <= _HIGH
    ]


def _facts(profile: Mapping[str, Any]) -> EvaluationFacts:
    """`profile`: the keys of an evaluation profile, or those that its TAF uses."""
    months = 0 if profile["taf"] == _DAILY_TAF else profile.get("billing_months", 0)
    return EvaluationFacts(profile["name"], profile["usage_point"], profile["zone"], months)


def _utc(time_s: int) -> str:
    from smgw.clock.text import utc_text

    return utc_text(time_s * _SECOND)
