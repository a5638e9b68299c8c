"""The rows of a load profile for the database: each with its time, values and status."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from smgw.cosem import (
    NULL,
    CaptureObject,
    Data,
    DataError,
    DataType,
    Obis,
    Reading,
    ScalerUnit,
    octet_string,
)
from smgw.cosem.date_time import DateTime, utc_us_in_order
from smgw.cosem.exact import exact_reading
from smgw.cosem.told import DATE_SIZE, Form, Told
from smgw.dlms.data import AxdrError
from smgw.dlms.data.rows import Row, Rows, fill_nulls
from smgw.lmn.dlms.device import DlmsDevice
from smgw.lmn.dlms.objects import CLOCK
from smgw.lmn.errors import PollError
from smgw.profiles.dlms import Quirk
from smgw.profiles.meter import DAY_S
from smgw.store.records import ProfileRow

log = logging.getLogger(__name__)

_SECOND = 1_000_000
_LARGEST_DEVIATION = 24 * 60  # minutes; a larger deviation is invalid
_STATUS = b"\x60\x0a"  # groups C, D of the status of a profile's rows
#: Groups C, D, E of a local time and a local date, in rows without a clock.
_LOCAL_TIME, _LOCAL_DATE = b"\x00\x09\x01", b"\x00\x09\x02"


class RowReader:
    """The meaning of a load profile's columns. `clock` is the form of the meter's clock, if known."""

    def __init__(
        self, device: DlmsDevice, obis: Obis, columns: Sequence[CaptureObject], scalers: Sequence[ScalerUnit],
        period_s: int, clock: Told | None,
    ) -> None:  # fmt: skip
        """PollError if no column holds a time."""
        self._device = device
        self._obis = obis
        self._columns = tuple(columns)
        self._scalers = scalers
        self._period_s = period_s
        places = range(len(columns))
        clocks = [place for place in places if columns[place].class_id == CLOCK]
        dates = [place for place in places if bytes(columns[place].obis)[2:5] == _LOCAL_DATE]
        times = [place for place in places if bytes(columns[place].obis)[2:5] == _LOCAL_TIME]
        if not clocks and not dates:
            raise PollError(f"the rows of {obis} have no clock; this profile cannot be read by time")
        self._clocks = (clocks or dates) + times  # columns with the time
        self._form = (clock.form if clock is not None else Form.DATE_TIME) if clocks else Form.DATE
        statuses = (place for place in places if columns[place].class_id == 1 and columns[place].obis[2:4] == _STATUS)
        self._status = next(statuses, None)
        quirks = device.options.quirks
        self._opposite = Quirk.OPPOSITE_DEVIATION in quirks
        self._bounds = DataType.DATE_TIME if Quirk.DATE_TIME_BOUNDS in quirks else DataType.OCTET_STRING

    @property
    def clock(self) -> CaptureObject:
        """The column that selects a range."""
        return self._columns[self._clocks[0]]

    def bound(self, utc_us: int, wider_s: int) -> Data:
        """A bound of a range, in the form of the clock.

        A date-time contains the meter's offset from UTC. If the clock has no offset, it is local time.
        """
        seconds = max(0, utc_us // _SECOND + wider_s)
        if self._form is Form.DATE and wider_s > 0:
            seconds += DAY_S  # some meters read a date as the begin of its day
        if self._form is Form.UNIX_TIME:
            return Data(DataType.DOUBLE_LONG_UNSIGNED, seconds)
        deviation, zone = self._device.deviation, self._device.zone
        moment_zone: tzinfo = UTC
        if deviation is not None and abs(deviation) < _LARGEST_DEVIATION:
            moment_zone = timezone(timedelta(minutes=deviation if self._opposite else -deviation))
        elif zone is not None:
            deviation, moment_zone = None, zone
        else:
            deviation = 0
        moment = datetime.fromtimestamp(seconds, UTC).astimezone(moment_zone)
        octets = DateTime.of(moment)._replace(deviation=deviation).encode()
        if self._form is Form.DATE:
            return octet_string(octets[:DATE_SIZE])
        return Data(self._bounds, octets) if self._bounds is DataType.DATE_TIME else octet_string(octets)

    def read(self, octets: bytes) -> tuple[list[ProfileRow], AxdrError | None]:
        """The rows up to the first malformed one, and its fault.

        PollError if no row has a valid time.
        """
        rows = Rows(octets)
        cut: list[Row] = []
        fault = None
        try:
            cut.extend(rows)
        except AxdrError as error:
            log.warning("load profile %s: after %d rows: %s", self._obis, len(cut), error)
            fault = error
        if fault is None and len(octets) > rows.position:
            self._device.warn_once(
                f"load profile {self._obis}: {len(octets) - rows.position} octets behind the rows are ignored"
            )
        filled = fill_nulls(cut, self._clocks[0], self._period_s)
        told = list(map(self._told, filled))
        times = utc_us_in_order(
            [None if one is None else one.time for one in told], self._device.zone, opposite_sign=self._opposite
        )
        found = [
            ProfileRow(utc_us, one.meter_time, tuple(self._readings(row)))
            for row, one, utc_us in zip(filled, told, times, strict=True)
            if one is not None and utc_us is not None
        ]
        lost = len(cut) - len(found)
        if lost:
            text = (
                f"load profile {self._obis}: {lost} rows without a time are left out; a meter that does not say its "
                "deviation needs time_zone in its section dlms"
            )
            if not found:  # nothing is marked as stored: with a time_zone they can be read
                raise PollError(text)
            log.warning("%s", text)
        return found, fault

    def _told(self, row: Row) -> Told | None:
        return Told.of(row[place] for place in self._clocks if place < len(row))

    def _readings(self, row: Sequence[Data]) -> list[Reading]:
        """The values; a status column is the status of each."""
        status = row[self._status] if self._status is not None and self._status < len(row) else None
        status = None if status == NULL else status
        readings = []
        for place, (column, value) in enumerate(zip(self._columns, row, strict=False)):
            if place in self._clocks or place == self._status or value == NULL:
                continue
            scaler, unit = self._scalers[place]
            reading = Reading(column.obis, value, scaler, unit, None, status, column.class_id, column.attribute)
            try:
                readings.append(exact_reading(reading))
            except DataError as error:
                self._device.warn_once(f"load profile {self._obis}: {column.obis}: {error}")
        return readings
