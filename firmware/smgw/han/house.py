"""What a consumer may see of the gateway. Every question names the consumer; `rights` decides what there is for them.

A `House` belongs to one thread. Times are microseconds UTC, and both ends of a range are included. Values are integers
with scaler and unit. What another has is told as what does not exist: NotYoursError.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import pairwise
from typing import NoReturn

from smgw.cosem.obis import Obis
from smgw.cosem.reading import Reading
from smgw.cosem.zone import DEFAULT_ZONE
from smgw.han import periods, series
from smgw.han.around import NOTHING, Around
from smgw.han.calendar import Step, marks
from smgw.han.firmware import Component, components
from smgw.han.one_row import one_row, one_sample
from smgw.han.periods import Period, Registers
from smgw.han.rights import NEVER_US, NotYoursError, Rights, Share
from smgw.han.series import Amount, Closing, DayGaps
from smgw.han.shown import Clock as Clock
from smgw.han.shown import Contract as Contract
from smgw.han.shown import Meter as Meter
from smgw.han.shown import Recipient as Recipient
from smgw.han.shown import TransparencyFile as TransparencyFile
from smgw.han.shown import Wanted as Wanted
from smgw.han.stored import AT_ONCE, Stored
from smgw.profiles.feed import Grant, grants, requested_grants
from smgw.profiles.gateway import Configuration
from smgw.store.file.log_book import ENTRIES_KEPT, LogEntry
from smgw.store.file.log_books import consumer_book
from smgw.store.file.view import View
from smgw.store.live_reader import Live
from smgw.store.lmn.by_time import Sample
from smgw.store.lmn.view import LmnView
from smgw.store.ranges import Range
from smgw.store.records import ListKind, Source, StoredRecord
from smgw.store.wan.signatures import SignedRow, StoredSignature
from smgw.store.wan.view import WanView

_SECOND = 1_000_000
_DAY_US = 86_400 * _SECOND
_EVERY = Range(0, NEVER_US)
#: Most marks of one question: a year of quarter hours.
MOST_MARKS = 366 * 96 + 1


class House:
    """Answers for consumers, from read-only views."""

    def __init__(
        self,
        lmn: LmnView,
        wan: WanView | None,
        configuration: Configuration,
        live: Callable[[], Sequence[Live]],
        now_us: Callable[[], int],
        books: Sequence[View] = (),
    ) -> None:
        """`books`: other databases with log books of consumers."""
        self.configuration = configuration
        self.around: Around = NOTHING  # the service gives what it knows of the gateway
        self.now_us = now_us
        #: Signs an answer: CMS SignedData without its content. None: nobody does.
        self.sign: Callable[[bytes], bytes] | None = None
        #: Makes a consumer's file for the display software. None: nobody does.
        self.transparency: TransparencyFile | None = None
        self._lmn, self._wan, self._live = lmn, wan, live
        self._books = [one for one in (lmn, wan, *books) if one is not None]
        self._stored = Stored(lmn, now_us)
        self._rights = Rights(configuration, lmn.profile_of)

    # What there is

    def contracts(self, consumer: str) -> list[Contract]:
        """The contracts, in the order of the configuration."""
        shares = self._shares(consumer)
        return [
            Contract(one, tuple(share.source for share in shares if share.derived and share.source.meter == one.name))
            for one in self._rights.contracts(consumer)
        ]

    def contract(self, consumer: str, name: str) -> Contract:
        """One contract; NotYoursError."""
        return _named(name, self.contracts(consumer))

    def meters(self, consumer: str) -> list[Meter]:
        """The meters, in the order of the configuration."""
        shares = self._shares(consumer)
        states = self._lmn.meter_states()
        now_us = self.now_us()
        found = []
        for name, spans in self._rights.meters(consumer).items():
            sources = tuple(one.source for one in shares if not one.derived and one.source.meter == name)
            present = any(since <= now_us <= until for since, until in spans)
            own = tuple(one for one in states if one.meter == name) if present else ()
            found.append(Meter(self.configuration.meter(name), sources, spans, own))
        return found

    def meter(self, consumer: str, name: str) -> Meter:
        """One meter; NotYoursError."""
        return next((one for one in self.meters(consumer) if one.profile.name == name), None) or _nothing()

    def parts(self, consumer: str, contract: Contract) -> list[Source]:
        """The devices of a contract's meters, in the order of the profile; those of another consumer's are left out."""
        own = {one.profile.name: one.sources for one in self.meters(consumer)}
        return [source for name in contract.profile.parts for source in own.get(name, ())]

    def sources(self, consumer: str) -> list[Source]:
        """All devices with values: of meters and of derived registers."""
        return [one.source for one in self._shares(consumer)]

    def source(self, consumer: str, device: str) -> Source:
        """The device with this id, as `str(source.device)` writes it; NotYoursError."""
        found = [one for one in self.sources(consumer) if str(one.device).lower() == device.lower().removesuffix(".sm")]
        return found[-1] if found else _nothing()

    def registers(self, consumer: str, source: Source) -> list[tuple[Obis, int, int]]:
        """OBIS code, scaler and unit of all that a device ever sent as a value, in the order of the first time."""
        self._share(consumer, source)
        return self._lmn.registers(source)

    # Values

    def live(self, consumer: str) -> list[Live]:
        """The newest telegrams of the consumer's meters, whether stored or not."""
        now_us = self.now_us()
        meters = self._rights.meters(consumer)
        shown = {name for name, spans in meters.items() if any(one.since <= now_us <= one.until for one in spans)}
        return [one for one in self._live() if one.capture.meter in shown]

    def newest(self, consumer: str, source: Source) -> StoredRecord | None:
        """The newest stored record of a device that the consumer may see."""
        share = self._share(consumer, source)
        record = self._lmn.newest(source)
        if record is None or share.covers(_time_of(record)):
            return record
        last = share.spans[-1].until
        rows = self._stored.records(source, ListKind.ORIGINAL, Range(last - _DAY_US, last), ())
        return next(reversed([row for row in rows if share.covers(_time_of(row))]), None)

    def first_us(self, consumer: str, source: Source) -> int | None:
        """The first time of a device that the consumer may see; None if it has no record."""
        share = self._share(consumer, source)
        first = self._stored.first(share)
        parts = [] if first is None else share.parts(Range(first, NEVER_US))
        return parts[0].since if parts else None

    def readings(
        self,
        consumer: str,
        source: Source,
        wanted: Range,
        kind: ListKind = ListKind.ORIGINAL,
        objects: Collection[Obis] = (),
    ) -> Iterator[StoredRecord]:
        """The records of a list whose target times lie in a range, in their order: of each time one, see `one_row`.

        `objects`: readings of these registers alone; none: all. It reads some at a time, while it is iterated.
        """
        for part in self._share(consumer, source).parts(wanted):
            for row in one_row(self._stored.records(source, kind, part, objects)):
                if readings := _chosen(row, objects):
                    yield row._replace(readings=readings)

    def samples(
        self,
        consumer: str,
        source: Source,
        wanted: Range,
        objects: Collection[Obis] = (),
        kind: ListKind = ListKind.ORIGINAL,
    ) -> Iterator[Sample]:
        """As `readings`, each value of a register by itself, without signatures and the meter's own time: faster."""
        for part in self._share(consumer, source).parts(wanted):
            yield from one_sample(self._stored.samples(source, kind, part, objects))

    def telegrams(
        self, consumer: str, source: Source, wanted: Range, objects: Collection[Obis] = ()
    ) -> Iterator[StoredRecord]:
        """Records that are on no grid (every telegram, TAF 9, 10 and 14), by capture time, in the order of storing."""
        for part in self._share(consumer, source).parts(wanted):
            position = self._stored.before(source, part.since - _DAY_US)
            while rows := self._lmn.records(source, position, AT_ONCE):
                position = rows[-1].position
                for row in rows:
                    live = row.target_time_us is None and part.since <= row.stamp.utc_us <= part.until
                    if live and (readings := _chosen(row, objects)):
                        yield row._replace(readings=readings)
                if rows[0].stamp.utc_us > part.until + _DAY_US:
                    break

    # Amounts

    def amounts(
        self, consumer: str, meter: str, obis: Obis, step: Step, wanted: Range, zone: str = DEFAULT_ZONE
    ) -> list[Amount]:
        """What a register of a meter, or of all devices of a contract, counted from mark to mark; see `calendar.marks`.

        The first mark is at or before `wanted.since`, the last one at or after `wanted.until`.
        """
        at = marks(step, wanted, zone, MOST_MARKS)
        parts = [
            series.amounts(at, self._stored.latest(one), *self._stored.of(one, obis))
            for one in self._devices(consumer, meter)
        ]
        return series.total(parts) if parts else [Amount(*pair, None, exact=False) for pair in pairwise(at)]

    def closings(
        self, consumer: str, source: Source, obis: Obis, step: Step, wanted: Range, zone: str = DEFAULT_ZONE
    ) -> list[Closing | None]:
        """The closing value of a register of a device at each mark; None where none is known."""
        share = self._share(consumer, source)
        at = marks(step, wanted, zone, MOST_MARKS)
        return series.closings(at, self._stored.latest(share), *self._stored.of(share, obis))

    def gaps(
        self, consumer: str, meter: str, obis: Obis, step: Step, wanted: Range, zone: str = DEFAULT_ZONE
    ) -> list[DayGaps]:
        """The registration times without a value of this register, from mark to mark. None are missing of telegrams."""
        shares = self._devices(consumer, meter)
        period_us = self.configuration.meter(meter).registration_period * _SECOND if meter in self._names() else 0
        at = marks(step, wanted, zone, MOST_MARKS)
        if not period_us:
            return [DayGaps(*pair, 0, 0, (), ()) for pair in pairwise(at)]
        spans = self._rights.meters(consumer)[meter]
        found = (
            one
            for share in shares
            for part in share.parts(Range(at[0], at[-1]))
            for one in self._stored.samples(share.source, ListKind.ORIGINAL, part, (obis,))
        )
        begun = [first for one in shares if (first := self._stored.first(one)) is not None]
        first_us = max(spans[0].since, min(begun, default=self.now_us()))
        return series.gaps(at, period_us, first_us, min(self.now_us(), spans[-1].until), found)

    def value_signatures(self, consumer: str, source: Source, row: StoredRecord) -> list[StoredSignature]:
        """The gateway's signatures of the values of a row, as far as they were made."""
        self._share(consumer, source)
        if self._wan is None or not row.to_sign or (row.meter, row.device) != source:
            return []
        return self._wan.value_signatures(SignedRow(row.store_id, row.record_number, row.device))

    # Contracts

    def periods(self, consumer: str, contract: str) -> list[Period]:
        """The billing periods of a contract and of its earlier versions, in the order of devices and times."""
        found: list[Period] = []
        known = self.contract(consumer, contract)
        for source in known.sources:
            last = source == known.sources[-1]
            current = self._current(consumer, known) if last else None
            found += periods.periods(known.profile, source, self._stored.period_ends(source), current)
        return found

    def step_registers(self, consumer: str, contract: str) -> list[Registers]:
        """The registers of a contract as they are now, with error register and total; none before the first value."""
        known = self.contract(consumer, contract)
        if not known.sources:
            return []
        record = self._current(consumer, known)
        return [] if record is None else list(periods.registers(known.profile, known.sources[-1], record))

    def recipients(self, consumer: str) -> list[Recipient]:
        """The EMPs that may have values of the consumer's meters and contracts, some on request alone."""
        contracts = self._rights.contracts(consumer)
        names = {*self._rights.meters(consumer), *(one.name for one in contracts)}
        own = set(_granted(self.configuration._replace(evaluations=contracts)))
        begun = set() if self._wan is None else {(one.emp, one.meter) for one in self._wan.cursors()}
        last = {} if self._wan is None else {one.emp: one.last_ack_us for one in self._wan.channels()}
        return [
            Recipient(one, last.get(one.who) if (one.who, one.meter) in begun else None)
            for one in _granted(self.configuration)
            if one.meter in names and one in own  # not what others' evaluations of a meter grant
        ]

    def log(self, consumer: str, wanted: Range = _EVERY, most: int = ENTRIES_KEPT) -> list[LogEntry]:
        """The newest entries of the consumer's own book in a range, oldest first. Each process numbers its own.

        The book also gets what concerns a meter after the consumer's time. Such entries are left out.
        """
        if not consumer:
            return []
        book, meters = consumer_book(consumer), self._rights.meters(consumer)
        entries = [one for view in self._books for one in view.log_entries(ENTRIES_KEPT, book)]
        entries = [
            one
            for one in entries
            if wanted.since <= one.utc_us <= wanted.until
            and any(since <= one.utc_us <= until for since, until in meters.get(one.identity, (_EVERY,)))
        ]
        return sorted(entries, key=lambda one: (one.utc_us, one.number))[-most:]

    # The gateway, which is the same for all

    def firmware(self) -> tuple[Component, ...]:
        """The parts of the firmware, with version and hash."""
        return components()

    def clock(self) -> Clock:
        """The time and its quality."""
        return Clock(self.now_us(), self._lmn.clock())

    # Behind the rights

    def _current(self, consumer: str, contract: Contract) -> StoredRecord | None:
        """The newest registers of a contract. Without steps they are those of its meter, if it has one alone."""
        profile = contract.profile
        if profile.use_case.billed or profile.use_case.live:
            return self.newest(consumer, contract.sources[-1])
        devices = self.meter(consumer, profile.meters[0]).sources if len(profile.parts) == 1 else ()
        return self.newest(consumer, devices[-1]) if devices else None

    def _shares(self, consumer: str) -> list[Share]:
        return [one for one in self._rights.shares(consumer, self._lmn.sources()) if self._stored.is_of(one)]

    def _share(self, consumer: str, source: Source) -> Share:
        return next((one for one in self._shares(consumer) if one.source == source), None) or _nothing()

    def _devices(self, consumer: str, name: str) -> list[Share]:
        """The devices of a meter or a contract; NotYoursError."""
        if name not in {*self._rights.meters(consumer), *(one.name for one in self._rights.contracts(consumer))}:
            raise NotYoursError
        return [one for one in self._shares(consumer) if one.source.meter == name]

    def _names(self) -> set[str]:
        return {one.name for one in self.configuration.meters}


def _named(name: str, contracts: Sequence[Contract]) -> Contract:
    return next((one for one in contracts if one.name == name), None) or _nothing()


def _nothing() -> NoReturn:
    raise NotYoursError


def _granted(configuration: Configuration) -> tuple[Grant, ...]:
    return (*grants(configuration), *requested_grants(configuration))


def _chosen(row: StoredRecord, objects: Collection[Obis]) -> tuple[Reading, ...]:
    """The readings of these registers. The first one has the meter's status, if another reading brought it."""
    if not objects:
        return row.readings
    found = [one for one in row.readings if one.obis in objects]
    if found and found[0].status is None:
        status = next((one.status for one in row.readings if one.status is not None), None)
        found[0] = found[0]._replace(status=status)
    return tuple(found)


def _time_of(record: StoredRecord) -> int:
    return record.stamp.utc_us if record.target_time_us is None else record.target_time_us
