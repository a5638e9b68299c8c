"""A polled DLMS meter: its object list is read once, then only wanted objects, in one request if possible.

The object list is cached by logical device name and firmware id: only a new meter or a new firmware is asked again.
An association stays open between polls that follow soon.
"""

import logging
from collections.abc import Sequence

from smgw.cosem import (
    AttributeName,
    ClockState,
    DataError,
    DeviceId,
    MeterTime,
    Obis,
    ObjectName,
    Reading,
    ScalerUnit,
    Stamp,
)
from smgw.cosem.date_time import ClockStatus
from smgw.cosem.exact import exact_reading
from smgw.cosem.told import Told
from smgw.dlms.apdus.get import Result
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.data import AxdrError, decode_all
from smgw.dlms.push.lists import read_push
from smgw.dlms.session.events import Pushed
from smgw.errors import RemoteProtocolError, SmgwError
from smgw.lmn import objects
from smgw.lmn.contract import Heard, Patience, Surroundings, Values
from smgw.lmn.dlms.device import LASTING, DlmsDevice
from smgw.lmn.dlms.load_profile import DlmsProfile
from smgw.lmn.dlms.objects import (
    ASSOCIATION,
    CLOCK_TIME,
    REGISTER,
    VALUE,
    data_of,
    read_object_list,
    scaler_unit_of,
    values_of,
)
from smgw.lmn.errors import PollError
from smgw.lmn.load_profile import ProfileSource
from smgw.ports import Port, PortError
from smgw.profiles.dlms import Quirk
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.store.ranges import Range
from smgw.store.records import CacheKind
from smgw.wire import Refused

log = logging.getLogger(__name__)

#: A larger clock error is reported.
_DRIFT_TOLD_S = 10
#: Time until a missing object is read again (R30).
_UNREADABLE_S = 3600.0


