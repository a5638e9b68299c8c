"""Rows as text in pieces: XML of the annex, JSON, CSV. Each piece has a bounded number of rows."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from smgw.cosem import CaptureObject
from smgw.cosem.csv_cell import guarded
from smgw.cosem.data import Data, plain
from smgw.cosem.device_id import DeviceId
from smgw.cosem.status_word import StatusWord
from smgw.cosem.units import symbol
from smgw.cosemxml.data import data_text
from smgw.cosemxml.document import Register
from smgw.cosemxml.names import TYPE_NAME
from smgw.look.times import iso

from emp.answers.resources import row_data
from emp.store.storage import RowView

Batches = Iterable[list[RowView]]

_EMPTY_BUFFER = ' id="2"><cod:array></cod:array></attribute>'


def xml_rows(whole: bytes, batches: Batches, columns: Sequence[CaptureObject], picks: Sequence[int]) -> Iterator[bytes]:
    """An answer with its rows inserted into the empty buffer of `whole`, the answer without rows."""
    before, empty, after = whole.decode().partition(_EMPTY_BUFFER)
    if not empty:
        yield whole
        return
    line = before[before.rfind("\n") + 1 :]
    indent = line[: len(line) - len(line.lstrip())]
    pending = before
    some = False
    for batch in batches:
        if not batch:
            yield b""
            continue
        rows = "".join(
            [
                f"{indent}  <cod:structure>{''.join(map(data_text, row_data(row, columns, picks)))}</cod:structure>\n"
                for row in batch
            ]
        )
        if some:
            yield pending.encode()
            pending = rows
        else:
            pending = f'{before} id="2"><cod:array>\n{rows}'
            some = True
    end = f"{indent}</cod:array></attribute>" if some else _EMPTY_BUFFER
    yield f"{pending}{end}{after}".encode()


def json_rows(device: DeviceId, batches: Batches, wanted: frozenset[CaptureObject]) -> Iterator[bytes]:
    """{"device": ..., "rows": [...]}, one row a line."""
    pending = f'{{"device":{json.dumps(str(device))},"rows":['
    separator = "\n"
    for batch in batches:
        rows = []
        for row in batch:
            rows.append(separator + json.dumps(row_json(row, wanted), ensure_ascii=False, separators=(",", ":")))
            separator = ",\n"
        yield (pending + "".join(rows)).encode()
        pending = ""
    yield f"{pending}\n]}}\n".encode()


def csv_rows(batches: Batches, registers: Iterable[Register], wanted: frozenset[CaptureObject]) -> Iterator[bytes]:
    """A line for each row (RFC 4180), a column for each register and unit; values scaled, times in UTC."""
    places: dict[tuple[CaptureObject, int], int] = {}
    heads: list[str] = []
    for register in registers:
        column = register.column
        if column in wanted and (column, register.unit) not in places:
            places[(column, register.unit)] = len(heads)
            unit = symbol(register.unit)
            heads.append(_name(register) + (f" [{unit}]" if unit else ""))
    text = io.StringIO()
    lines = csv.writer(text)
    lines.writerow(
        [
            "gateway",
            "store_id",
            "record_number",
            "capture_time",
            "target_time",
            "time_valid",
            "status",
            "received",
            *heads,
        ]
    )
    for batch in batches:
        for row in batch:
            values = [""] * len(heads)
            for register, data in row.cells:
                place = places.get((register.column, register.unit))
                if place is not None:
                    values[place] = guarded(value_text(data, register.scaler))
            lines.writerow(
                (
                    _gateway(row.gateway),
                    row.store_id,
                    row.record_number,
                    iso(row.capture_time_us),
                    iso(row.target_time_us),
                    int(row.time_valid),
                    _status(row.status),
                    iso(row.received_us),
                    *values,
                )
            )
        yield text.getvalue().encode()
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode()


def row_json(row: RowView, wanted: frozenset[CaptureObject] | None = None) -> dict[str, Any]:
    """A row as a JSON object; with `wanted` only these columns of its registers."""
    return {
        "gateway": _gateway(row.gateway),
        "store_id": row.store_id,
        "record_number": row.record_number,
        "capture_time": iso(row.capture_time_us),
        "target_time": iso(row.target_time_us),
        "time_valid": row.time_valid,
        "status": _status(row.status),
        "received": iso(row.received_us),
        "values": [
            {
                "obis": str(register.obis),
                "value": value_text(value, register.scaler),  # text, since most programs read a JSON number as a float
                "unit": symbol(register.unit),
                "raw": value.value if isinstance(value.value, int) else value_text(value, 0),
                "type": TYPE_NAME[value.type],
                "scaler": register.scaler,
                "unit_code": register.unit,
                "class_id": register.class_id,
                "attribute": register.attribute,
            }
            for register, value in row.cells
            if wanted is None or register.column in wanted
        ],
    }


def value_text(data: Data, scaler: int) -> str:
    """A value in readable form: scaled exactly, octets in hex, structures as a list."""
    if isinstance(data.value, int):
        return plain(data.value, scaler)
    if isinstance(data.value, bytes):
        return data.value.hex()
    if isinstance(data.value, tuple):
        return "[" + ", ".join(value_text(member, 0) for member in data.value) + "]"
    return "" if data.value is None else data.value


# They rarely change from row to row.
_gateway = lru_cache(maxsize=1024)(str)


@lru_cache(maxsize=256)
def _status(status: StatusWord) -> str:
    return status.msb0


def _name(register: Register) -> str:
    name = str(register.obis)
    return name if register.attribute == 2 else f"{name} attribute {register.attribute}"
