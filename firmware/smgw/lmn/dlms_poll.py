"""The reader of a DLMS meter that is asked: its object list once, then only what is wanted, in one request if it can.

The object list and the scalers are kept by logical device name and firmware id: only a new meter or a new firmware is
asked again. An association is kept open from one poll to the next where they follow soon and nobody else is on the bus.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import tzinfo

from smgw.cosem import Capture, ClockState, Data, DeviceId, MeterTime, MeterTimeKind, Obis, Reading, Stamp
from smgw.cosem.units import NO_UNIT
from smgw.dlms.axdr import AxdrError, decode_all
from smgw.dlms.date_time import SIZE, ClockStatus, DateTime
from smgw.dlms.descriptors import Attribute
from smgw.dlms.events import Pushed
from smgw.dlms.get import Result
from smgw.dlms.push_list import read_push
from smgw.dlms.results import DataAccessResult
from smgw.errors import RemoteProtocolError, SmgwError
from smgw.lmn import objects
from smgw.lmn.backfill import Backfill
from smgw.lmn.bus import bus_of
from smgw.lmn.dlms_objects import (
    ASSOCIATION,
    CLOCK_TIME,
    DEVICE_NAME,
    FIRMWARE,
    REGISTER,
    VALUE,
    ScalerUnit,
    data_of,
    pack_scalers,
    read_object_list,
    read_scaler_unit,
    scaler_unit_of,
    text_of,
    unpack_scalers,
    values_of,
)  # fmt: skip
from smgw.lmn.dlms_profile import DlmsProfile
from smgw.lmn.dlms_security import CounterKeeper, Security
from smgw.lmn.dlms_session import DlmsSession
from smgw.lmn.errors import PollError
from smgw.lmn.load_profile import ProfileKeeper, ProfileSource
from smgw.lmn.reader import Reader
from smgw.lmn.sink import Clock, Sink
from smgw.ports import Port, PortError
from smgw.profiles.dlms import Quirk
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.sml.parameters import ObjectName
from smgw.store.ranges import Range
from smgw.store.records import CacheKind

log = logging.getLogger(__name__)

_LONGEST_BACK_OFF = 300.0
#: A meter drops a link on which nothing is said for 120 s, most often.
_KEPT_OPEN_S = 60
#: Who shares a port gives it back after so many seconds of fetching a load profile.
_TURN_S = 10.0
#: A clock that is off by more is worth a word.
_DRIFT_TOLD_S = 10
#: What a meter refused in one of these ways is asked again so much later (R30); any other may have passed by then.
_UNREADABLE_S = 3600.0
_LASTING = frozenset(
    {
        DataAccessResult.READ_WRITE_DENIED,
        DataAccessResult.OBJECT_UNDEFINED,
        DataAccessResult.OBJECT_CLASS_INCONSISTENT,
        DataAccessResult.OBJECT_UNAVAILABLE,
        DataAccessResult.TYPE_UNMATCHED,
        DataAccessResult.SCOPE_OF_ACCESS_VIOLATED,
    }
)
Cached = Callable[[CacheKind, DeviceId, bytes], bytes | None]


class DlmsReader(Reader):
    """Asks every `interval` seconds; `cached` gives what was kept of a device and firmware, if anything."""

    def __init__(
        self,
        profile: MeterProfile,
        secrets: Secrets,
        clock: Clock,
        sink: Sink,
        cached: Cached | None = None,
        keeper: ProfileKeeper | None = None,
        counters: CounterKeeper | None = None,
    ) -> None:
        super().__init__(profile, clock, sink)
        self._cached = cached
        security = Security(profile, secrets, counters)
        self._session = DlmsSession(profile, security, clock, self._stop, self._take_push, self.watch.tick)
        self._backfill = Backfill(profile, clock, keeper) if keeper is not None and profile.load_profile else None
        self._bus = bus_of(profile.port)
        self.zone = _zone(profile.dlms.time_zone)
        self._device: DeviceId | None = None
        self._firmware = b""
        self._values: list[Attribute] | None = None
        self._scalers: dict[Attribute, ScalerUnit] = {}
        self._unreadable: dict[Attribute, float] = {}
        self._due = self._back_off = 0.0
        self._drift_told = False
        self.deviation: int | None = None  # of the meter's clock, in minutes

    def run(self) -> None:
        """As every reader; on the bus meanwhile."""
        with self._bus.used():
            super().run()

    def identify(self, port: Port) -> DeviceId:
        """Who answers on this port."""
        with self.session_on(port):
            assert self._device is not None
            return self._device

    def load_profile(self, profile: Obis, wanted: Range) -> ProfileSource:
        """Begin to fetch a range (microseconds UTC) of a load profile."""
        return DlmsProfile(self, profile, wanted)

    @contextlib.contextmanager
    def session_on(self, port: Port) -> Iterator[DlmsSession]:
        """An open association with the meter, who is known by then."""
        if not self._session.open_:
            self._session.open(port)
            self._recognise(port)
        yield self._session

    def get_list(self, port: Port, attributes: Sequence[Attribute]) -> list[Result]:
        """Attributes in their order."""
        with self.session_on(port) as session:
            return session.get_list(port, attributes)

    def scalers(self, port: Port, values: Sequence[Attribute]) -> dict[Attribute, ScalerUnit]:
        """Scaler and unit of these values: those that are not known are asked, and kept.

        One that the meter cannot tell now is left out: its value may not be taken for a number without a scaler.
        What the profile says goes before what the meter says (R16).
        """
        asked = {one: place for one in values if one not in self._scalers and (place := scaler_unit_of(one))}
        if asked:
            for one, result in zip(asked, self.get_list(port, list(asked.values())), strict=True):
                if isinstance(result, DataAccessResult):
                    if result in _LASTING:
                        self._scalers[one] = ScalerUnit()
                    continue
                try:
                    self._scalers[one] = read_scaler_unit(result)
                except RemoteProtocolError as error:
                    log.warning("meter %s: %s: %s", self.profile.name, one.obis, error)
                    self._scalers[one] = ScalerUnit()
            assert self._device is not None
            self._sink.cache(CacheKind.SCALER_UNIT, self._device, self._firmware, pack_scalers(self._scalers))
        right = dict(self.profile.dlms.scalers)
        return self._scalers | {
            one: known._replace(scaler=right[one.obis]) for one, known in self._scalers.items() if one.obis in right
        }

    def close(self, port: Port) -> None:
        """End the association, so that the meter takes the next one at once."""
        self._session.close(port)

    def _turn(self) -> contextlib.AbstractContextManager[object]:
        return self._bus.turn(self._stop)

    def _rest(self) -> float:
        return max(self._due - time.monotonic(), 0.0) if self._due else super()._rest()

    def _serve(self, port: Port) -> None:
        try:
            while not self._stop.is_set():
                self._due = 0.0
                self._poll(port)
                if self._stop.is_set():
                    return
                shared = self._bus.shared
                if self._backfill is not None and not self._back_off:
                    until = min(self._due, time.monotonic() + _TURN_S) if shared else self._due
                    self._backfill.between_polls(port, self, until, self._stop)
                if shared or self._session.unanswered or self._due - time.monotonic() > _KEPT_OPEN_S:
                    return  # and open the port again when the next poll is due
                self._session.listen(port, self._due)
        finally:
            self._session.close(port)

    def _poll(self, port: Port) -> None:
        """One poll, and when the next is due."""
        began = time.monotonic()
        try:
            self.read_once(port)
            self._heard()
            self._back_off = 0.0
        except PortError:
            raise
        except SmgwError as error:
            if self._stop.is_set():
                return
            self.watch.refused(str(error))
            self._session.close(port)
            self._back_off = min(max(2 * self._back_off, self.profile.interval), _LONGEST_BACK_OFF)
        self.watch.tick()
        interval = max(self.profile.interval, self._back_off)
        self._due = min(max(began + interval, time.monotonic()), time.monotonic() + self._until_target())

    def read_once(self, port: Port) -> None:
        """One poll; the capture goes to the sink. Raises PollError, PortError, the errors of `smgw.dlms`."""
        with self.session_on(port) as session:
            if self._values is None:
                self._values = self._choose(port)
            now = time.monotonic()
            asked = [one for one in self._values if self._unreadable.get(one, 0.0) <= now]
            scalers = self.scalers(port, asked)
            asked = [one for one in asked if one in scalers or scaler_unit_of(one) is None]
            results = session.get_list(port, [CLOCK_TIME, *asked])
            clock, *values = results
            readings = []
            for one, result in zip(asked, values, strict=True):
                value = self._value(one, result)
                if value is None:
                    continue
                number = isinstance(value.value, int)
                scaler, unit = scalers.get(one, ScalerUnit()) if number else (0, NO_UNIT)
                readings.append(Reading(one.obis, value, scaler, unit, class_id=one.class_id, attribute=one.number))
            if not readings:
                raise PollError(f"none of {len(self._values)} objects has a value")
            stamp = session.answered or self._clock.stamp()
        assert self._device is not None
        meter_time, remark = self._time(clock, stamp)
        self.watch.good(Capture(self.profile.name, self._device, stamp, meter_time, tuple(readings)), None, remark)

    def _value(self, one: Attribute, result: Result) -> Data | None:
        """The value, or None where the meter has none: it must not cost the others."""
        why = ""
        if isinstance(result, DataAccessResult):
            if result not in _LASTING:
                log.debug("meter %s: %s: %s", self.profile.name, one.obis, result.words)
                return None
            why = result.words
        else:
            try:
                return decode_all(result)
            except AxdrError as error:
                why = str(error)
        self._unreadable[one] = time.monotonic() + _UNREADABLE_S
        log.info("meter %s: %s: %s; asked again in an hour", self.profile.name, one.obis, why)
        return None

    def _recognise(self, port: Port) -> None:
        """Who has answered, and what is kept of it."""
        name, firmware = self._session.get_list(port, [DEVICE_NAME, FIRMWARE])
        octets = text_of(name)
        if not octets:
            octets = f"{self.profile.name}".encode()  # a meter without a name: the profile's tells it apart
        device = DeviceId(octets[:64])
        self._firmware = text_of(firmware)
        if device == self._device and self._values is not None:
            return
        self._device, self._values, self._unreadable = device, None, {}
        kept = self._cached(CacheKind.SCALER_UNIT, device, self._firmware) if self._cached else None
        self._scalers = unpack_scalers(kept or b"[]")

    def _choose(self, port: Port) -> list[Attribute]:
        """What to poll, from the object list: the kept one, else the meter's."""
        assert self._device is not None
        kept = self._cached(CacheKind.OBJECT_LIST, self._device, self._firmware) if self._cached else None
        known = objects.from_octets(kept or b"[]")
        if not known:
            known = self._object_list(port)
        chosen = values_of(known, self.profile.objects)
        missing = [one for one in self.profile.objects if one not in {value.obis for value in chosen}]
        if known and missing:
            log.warning("meter %s: %s has no %s", self.profile.name, self._device, ", ".join(map(str, missing)))
        if not known:
            chosen = [Attribute(REGISTER, one, VALUE) for one in self.profile.objects]
        if not chosen:
            raise PollError(
                "the meter tells no list of its objects to this client; name them in objects of its profile"
                if not known
                else f"none of the wanted objects is in the meter's list of {len(known)}"
            )
        return chosen

    def _object_list(self, port: Port) -> list[ObjectName]:
        result = self._session.get(port, Attribute(ASSOCIATION, self.profile.dlms.association, VALUE))
        if isinstance(result, DataAccessResult):
            log.info("meter %s: its object list: %s", self.profile.name, result.words)
            return []
        known = read_object_list(result)
        log.info("meter %s: object list of %s asked, %d objects", self.profile.name, self._device, len(known))
        assert self._device is not None
        self._sink.cache(CacheKind.OBJECT_LIST, self._device, self._firmware, objects.to_octets(known))
        return known

    def _time(self, result: Result, stamp: Stamp) -> tuple[MeterTime | None, str]:
        """The meter's time as it told it, and what is to be said of it (R13, R14)."""
        data = data_of(result)
        octets = data.value if data else None
        if not isinstance(octets, bytes) or len(octets) != SIZE:
            return None, ""
        told = DateTime.read(octets)
        self.deviation = told.deviation
        words = [text for flag, text in _DOUBTS.items() if told.status is not None and flag in told.status]
        opposite = Quirk.OPPOSITE_DEVIATION in self.profile.dlms.quirks
        its = told.utc_us(self.zone, opposite_sign=opposite)
        if its is None or stamp.state is not ClockState.SYNCHRONISED:
            pass  # ours may be the one that is wrong
        elif abs(its - stamp.utc_us) > _DRIFT_TOLD_S * 1_000_000:
            seconds = (its - stamp.utc_us + 500_000) // 1_000_000
            words.append(f"its clock is {abs(seconds)} s {'ahead' if seconds > 0 else 'behind'}")
        remark = ", ".join(words)
        if bool(remark) != self._drift_told:
            self._drift_told = bool(remark)
            log.warning("meter %s: %s", self.profile.name, remark or "its clock is right again")
        return MeterTime(MeterTimeKind.DLMS_DATE_TIME, octets), remark

    def _take_push(self, pushed: Pushed) -> None:
        """Said by the meter without being asked, between two answers (R18)."""
        try:
            if self.profile.dlms.ciphered and not pushed.protected:
                raise PollError("a push in the clear, while all is ciphered with this meter")
            found = read_push(pushed.apdu)
        except (PollError, RemoteProtocolError) as error:
            self.watch.refused(str(error))
            return
        readings = found.readings(frozenset(map(bytes, self.profile.objects)))
        if readings and self._device is not None:
            capture = Capture(self.profile.name, self._device, self._clock.stamp(), found.meter_time, readings)
            self.watch.good(capture)


_DOUBTS = {ClockStatus.INVALID: "its clock is invalid", ClockStatus.DOUBTFUL: "its clock is doubtful"}


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    from zoneinfo import ZoneInfo  # only for a meter that needs it

    return ZoneInfo(name)
