"""Load profiles: columns and rows, and the two forms in which a meter answers them (docs/sml.md, section 2.3).

    GetProfilePack.Res   one message: the columns once, then all rows
    GetProfileList.Res   a message a row, each with its columns

A row's time is the end of its period. Times of choice 2 and 3 are both Unix seconds, UTC. The offsets of choice 3 only
add the local clock, so the two equal local hours in October differ. Choice 1, seconds of operation, is a clock of its
own.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from smgw.cosem import Obis
from smgw.cosem.units import NO_UNIT
from smgw.errors import RemoteProtocolError
from smgw.sml.messages import (
    GetProfileListResponse,
    GetProfilePackResponse,
    HeaderEntry,
    PackPeriod,
    PeriodEntry,
    Time,
    ValueEntry,
)
from smgw.sml.tlv import Value

#: 1-0:99.1.0, the load profile with recording period 1.
LOAD_PROFILE = Obis(bytes.fromhex("0100630100FF"))
_SEC_INDEX = 1


class Column(NamedTuple):
    """One register of a profile: its values count in 10^scaler of the unit (DLMS table)."""

    obis: Obis
    unit: int = NO_UNIT
    scaler: int = 0


class Row(NamedTuple):
    """One period. `values` are in the order of the columns, None if the row has none."""

    time: Time
    status: int
    values: tuple[Value | None, ...]
    signature: bytes | None = None
    value_signatures: tuple[bytes | None, ...] = ()  # empty: no value is signed


class LoadProfile(NamedTuple):
    """Rows with the same columns. `period` is in seconds, 0 if rows come by event."""

    act_time: Time  # the meter's clock when it answered
    period: int
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    signature: bytes | None = None  # over a whole pack


@runtime_checkable
class ProfileModel(Protocol):
    """The model of a meter with load profiles."""

    def profile(self, path: tuple[bytes, ...], begin: Time | None, end: Time | None) -> LoadProfile | None:
        """The rows from `begin` to `end`, both inclusive, oldest first; None for a path that names no profile.

        A time that is absent leaves its side open. `attention.Denied` refuses for another reason.
        """


def same_clock(one: Time, other: Time) -> bool:
    """True if the seconds of two times can be compared."""
    return (one.choice == _SEC_INDEX) == (other.choice == _SEC_INDEX)


def with_columns(profile: LoadProfile, wanted: Sequence[bytes]) -> LoadProfile:
    """The same with these columns only, in this order. Raises KeyError for one that the profile lacks."""
    places = {bytes(column.obis): place for place, column in enumerate(profile.columns)}
    chosen = [places[bytes(name)] for name in wanted]
    rows = (
        row._replace(
            values=tuple(row.values[place] for place in chosen),
            value_signatures=tuple(row.value_signatures[place] for place in chosen) if row.value_signatures else (),
        )
        for row in profile.rows
    )
    return profile._replace(columns=tuple(profile.columns[place] for place in chosen), rows=tuple(rows))


def to_pack(server_id: bytes, path: tuple[bytes, ...], profile: LoadProfile) -> GetProfilePackResponse:
    """The profile as one message."""
    return GetProfilePackResponse(
        server_id,
        profile.act_time,
        profile.period,
        path,
        tuple(HeaderEntry(bytes(column.obis), column.unit, column.scaler) for column in profile.columns),
        tuple(
            PackPeriod(
                row.time,
                row.status,
                tuple(ValueEntry(*signed) for signed in zip(row.values, _signatures(row), strict=True)),
                row.signature,
            )
            for row in profile.rows
        ),
        profile_signature=profile.signature,
    )


def to_list(server_id: bytes, path: tuple[bytes, ...], profile: LoadProfile) -> list[GetProfileListResponse]:
    """The profile as one message for each row."""
    return [
        GetProfileListResponse(
            server_id,
            profile.act_time,
            profile.period,
            path,
            row.time,
            row.status,
            tuple(
                PeriodEntry(bytes(column.obis), column.unit, column.scaler, value, signature)
                for column, value, signature in zip(profile.columns, row.values, _signatures(row), strict=True)
            ),
            period_signature=row.signature,
        )
        for row in profile.rows
    ]


def from_pack(pack: GetProfilePackResponse) -> LoadProfile:
    """The profile in one message. Raises RemoteProtocolError if a row has not one value a column."""
    columns = tuple(map(_column, pack.header_list))
    rows = []
    for period in pack.period_list:
        if len(period.value_list) != len(columns):
            raise RemoteProtocolError(f"a profile row of {len(period.value_list)} values in {len(columns)} columns")
        rows.append(_row(period.val_time, period.status, period.value_list, period.period_signature))
    return LoadProfile(pack.act_time, pack.reg_period, columns, tuple(rows), pack.profile_signature)


def from_list(messages: Iterable[GetProfileListResponse]) -> list[LoadProfile]:
    """The profile from one message for each row: a new part begins where the columns change (such as a scaler)."""
    parts: list[tuple[LoadProfile, list[Row]]] = []
    for message in messages:
        columns = tuple(map(_column, message.period_list))
        if not parts or (parts[-1][0].columns, parts[-1][0].period) != (columns, message.reg_period):
            parts.append((LoadProfile(message.act_time, message.reg_period, columns, ()), []))
        row = _row(message.val_time, message.status, message.period_list, message.period_signature)
        parts[-1][1].append(row)
    return [part._replace(rows=tuple(rows)) for part, rows in parts]


def _column(entry: HeaderEntry | PeriodEntry) -> Column:
    if len(entry.obj_name) != 6:
        raise RemoteProtocolError(f"a profile column {entry.obj_name.hex()!r}, which is no OBIS code")
    return Column(Obis(entry.obj_name), NO_UNIT if entry.unit is None else entry.unit, entry.scaler or 0)


def _row(time: Time, status: int, entries: Sequence[ValueEntry | PeriodEntry], signature: bytes | None) -> Row:
    signatures = tuple(entry.value_signature for entry in entries)
    values = tuple(entry.value for entry in entries)
    return Row(time, status, values, signature, signatures if any(signatures) else ())


def _signatures(row: Row) -> tuple[bytes | None, ...]:
    return row.value_signatures or (None,) * len(row.values)
