"""The rows of a device: in pages, in batches, and as the series of one register."""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any

from smgw.cosem import CaptureObject
from smgw.cosem.data import Data
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.status_word import StatusWord
from smgw.cosemxml.document import Register

from emp.store.sqlite_reader import SqliteReader
from emp.store.storage import Presence, Rhythm, RowFilter, RowSpan, RowView, Sample, Span, StorageError
from emp.store.values import from_sql

BATCH_ROWS = 1000
REGISTER_COLUMNS = "g.obis, g.scaler, g.unit, g.class_id, g.attribute"

_ROW = (
    "r.id, r.source, r.record_number, r.capture_time_us, r.target_time_us, r.time_valid, r.gateway_status,"
    " r.meter_status, r.received_us"
)
#: A grid finer than a minute is shown and counted by the minute. Its other rows are in lists and exports.
_ON_GRID = "r.target_time_us>=? AND r.target_time_us<? AND r.target_time_us%60000000=0"
_NEWEST = 1000  # rows that say which registers are on the grid, and how often something comes
_TIMES = 9  # different times that make a rhythm
_DEVICE = "r.device=(SELECT id FROM device WHERE octets=?)"


class SqliteRows(SqliteReader):
    """Queries for single rows of a store."""

    def rows(self, device: DeviceId, narrowed: RowFilter) -> list[RowView]:
        """See Storage."""
        order = "r.capture_time_us DESC, r.id DESC" if narrowed.newest_first else "r.id"
        return self._views(
            self._all(
                f"SELECT {_ROW} FROM record r WHERE {_DEVICE} ORDER BY {order} LIMIT ? OFFSET ?",  # noqa: S608
                bytes(device),
                narrowed.limit,
                narrowed.offset,
            )
        )

    def batches(self, device: DeviceId, span: RowSpan) -> Iterator[list[RowView]]:
        """See Storage."""
        self._require_whole()
        key, where, values = _narrow(device, span)
        after: tuple[Any, ...] = ()
        if span.skip:
            started = self._all(
                f"SELECT {key} FROM record r WHERE {where} ORDER BY {key} LIMIT 1 OFFSET ?",  # noqa: S608
                *values,
                span.skip - 1,
            )
            if not started:
                return
            after = started[0]
        left = span.limit
        while left is None or left > 0:
            size = BATCH_ROWS if left is None else min(BATCH_ROWS, left)
            further = f" AND ({key}) > ({','.join('?' * len(after))})" if after else ""
            records = self._all(
                f"SELECT {_ROW} FROM record r WHERE {where}{further} ORDER BY {key} LIMIT ?",  # noqa: S608
                *values,
                *after,
                size,
            )
            try:
                views = self._views(records) if records else []
            except LookupError:
                raise StorageError("a register or a source was removed while its rows were read") from None
            except (ValueError, TypeError) as error:  # what is stored was decoded once, so these octets have changed
                self._undecodable(error)
                raise
            self._require_whole()  # also after the last one: a query may have found the damage
            if views:
                yield views
            if len(records) < size:
                return
            after = (records[-1][3], records[-1][0]) if span.by_time else (records[-1][0],)
            left = None if left is None else left - size

    def has_row(self, device: DeviceId, span: RowSpan) -> bool:
        """See Storage."""
        _, where, values = _narrow(device, span)
        sql = f"SELECT 1 FROM record r WHERE {where} LIMIT 1 OFFSET ?"  # noqa: S608
        return bool(self._all(sql, *values, span.skip))

    def span(self, device: DeviceId) -> Span:
        """See Storage."""
        return Span(
            *self._all(
                "SELECT (SELECT min(target_time_us) FROM record WHERE device=d.id AND target_time_us IS NOT NULL),"
                " (SELECT max(target_time_us) FROM record WHERE device=d.id AND target_time_us IS NOT NULL),"
                " (SELECT max(capture_time_us) FROM record WHERE device=d.id)"
                " FROM (SELECT (SELECT id FROM device WHERE octets=?) AS id) d",
                bytes(device),
            )[0]
        )

    def presence(self, device: DeviceId, from_us: int, to_us: int) -> list[Presence]:
        """See Storage."""
        return [
            Presence(target_us, bool(found))
            for target_us, found in self._all(
                "SELECT r.target_time_us, max(EXISTS (SELECT 1 FROM reading v WHERE v.record=r.id))"  # noqa: S608
                f" FROM record r WHERE {_DEVICE} AND {_ON_GRID}"
                " GROUP BY r.target_time_us ORDER BY r.target_time_us",
                bytes(device),
                from_us,
                to_us,
            )
        ]

    def grid(self, device: DeviceId, column: CaptureObject, from_us: int, to_us: int) -> list[Sample]:
        """See Storage."""
        return self._samples(
            "SELECT r.target_time_us, r.time_valid, r.gateway_status, v.register, v.type, v.value FROM record r"  # noqa: S608
            " LEFT JOIN reading v ON v.record=r.id AND v.register IN (SELECT value FROM json_each(?))"
            f" WHERE {_DEVICE} AND {_ON_GRID} ORDER BY r.target_time_us, r.id",
            device,
            column,
            (bytes(device), from_us, to_us),
        )

    def captured(self, device: DeviceId, column: CaptureObject, from_us: int, to_us: int, limit: int) -> list[Sample]:
        """See Storage."""
        return self._samples(
            "SELECT r.capture_time_us, r.time_valid, r.gateway_status, v.register, v.type, v.value FROM record r"  # noqa: S608
            " JOIN reading v ON v.record=r.id AND v.register IN (SELECT value FROM json_each(?))"
            f" WHERE {_DEVICE} AND r.capture_time_us>=? AND r.capture_time_us<?"
            " ORDER BY r.capture_time_us, r.id LIMIT ?",
            device,
            column,
            (bytes(device), from_us, to_us, limit),
        )

    def thinned(self, device: DeviceId, column: CaptureObject, window: tuple[int, int], width_us: int) -> list[Sample]:
        """See Storage. Numbers beyond i64, which stand as negative ones, count as such."""
        from_us, to_us = window
        sql = (
            "WITH wanted AS (SELECT value FROM json_each(?)), piece AS"  # noqa: S608
            " (SELECT (r.capture_time_us-?)/? AS number, min(r.time_valid) AS valid, max(r.gateway_status) AS status,"
            " v.register, v.type, min(v.value) AS low, max(v.value) AS high"
            " FROM record r JOIN reading v ON v.record=r.id AND v.register IN (SELECT value FROM wanted)"
            f" WHERE {_DEVICE} AND r.capture_time_us>=? AND r.capture_time_us<? AND typeof(v.value)='integer'"
            " GROUP BY number, v.register, v.type)"
            " SELECT number*?+?, valid, status, register, type, low FROM piece"
            " UNION ALL SELECT number*?+?, valid, status, register, type, high FROM piece WHERE high<>low ORDER BY 1"
        )
        pieces = (from_us, width_us, bytes(device), from_us, to_us)
        return self._samples(sql, device, column, (*pieces, width_us, from_us, width_us, from_us + width_us // 2))

    def rhythm(self, device: DeviceId) -> Rhythm | None:
        """See Storage."""
        usual = []
        for column in ("received_us", "capture_time_us"):
            newest = f"SELECT {column} AS at FROM record r WHERE {_DEVICE} ORDER BY r.id DESC LIMIT ?"  # noqa: S608
            times = [
                time_us
                for (time_us,) in self._all(
                    f"SELECT DISTINCT at FROM ({newest}) WHERE at IS NOT NULL ORDER BY at DESC LIMIT ?",  # noqa: S608
                    *(bytes(device), _NEWEST, _TIMES),
                )
            ]
            distances = sorted((later - earlier for later, earlier in pairwise(times)), reverse=True)
            if len(distances) < 2:
                return None
            usual.append(distances[1])
        return Rhythm(*usual)

    def is_on_grid(self, device: DeviceId, column: CaptureObject) -> bool:
        """See Storage."""
        sql = (
            "SELECT EXISTS (SELECT 1 FROM"  # noqa: S608
            f" (SELECT r.id FROM record r WHERE {_DEVICE} AND r.target_time_us IS NOT NULL"
            " ORDER BY r.target_time_us DESC LIMIT ?) n"
            " JOIN reading v ON v.record=n.id JOIN register g ON g.id=v.register"
            " WHERE g.class_id=? AND g.obis=? AND g.attribute=?)"
        )
        values = (column.class_id, bytes(column.obis), column.attribute)
        return bool(self._all(sql, bytes(device), _NEWEST, *values)[0][0])

    def _samples(self, sql: str, device: DeviceId, column: CaptureObject, values: tuple[object, ...]) -> list[Sample]:
        registers = {
            identity: register_of(row)
            for identity, *row in self._all(
                f"SELECT g.id, {REGISTER_COLUMNS} FROM register g"  # noqa: S608
                " WHERE g.device=(SELECT id FROM device WHERE octets=?)"
                " AND g.class_id=? AND g.obis=? AND g.attribute=?",
                bytes(device),
                column.class_id,
                bytes(column.obis),
                column.attribute,
            )
        }
        wanted = "[" + ",".join(map(str, registers)) + "]"
        return [
            Sample(
                time_us,
                bool(valid),
                status,
                None if register is None else registers[register],
                None if register is None else from_sql(kind, value),
            )
            for time_us, valid, status, register, kind, value in self._all(sql, wanted, *values)
        ]

    def _views(self, records: list[Any]) -> list[RowView]:
        cells = self._cells([record[0] for record in records])
        sources = self._sources({record[1] for record in records})
        return [
            RowView(
                position,
                *sources[source],
                number,
                capture_us,
                target_us,
                bool(valid),
                _status(gateway_status, meter_status),
                received_us,
                tuple(cells.get(position, ())),
            )
            for (
                position,
                source,
                number,
                capture_us,
                target_us,
                valid,
                gateway_status,
                meter_status,
                received_us,
            ) in records
        ]

    def _sources(self, wanted: set[int]) -> dict[int, tuple[DeviceId, str]]:
        return {
            source: (DeviceId(gateway), store_id)
            for source, gateway, store_id in self._all(
                "SELECT s.id, w.octets, s.store_id FROM source s JOIN gateway w ON w.id=s.gateway"
                " WHERE s.id IN (SELECT value FROM json_each(?))",
                "[" + ",".join(map(str, wanted)) + "]",
            )
        }

    def _cells(self, records: list[int]) -> dict[int, list[tuple[Register, Data]]]:
        cells: dict[int, list[tuple[Register, Data]]] = {}
        registers: dict[int, Register] = {}
        for start in range(0, len(records), 500):
            part = records[start : start + 500]
            marks = ",".join("?" * len(part))
            for record, register, kind, value in self._all(
                f"SELECT record, register, type, value FROM reading WHERE record IN ({marks})",  # noqa: S608
                *part,
            ):
                if register not in registers:
                    row = self._all(f"SELECT {REGISTER_COLUMNS} FROM register g WHERE g.id=?", register)[0]  # noqa: S608
                    registers[register] = register_of(row)
                cells.setdefault(record, []).append((registers[register], from_sql(kind, value)))
        return cells


def register_of(row: Iterable[Any]) -> Register:
    """A register from its REGISTER_COLUMNS."""
    obis, scaler, unit, class_id, attribute = row
    return Register(Obis(obis), scaler, unit, class_id, attribute)


@lru_cache(maxsize=256)
def _status(gateway: int, meter: int) -> StatusWord:
    # It rarely changes from row to row.
    return StatusWord(gateway, meter)


def _narrow(device: DeviceId, span: RowSpan) -> tuple[str, str, list[object]]:
    """The columns that order the rows, the condition, and its values."""
    clauses, values = [_DEVICE], list[object]([bytes(device)])
    for condition, value in (
        ("r.capture_time_us>=?", span.from_us),
        ("r.capture_time_us<?", span.to_us),
        ("r.id<=?", span.until),
    ):
        if value is not None:
            clauses.append(condition)
            values.append(value)
    return "r.capture_time_us, r.id" if span.by_time else "r.id", " AND ".join(clauses), values
