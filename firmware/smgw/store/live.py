"""Live values: the newest capture of each device, in one small file a device, whatever the registration period.

The files lie in the run directory (`paths.live_directory`), which is a tmpfs on the board. A file is named
`<meter>.<octets of the device in hex>.json`, has mode 0640 and holds one JSON object. It is replaced by `rename`, so a
reader always finds a whole one. Names that begin with a dot are files in the making.

    key              value
    version          1; it changes when a reader of this version could misread the file
    meter, device    name of the meter profile; device id as DIN 43863-5 text, or its octets in hex
    port             the port of the meter profile
    capture_time_us  microseconds since 1970-01-01 UTC, by the gateway's clock
    time_valid       false if the gateway's clock was not synchronised
    dispersion_us    how far capture_time_us may be off
    boot_id, boottime_ns   the same moment by CLOCK_BOOTTIME, which keeps the order where the clock was set
    meter_time       null, or {"kind": "sec-index", "octets": "00001267"}; other kinds are "timestamp",
                     "local-timestamp" and "dlms-date-time"; the octets are the meter's, in hex
    readings         an array of
      obis           "1-0:1.8.0*255"
      class, attribute   of the COSEM object, 3 and 2 for the value of a register
      scaler, unit   the reading is value * 10^scaler in this DLMS unit; unit 255 is none
      type           DLMS type of the value: "long64-unsigned", "octet-string", ...
      value          an exact integer of up to 64 bits; text; hex digits for octets; null; for an array or a structure
                     an array of {"type", "value"}
      raw            left out, or {"type", "value"} as the meter sent it, where a habit of the meter was corrected
      status         left out, or {"type", "value"} of the meter's status word
"""

import errno
import json
import logging
import os
import stat
from collections.abc import Iterator, Mapping
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any, NamedTuple

from smgw.cosem.data import RANGE, Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Capture, ClockState, MeterTime, MeterTimeKind, Reading, Stamp
from smgw.store.rows import DEVICES_PER_METER

log = logging.getLogger(__name__)

VERSION = 1
_MODE = 0o640
#: Octets of a file. A telegram that would need more has no live value.
_LARGEST = 256 * 1024
#: A reader looks at so many files at most.
_MOST_FILES = 4096
#: Registers of a device whose constant text is remembered; past it a meter makes them up, and all are forgotten.
_REMEMBERED = 1000

_TYPE_NAMES = {kind: kind.name.lower().replace("_", "-") for kind in DataType}
_TYPES = {name: kind for kind, name in _TYPE_NAMES.items()}
_KIND_NAMES = {kind: kind.name.lower().replace("_", "-") for kind in MeterTimeKind}
_KINDS = {name: kind for kind, name in _KIND_NAMES.items()}
_TIME_OCTETS = {
    MeterTimeKind.SEC_INDEX: 4,
    MeterTimeKind.TIMESTAMP: 4,
    MeterTimeKind.LOCAL_TIMESTAMP: 8,
    MeterTimeKind.DLMS_DATE_TIME: 12,
}
_TEXT = frozenset({DataType.BIT_STRING, DataType.VISIBLE_STRING, DataType.UTF8_STRING})
_NESTED = frozenset({DataType.ARRAY, DataType.STRUCTURE, DataType.COMPACT_ARRAY})

_Register = tuple[Obis, int, int, int, int, DataType]


class Live(NamedTuple):
    """A live value: what was captured, and at which port."""

    port: str
    capture: Capture


class _Source:
    """What is the same in all files of one device."""

    def __init__(self, directory: Path, meter: str, device: DeviceId, port: str) -> None:
        name = f"{meter}.{device.hex()}.json"
        self.path = os.fsencode(directory / name)
        self.new = os.fsencode(directory / f".{name}.new")
        self.head = (
            f'{{"version":{VERSION},"meter":{quoted(meter)},"device":{quoted(str(device))},"port":{quoted(port)}'
        )
        self.registers: dict[_Register, str] = {}


