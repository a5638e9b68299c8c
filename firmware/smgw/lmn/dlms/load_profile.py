"""A load profile of a DLMS meter (profile generic, class 7), fetched by range.

A range is asked an hour wider on both sides, and what lies outside it is let go: some meters compare local times, and
their clock goes back in October. Each row tells its own time, which is what counts.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from smgw.cosem import (
    NULL,
    AttributeName,
    CaptureObject,
    Data,
    DataType,
    MeterTime,
    MeterTimeKind,
    Obis,
    Reading,
    ScalerUnit,
    capture_objects,
    octet_string,
)
from smgw.cosem.date_time import SIZE, DateTime, utc_us_in_order
from smgw.cosem.units import NO_UNIT
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.apdus.selection import Range as RowRange
from smgw.dlms.data import AxdrError, decode_all
from smgw.dlms.data.rows import Row, Rows, fill_nulls
from smgw.lmn.dlms.device import DlmsDevice
from smgw.lmn.dlms.objects import CLOCK, CLOCK_TIME, PROFILE, data_of, scaler_unit_of
from smgw.lmn.errors import PollError
from smgw.lmn.load_profile import rows_of_a_piece
from smgw.ports import Port
from smgw.profiles.dlms import Quirk
from smgw.profiles.meter import DAY_S
from smgw.store.ranges import Range
from smgw.store.records import ProfilePiece, ProfileRow

log = logging.getLogger(__name__)

_SECOND = 1_000_000
_WIDER_S = 3600
_LARGEST_DEVIATION = 24 * 60  # minutes; a clock that says more says nothing
_BUFFER, _CAPTURE_OBJECTS, _CAPTURE_PERIOD = 2, 3, 4
_STATUS = b"\x60\x0a"  # groups C, D of the status of a profile's rows


class DlmsProfile:
    """One range (microseconds UTC) of a load profile. Columns and period are asked with the first piece."""

    def __init__(self, device: DlmsDevice, obis: Obis, wanted: Range) -> None:
        self._device = device
        self._obis = obis
        self._wanted = wanted
        self._at = wanted.since
        self._columns: tuple[CaptureObject, ...] = ()
        self._scalers: list[ScalerUnit] = []
        self._clock = 0  # which column is the clock
        self._status: int | None = None  # which is the status of the row
        self.period_s = 0
        quirks = device.options.quirks
        self._opposite = Quirk.OPPOSITE_DEVIATION in quirks
        self._bounds = DataType.DATE_TIME if Quirk.DATE_TIME_BOUNDS in quirks else DataType.OCTET_STRING
        self._zone = device.zone

    @property
    def done(self) -> bool:
        """True once the range has been asked to its end."""
        return self._at > self._wanted.until

    def step(self, port: Port) -> ProfilePiece:
        """The next piece; PollError, PortError, the errors of `smgw.dlms`."""
        session = self._device.open_session(port)
        if not self._columns:
            self._describe(port)
        since = self._at
        until = self._wanted.until
        selection = None
        if session.client.agreement.allows(Conformance.SELECTIVE_ACCESS):
            span = self.period_s * rows_of_a_piece(self._device.profile) if self.period_s else DAY_S
            until = min(until, since + span * _SECOND - 1)
            selection = RowRange(
                self._columns[self._clock], self._bound(since, -_WIDER_S), self._bound(until, _WIDER_S)
            ).selection()
        octets = session.get(port, AttributeName(PROFILE, self._obis, _BUFFER), selection)
        found, fault = self._rows(self._octets(octets, "buffer"))
        rows = sorted(
            (row for row in found if since <= row.target_time_us <= until), key=lambda row: row.target_time_us
        )
        if fault is not None:  # what came behind is asked again; of a meter that sends the newest first, all
            if not rows or found[0].target_time_us > found[-1].target_time_us:
                raise PollError(f"load profile {self._obis}: after {len(found)} rows: {fault}")
            until = rows[-1].target_time_us
        self._at = until + 1
        return ProfilePiece(tuple(rows), since, until)

    def _describe(self, port: Port) -> None:
        named = [AttributeName(PROFILE, self._obis, number) for number in (_CAPTURE_OBJECTS, _CAPTURE_PERIOD)]
        objects, period, clock = self._device.get_list(port, [*named, CLOCK_TIME])
        if (told := data_of(clock)) is not None and isinstance(told.value, bytes) and len(told.value) == SIZE:
            self._device.deviation = DateTime.read(told.value).deviation
        columns = capture_objects(decode_all(self._octets(objects, "capture_objects")))
        clocks = [place for place, one in enumerate(columns) if one.class_id == CLOCK]
        if not clocks:
            raise PollError(f"the rows of {self._obis} have no clock; this profile cannot be read by time")
        value = data_of(period)
        self.period_s = max(0, value.value) if value is not None and isinstance(value.value, int) else 0
        attributes = [AttributeName(one.class_id, one.obis, one.attribute) for one in columns]
        scalers = self._device.scalers(port, attributes)
        if untold := [one for one in attributes if one not in scalers and scaler_unit_of(one) is not None]:
            raise PollError(f"the meter does not tell the scaler of {untold[0].obis} now")
        self._scalers = [scalers.get(one, ScalerUnit()) for one in attributes]
        statuses = (place for place, one in enumerate(columns) if one.class_id == 1 and one.obis[2:4] == _STATUS)
        self._status = next(statuses, None)
        self._clock, self._columns = clocks[0], columns

    def _bound(self, utc_us: int, wider_s: int) -> Data:
        """In the meter's own offset from UTC, said with it; in its zone's time where its clock says no offset."""
        deviation = self._device.deviation
        zone: tzinfo = UTC
        if deviation is not None and abs(deviation) < _LARGEST_DEVIATION:
            zone = timezone(timedelta(minutes=deviation if self._opposite else -deviation))
        elif self._zone is not None:
            deviation, zone = None, self._zone
        else:
            deviation = 0
        moment = datetime.fromtimestamp(max(0, utc_us // _SECOND + wider_s), UTC).astimezone(zone)
        octets = DateTime.of(moment)._replace(deviation=deviation).encode()
        return Data(self._bounds, octets) if self._bounds is DataType.DATE_TIME else octet_string(octets)

    def _octets(self, result: bytes | DataAccessResult, what: str) -> bytes:
        if isinstance(result, DataAccessResult):
            raise PollError(f"{what} of load profile {self._obis}: {result.words}")
        return result

    def _rows(self, octets: bytes) -> tuple[list[ProfileRow], AxdrError | None]:
        """The rows as they came, up to the first that is none, and why that is none."""
        rows = Rows(octets)
        cut: list[Row] = []
        fault = None
        try:
            cut.extend(rows)
        except AxdrError as error:
            log.warning("load profile %s: after %d rows: %s", self._obis, len(cut), error)
            fault = error
        if fault is None and len(octets) > rows.position:
            log.debug("load profile %s: %d octets stand behind the rows", self._obis, len(octets) - rows.position)
        filled = fill_nulls(cut, self._clock, self.period_s)
        times = utc_us_in_order(list(map(self._told, filled)), self._zone, opposite_sign=self._opposite)
        found = [self._row(row, utc_us) for row, utc_us in zip(filled, times, strict=True) if utc_us is not None]
        lost = len(cut) - len(found)
        if lost:
            text = (
                f"load profile {self._obis}: {lost} rows without a time are left out; a meter that does not say its "
                "deviation needs time_zone in its section dlms"
            )
            if not found:  # nothing is said to be kept: with a time_zone they can be read
                raise PollError(text)
            log.warning("%s", text)
        return found, fault

    def _told(self, row: Row) -> DateTime | None:
        raw = row[self._clock].value if self._clock < len(row) else None
        return DateTime.read(raw) if isinstance(raw, bytes) and len(raw) == SIZE else None

    def _row(self, row: Row, utc_us: int) -> ProfileRow:
        raw = row[self._clock].value
        assert isinstance(raw, bytes)
        return ProfileRow(utc_us, MeterTime(MeterTimeKind.DLMS_DATE_TIME, raw), tuple(self._readings(row)))

    def _readings(self, row: Sequence[Data]) -> list[Reading]:
        """The values; a status column is the status of each."""
        status = row[self._status] if self._status is not None and self._status < len(row) else None
        status = None if status == NULL else status
        readings = []
        for place, (column, value) in enumerate(zip(self._columns, row, strict=False)):
            if place == self._clock or place == self._status or value == NULL:
                continue
            number = isinstance(value.value, int)
            scaler, unit = self._scalers[place] if number else (0, NO_UNIT)
            readings.append(Reading(column.obis, value, scaler, unit, None, status, column.class_id, column.attribute))
        return readings
