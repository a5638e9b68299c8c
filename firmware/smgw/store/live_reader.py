"""Reads live values; `live` describes a file. Nothing in the run directory is trusted."""

import json
import os
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from smgw.cosem.data import RANGE, Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Capture, ClockState, MeterTime, MeterTimeKind, Reading, Stamp
from smgw.store.live import KIND_NAMES, LARGEST, TYPE_NAMES, VERSION

#: Most files that are read.
MOST_FILES = 4096
_TYPES = {name: kind for kind, name in TYPE_NAMES.items()}
_KINDS = {name: kind for kind, name in KIND_NAMES.items()}
_TIME_OCTETS = {
    MeterTimeKind.SEC_INDEX: 4,
    MeterTimeKind.TIMESTAMP: 4,
    MeterTimeKind.LOCAL_TIMESTAMP: 8,
    MeterTimeKind.DLMS_DATE_TIME: 12,
}
_TEXT = frozenset({DataType.BIT_STRING, DataType.VISIBLE_STRING, DataType.UTF8_STRING})
_NESTED = frozenset({DataType.ARRAY, DataType.STRUCTURE, DataType.COMPACT_ARRAY})


class Live(NamedTuple):
    """A live value: the capture and the port of its meter."""

    port: str
    capture: Capture


def read_live(directory: Path) -> list[Live]:
    """All live values, ordered by meter and device. Other files and versions are left out.

    Nothing there is trusted: not the kind of file, not its size, not its content.
    """
    try:
        with os.scandir(directory) as entries:
            names = sorted(entry.name for entry in islice(entries, MOST_FILES))
    except OSError as error:
        _debug(f"no live values: {error}")
        return []
    return list(readable(directory, names))


def _debug(text: str) -> None:
    import logging  # here: `smgw status` does without it

    logging.getLogger(__name__).debug("%s", text)


def readable(directory: Path, names: list[str]) -> Iterator[Live]:
    """The live values in files of these names; a file that is none is left out."""
    for name in names:
        if name.endswith(".json") and not name.startswith("."):
            try:
                live = _live(json.loads(_octets(directory / name)))
                found = f"{live.capture.meter}.{live.capture.device.hex()}.json"
                if found != name:
                    raise ValueError(f"holds the value of {found}")
            except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
                _debug(f"{directory / name} is no live value: {error}")
            else:
                yield live


def _octets(path: Path) -> bytes:
    """The content of a regular file of bounded size. It never waits, as it would on a pipe."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            raise ValueError("no regular file, or too large")
        return os.read(file, LARGEST)
    finally:
        os.close(file)


def _live(found: Any) -> Live:
    if not isinstance(found, dict) or found["version"] != VERSION:
        raise ValueError("another version")
    state = ClockState.SYNCHRONISED if found["time_valid"] is True else ClockState.INVALID
    stamp = Stamp(
        _string(found["boot_id"]), _whole(found["boottime_ns"]), _whole(found["capture_time_us"]),
        _whole(found["dispersion_us"]), state,
    )  # fmt: skip
    meter, device = _string(found["meter"]), DeviceId.parse(_string(found["device"]))
    time = None if found["meter_time"] is None else _meter_time(found["meter_time"])
    readings = tuple(map(_reading, _array(found["readings"])))
    flags = _whole(found["flags"], 0, 0xFFFFFFFF) if "flags" in found else 0
    return Live(_string(found["port"]), Capture(meter, device, stamp, time, readings, _signature(found), flags))


def _meter_time(found: Any) -> MeterTime:
    kind, octets = _KINDS[found["kind"]], bytes.fromhex(_string(found["octets"]))
    if len(octets) != _TIME_OCTETS[kind]:
        raise ValueError(f"{len(octets)} octets are no time of a meter")
    return MeterTime(kind, octets)


def _reading(found: Any) -> Reading:
    return Reading(
        Obis.parse(_string(found["obis"])),
        _data(found),
        _whole(found["scaler"], -128, 127),
        _whole(found["unit"], 0, 255),
        _data(found["raw"]) if "raw" in found else None,
        _data(found["status"]) if "status" in found else None,
        _whole(found["class"], 0, 65_535),
        _whole(found["attribute"], -128, 127),
        _signature(found),
    )


def _signature(found: Any) -> bytes | None:
    return bytes.fromhex(_string(found["signature"])) if "signature" in found else None


def _data(found: Any) -> Data:
    kind, value = _TYPES[found["type"]], found["value"]
    if value is None:
        return Data(kind, None)
    if kind in RANGE:
        return Data(kind, _whole(value, *RANGE[kind]))
    if kind in _TEXT:
        return Data(kind, _string(value))
    if kind in _NESTED:
        return Data(kind, tuple(map(_data, _array(value))))
    return Data(kind, bytes.fromhex(_string(value)))


def _whole(value: Any, low: int = 0, high: int = 2**63 - 1) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{value!r} is no whole number from {low} to {high}")
    return value


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _array(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is no array")
    return value