class LiveWriter:
    """Writes the files of one gateway, in the threads that read the meters. No fault of it ever reaches them.

    `ports`: meter name -> port. Whatever lies in the directory goes: it is of an earlier run.
    """

    def __init__(self, directory: Path, ports: Mapping[str, str]) -> None:
        self._directory = directory
        self._ports = dict(ports)
        self._sources: dict[tuple[str, DeviceId], _Source | None] = {}
        self._said: set[object] = set()  # what was warned of: each once
        try:
            self._make_directory()
            for name in os.listdir(directory):  # noqa: PTH208 - names
                self._remove(os.fsencode(directory / name))
        except OSError as error:
            self._warn(error)

    def configure(self, ports: Mapping[str, str]) -> None:
        """From now on these meters; the files of others go."""
        self._ports = dict(ports)
        for meter, device in list(self._sources):
            if meter not in ports:
                self.left(meter, device)
        self._sources.clear()  # a port may be another one

    def capture(self, capture: Capture) -> None:
        """A telegram or poll was read. The thread waits for no card: nothing is synced."""
        meter, device, stamp, meter_time, readings = capture[:5]
        try:
            source = self._sources[meter, device]
        except KeyError:
            source = self._new_source(meter, device)
        if source is None:
            return
        registers = source.registers
        parts = []
        for reading in readings:
            obis, value, scaler, unit, raw, status, class_id, attribute = reading[:8]
            key = (obis, scaler, unit, class_id, attribute, value.type)
            prefix = registers.get(key) or _remember(registers, key)
            number = value.value
            text = str(number) if type(number) is int else _text(value)
            if raw is not None:
                text += f',"raw":{_typed(raw)}'
            if status is not None:
                text += f',"status":{_typed(status)}'
            parts.append(prefix + text)
        octets = (
            f'{source.head},"capture_time_us":{stamp.utc_us},'
            f'"time_valid":{"true" if stamp.state else "false"},"dispersion_us":{stamp.dispersion_us},'
            f'"boot_id":{quoted(stamp.boot_id)},"boottime_ns":{stamp.boottime_ns},'
            f'"meter_time":{_time(meter_time)},"readings":[{"},".join(parts)}{"}" if parts else ""}]}}\n'
        ).encode()
        try:
            _replace(source, octets)
        except OSError as error:
            self._warn(error)
            if error.errno == errno.ENOENT:
                self._remake_directory()
        if meter not in self._ports:  # taken out of the configuration meanwhile
            self.left(meter, device)

    def left(self, meter: str, device: DeviceId) -> None:
        """This device is no longer behind the meter: its file goes."""
        source = self._sources.pop((meter, device), None)
        if source is not None:
            self._remove(source.new)
            self._remove(source.path)

    def _new_source(self, meter: str, device: DeviceId) -> _Source | None:
        """None for a device past the bound of its meter, for a meter that is not read, and for one without a name."""
        port = self._ports.get(meter)
        plain = meter.replace("-", "").isalnum() and meter.isascii()
        if port is None or not plain:
            return None
        if sum(one == meter for one, _ in self._sources) >= DEVICES_PER_METER:
            if meter not in self._said:
                self._said.add(meter)
                log.warning("meter %s: only its first %d devices have live values", meter, DEVICES_PER_METER)
            return None
        return self._sources.setdefault((meter, device), _Source(self._directory, meter, device, port))

    def _remove(self, path: bytes) -> None:
        try:
            os.unlink(path)  # noqa: PTH108
        except FileNotFoundError:
            pass
        except OSError as error:
            self._warn(error)

    def _make_directory(self) -> None:
        os.makedirs(self._directory, 0o750, exist_ok=True)  # noqa: PTH103

    def _remake_directory(self) -> None:
        try:
            self._make_directory()
        except OSError as error:
            self._warn(error)

    def _warn(self, error: OSError) -> None:
        said = error.errno in self._said
        self._said.add(error.errno)
        log.log(
            logging.DEBUG if said else logging.WARNING,
            "live values cannot be written to %s (%s); readings are stored all the same",
            self._directory, error.strerror, extra={"event": "live-values-lost"},
        )  # fmt: skip


def _replace(source: _Source, octets: bytes) -> None:
    if len(octets) > _LARGEST:
        raise OSError(errno.EFBIG, f"a live value of {len(octets)} octets")
    file = os.open(source.new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    try:
        os.fchmod(file, _MODE)  # whatever the umask
        if os.write(file, octets) != len(octets):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(file)
    os.rename(source.new, source.path)  # noqa: PTH104


def _remember(registers: dict[_Register, str], key: _Register) -> str:
    obis, scaler, unit, class_id, attribute, kind = key
    if len(registers) >= _REMEMBERED:
        registers.clear()
    return registers.setdefault(
        key,
        f'{{"obis":"{obis}","class":{int(class_id)},"attribute":{int(attribute)},'
        f'"scaler":{int(scaler)},"unit":{int(unit)},"type":"{_TYPE_NAMES[kind]}","value":',
    )


def _typed(data: Data) -> str:
    return f'{{"type":"{_TYPE_NAMES[data.type]}","value":{_text(data)}}}'


def _text(data: Data) -> str:
    value = data.value
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, bytes):
        return f'"{value.hex()}"'
    if isinstance(value, str):
        return quoted(value)
    return "null" if value is None else f"[{','.join(map(_typed, value))}]"


def _time(time: MeterTime | None) -> str:
    return "null" if time is None else f'{{"kind":"{_KIND_NAMES[time.kind]}","octets":"{time.octets.hex()}"}}'


def read_live(directory: Path) -> list[Live]:
    """All live values, ordered by meter and device. What is no live value of this version is left out.

    Nothing that lies there is trusted: neither that it is a file, nor its size, nor what it says.
    """
    try:
        names = sorted(os.listdir(directory))[:_MOST_FILES]  # noqa: PTH208
    except OSError as error:
        log.debug("no live values: %s", error)
        return []
    return list(_readable(directory, names))


def _readable(directory: Path, names: list[str]) -> Iterator[Live]:
    for name in names:
        if name.endswith(".json") and not name.startswith("."):
            try:
                live = _live(json.loads(_octets(directory / name)))
                found = f"{live.capture.meter}.{live.capture.device.hex()}.json"
                if found != name:
                    raise ValueError(f"holds the value of {found}")
            except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
                log.debug("%s is no live value: %s", directory / name, error)
            else:
                yield live


def _octets(path: Path) -> bytes:
    """The content of a regular file of bounded size, and never a wait (as a pipe would be)."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST:
            raise ValueError("no regular file, or too large")
        return os.read(file, _LARGEST)
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
    return Live(_string(found["port"]), Capture(meter, device, stamp, time, readings))


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
    )


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
