"""A load profile of a meter that answers SML requests (GetProfilePack, else GetProfileList)."""

from smgw.cosem import Data, DataType, Obis, ObjectName, Reading
from smgw.cosem.units import NO_UNIT
from smgw.lmn.load_profile import rows_of_a_piece
from smgw.lmn.sml.session import SmlSession
from smgw.ports import Port
from smgw.profiles.meter import MeterProfile
from smgw.sml.fetch import Form, ProfileFetch, ProfileIncomplete, ProfileUnknown, ProfileUnsupported
from smgw.sml.messages import Time
from smgw.sml.parameters import parameter_name
from smgw.sml.profiles import LoadProfile, Row
from smgw.sml.readings import data
from smgw.sml.tlv import Kind
from smgw.store.ranges import Range
from smgw.store.records import ProfilePiece, ProfileRow

_SECOND = 1_000_000
_UNIX = 2  # SML_Time's choice: seconds since 1970, UTC
_QUARTER_HOUR_S = 900


class SmlProfile:
    """One range (microseconds UTC) of a load profile, asked in pieces.

    A meter may know the profile by its OBIS code or as an object of class 7, and may answer with packs or single rows.
    The first piece finds out which.
    """

    def __init__(self, session: SmlSession, profile: MeterProfile, obis: Obis, wanted: Range) -> None:
        self._session = session
        self._profile = profile
        self._ways = [
            (form, path)
            for path in ((obis,), (parameter_name(ObjectName(7, 1, obis)),), (parameter_name(ObjectName(7, 0, obis)),))
            for form in (Form.PACK, Form.LIST)
        ]
        self._wanted = wanted
        self._rows = rows_of_a_piece(profile)
        self._at = wanted.since
        self._fetch = self._begin()
        self.period_s = 0

    def _begin(self) -> ProfileFetch:
        form, path = self._ways[0]
        begin, end = -(-self._at // _SECOND), self._wanted.until // _SECOND
        hours = max(1, self._rows * _QUARTER_HOUR_S // 3600)
        return ProfileFetch(
            path, Time(_UNIX, begin), Time(_UNIX, max(begin, end)), form=form, hours=hours, rows=self._rows
        )

    @property
    def done(self) -> bool:
        """True once the range was read to its end."""
        return self._fetch.done

    def step(self, port: Port) -> ProfilePiece:
        """The next piece; ProfileError, PollError, PortError."""
        parts = self._answered(port)
        since = self._at
        if parts and parts[0].period:
            self.period_s = parts[0].period
        reached = self._fetch.progress.until
        until = since - 1  # the piece was too large for the meter: nothing was answered
        if self.done:
            until = self._wanted.until
        elif reached is not None:
            until = max(until, reached.seconds * _SECOND)
        self._at = until + 1
        return ProfilePiece(tuple(_row(part, row) for part in parts for row in part.rows), since, until)

    def _answered(self, port: Port) -> list[LoadProfile]:
        tries = self._session.patience.retries
        while True:
            request = self._fetch.request(self._session.client)
            if request is None:
                return []
            try:
                return self._fetch.take(self._session.ask(port, [request]))
            except ProfileIncomplete:
                if not tries:
                    raise
                tries -= 1
            except (ProfileUnsupported, ProfileUnknown):
                if self._fetch.progress.until is not None or len(self._ways) == 1:
                    raise
                self._ways.pop(0)
                self._fetch = self._begin()


def _row(part: LoadProfile, row: Row) -> ProfileRow:
    kind = DataType.DOUBLE_LONG_UNSIGNED if row.status < 1 << 32 else DataType.LONG64_UNSIGNED
    status = Data(kind, row.status)
    readings = []
    signatures = row.value_signatures or (None,) * len(row.values)
    for column, value, signature in zip(part.columns, row.values, signatures, strict=True):
        if value is None:
            continue
        number = value.kind in (Kind.SIGNED, Kind.UNSIGNED)
        scaler, unit, class_id = (column.scaler, column.unit, 3) if number else (0, NO_UNIT, 1)
        readings.append(
            Reading(column.obis, data(value), scaler, unit, status=status, class_id=class_id, signature=signature)
        )
    return ProfileRow(row.time.seconds * _SECOND, row.time.meter_time(), tuple(readings), row.signature)