class DlmsPoll:
    """One meter behind an address."""

    #: Most meters drop a link after 120 s without a request.
    idle_s = 60.0

    def __init__(self, profile: MeterProfile, secrets: Secrets, surroundings: Surroundings) -> None:
        self.profile = profile
        self._clock = surroundings.clock
        self._cache = surroundings.cache
        self._now = surroundings.now
        self._device = DlmsDevice(profile, secrets, surroundings, self._take_push)
        self._session = self._device.session
        self._exchanged = 0  # the device of `_values`
        self._values: list[AttributeName] | None = None
        self._unreadable: dict[AttributeName, float] = {}
        self._drift_told = False
        self._pushed: list[Heard] = []  # received between two answers, not yet returned

    @property
    def patience(self) -> Patience:
        """The time-out of an answer."""
        return self._session.patience

    @patience.setter
    def patience(self, patience: Patience) -> None:
        self._session.patience = patience

    @property
    def unanswered(self) -> bool:
        """Over the wrapper a late answer could be mistaken for another: the connection must be closed."""
        return self._session.unanswered

    def identify(self, port: Port) -> DeviceId:
        """The identity of the meter at this port."""
        self._device.open_session(port)
        return self._device.id

    def load_profile(self, profile: Obis, wanted: Range) -> ProfileSource:
        """Begin to fetch a range (microseconds UTC) of a load profile."""
        return DlmsProfile(self._device, profile, wanted)

    def poll(self, port: Port) -> Sequence[Heard]:
        """One poll. Raises PollError, PortError, the errors of `smgw.dlms`; the association is then closed."""
        try:
            values = self._read(port)
        except PortError:
            raise
        except SmgwError:
            self._session.close(port)
            raise
        return [*self._take_pushed(), (values,)]

    def listen(self, port: Port, until: float) -> Sequence[Heard]:
        """Wait until a moment: accept pushes, notice the end of the link."""
        self._session.listen(port, until)
        return self._take_pushed()

    def close(self, port: Port) -> None:
        """End the association, so that the meter accepts the next one at once."""
        self._session.close(port)

    def _read(self, port: Port) -> Values:
        session = self._device.open_session(port)
        if self._values is None or self._exchanged != self._device.exchanged:
            self._unreadable, self._exchanged = {}, self._device.exchanged
            self._values = self._choose(port)
        now = self._now()
        asked = [one for one in self._values if self._unreadable.get(one, 0.0) <= now]
        scalers = self._device.scalers(port, asked)
        asked = [one for one in asked if one in scalers or scaler_unit_of(one) is None]
        clock, *values = session.get_list(port, [CLOCK_TIME, *asked])
        readings = []
        for one, result in zip(asked, values, strict=True):
            reading = self._reading(one, scalers.get(one, ScalerUnit()), result)
            if reading is not None:
                readings.append(reading)
        if not readings:
            raise PollError(f"none of {len(self._values)} objects has a value")
        stamp = session.answered or self._clock.stamp()
        meter_time, remark = self._time(clock, stamp)
        return Values(self._device.id, stamp, meter_time, tuple(readings), remark=remark)

    def _reading(self, one: AttributeName, scaler_unit: ScalerUnit, result: Result) -> Reading | None:
        """The reading, or None if the meter has none; the others are still read."""
        why = ""
        if isinstance(result, DataAccessResult):
            if result not in LASTING:
                log.debug("meter %s: %s: %s", self.profile.name, one.obis, result.words)
                return None
            why = result.words
        else:
            try:
                value = decode_all(result)
                reading = Reading(one.obis, value, *scaler_unit, class_id=one.class_id, attribute=one.attribute)
                return exact_reading(reading)
            except AxdrError as error:
                why = str(error)
            except DataError as error:  # NaN: the next value may be one
                self._device.warn_once(f"{one.obis}: {error}")
                return None
        self._unreadable[one] = self._now() + _UNREADABLE_S
        log.info("meter %s: %s: %s; asked again in an hour", self.profile.name, one.obis, why)
        return None

    def _choose(self, port: Port) -> list[AttributeName]:
        """The objects to poll, from the cached object list, else from the meter's."""
        names = self._session.client.short_names
        if names is not None:  # the association gave them
            known = list(names.objects)
        else:
            cached = self._cache.get(CacheKind.OBJECT_LIST, self._device.id, self._device.firmware)
            known = objects.from_octets(cached or b"[]")
        if not known:
            known = self._object_list(port)
        chosen = values_of(known, self.profile.objects)
        missing = [one for one in self.profile.objects if one not in {value.obis for value in chosen}]
        if known and missing:
            log.warning("meter %s: %s has no %s", self.profile.name, self._device.id, ", ".join(map(str, missing)))
        if not known:
            chosen = [AttributeName(REGISTER, one, VALUE) for one in self.profile.objects]
        if not chosen:
            raise PollError(
                "the meter tells no list of its objects to this client; name them in objects of its profile"
                if not known
                else f"none of the wanted objects is in the meter's list of {len(known)}"
            )
        return chosen

    def _object_list(self, port: Port) -> list[ObjectName]:
        result = self._session.get(port, AttributeName(ASSOCIATION, self._device.options.association, VALUE))
        if isinstance(result, DataAccessResult):
            log.info("meter %s: its object list: %s", self.profile.name, result.words)
            return []
        known = read_object_list(result)
        log.info("meter %s: object list of %s asked, %d objects", self.profile.name, self._device.id, len(known))
        octets = objects.to_octets(known)
        self._cache.put(CacheKind.OBJECT_LIST, self._device.id, self._device.firmware, octets)
        return known

    def _time(self, result: Result, stamp: Stamp) -> tuple[MeterTime | None, str]:
        """The meter's time as sent, and a remark about it (R13, R14)."""
        data = data_of(result)
        clock = Told.of((data,)) if data else None
        if clock is None:
            return None, ""
        told = clock.time
        self._device.deviation = told.deviation
        words = [text for flag, text in _DOUBTS.items() if told.status is not None and flag in told.status]
        opposite = Quirk.OPPOSITE_DEVIATION in self._device.options.quirks
        its = told.utc_us(self._device.zone, opposite_sign=opposite)
        if its is None or not clock.exact or stamp.state is not ClockState.SYNCHRONISED:
            pass  # our clock may be the wrong one
        elif abs(its - stamp.utc_us) > _DRIFT_TOLD_S * 1_000_000:
            seconds = (its - stamp.utc_us + 500_000) // 1_000_000
            words.append(f"its clock is {abs(seconds)} s {'ahead' if seconds > 0 else 'behind'}")
        remark = ", ".join(words)
        if bool(remark) != self._drift_told:
            self._drift_told = bool(remark)
            log.warning("meter %s: %s", self.profile.name, remark or "its clock is right again")
        return clock.meter_time, remark

    def _take_push(self, pushed: Pushed) -> None:
        """A push between two answers (R18)."""
        try:
            if self._device.options.ciphered and not pushed.protected:
                raise PollError("a push in the clear, while all is ciphered with this meter")
            found = read_push(pushed.apdu)
        except (PollError, RemoteProtocolError) as error:
            self._pushed.append(Refused(str(error), 0))
            return
        readings = found.readings(frozenset(map(bytes, self.profile.objects)))
        if readings and self._device.known:
            self._pushed.append((Values(self._device.id, self._clock.stamp(), found.meter_time, readings),))

    def _take_pushed(self) -> list[Heard]:
        pushed, self._pushed = self._pushed, []
        return pushed


_DOUBTS = {ClockStatus.INVALID: "its clock is invalid", ClockStatus.DOUBTFUL: "its clock is doubtful"}
