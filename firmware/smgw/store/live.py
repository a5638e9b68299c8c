"""Live values: the newest capture of each device, in one small file a device, whatever the registration period.

The files are in the run directory (`paths.live_directory`) on a tmpfs. They are removed when the gateway ends. A file
is named `<meter>.<octets of the device in hex>.json`, has mode 0640 and holds one JSON object. It is replaced by
`rename`, so a reader always finds a complete one. Names that begin with a dot are unfinished files.

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
      signature      left out, or the meter's signature of this value in hex
    signature        left out, or the meter's signature of the whole list in hex
    flags            left out, or a number with bits of the gateway's status word: 2 is "not validated"
"""

import errno
import os
from collections.abc import Collection, Mapping
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import TYPE_CHECKING

from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Capture, MeterTime, MeterTimeKind
from smgw.store.records import DEVICES_PER_METER

if TYPE_CHECKING:
    import logging

VERSION = 1
_MODE = 0o640
#: Largest file in octets. A telegram that needs more has no live value.
LARGEST = 256 * 1024
#: Most registers of a device whose constant text is cached. A meter that sends more invents them: the cache is emptied.
_REMEMBERED = 1000

TYPE_NAMES = {kind: kind.name.lower().replace("_", "-") for kind in DataType}
KIND_NAMES = {kind: kind.name.lower().replace("_", "-") for kind in MeterTimeKind}

_Register = tuple[Obis, int, int, int, int, DataType]


class _Source:
    """The part that all files of one device share."""

    def __init__(self, directory: Path, meter: str, device: DeviceId, port: str) -> None:
        name = f"{meter}.{device.hex()}.json"
        self.path = os.fsencode(directory / name)
        self.new = os.fsencode(directory / f".{name}.new")
        self.head = (
            f'{{"version":{VERSION},"meter":{quoted(meter)},"device":{quoted(str(device))},"port":{quoted(port)}'
        )
        self.registers: dict[_Register, str] = {}


class LiveWriter:
    """Writes the files of one gateway, in the threads that read the meters. Its faults never reach these threads.

    `ports`: meter name -> port. Files of an earlier run are removed.
    """

    def __init__(self, directory: Path, ports: Mapping[str, str]) -> None:
        self._directory = directory
        self._ports = dict(ports)
        self._sources: dict[tuple[str, DeviceId], _Source | None] = {}
        self._said: set[object] = set()  # warnings already logged
        mask = os.umask(0)
        os.umask(mask)
        self._masked = bool(_MODE & mask)  # the mode must be set; systemd sets it for a service
        try:
            self._make_directory()
            if directory.is_symlink():
                raise OSError(errno.ENOTDIR, "it is a link")
            for name in os.listdir(directory):  # noqa: PTH208 - names
                if name.endswith((".json", ".json.new")):
                    self._remove(os.fsencode(directory / name))
        except OSError as error:
            self._warn(error)

    def configure(self, ports: Mapping[str, str], anew: Collection[str] = ()) -> None:
        """Use these meters from now on. Remove the files of others, and of meters that are read `anew`."""
        before, self._ports = self._ports, dict(ports)
        for (meter, device), source in list(self._sources.items()):
            if meter not in ports or meter in anew:
                self.left(meter, device)
            elif source is not None and ports[meter] != before.get(meter):
                self._sources[meter, device] = _Source(self._directory, meter, device, ports[meter])

    def capture(self, capture: Capture) -> None:
        """Write a capture. Nothing is synced, so the thread does not wait for the card."""
        meter, device, stamp, meter_time, readings, signature, flags = capture
        try:
            source = self._sources[meter, device]
        except KeyError:
            source = self._new_source(meter, device)
        if source is None:
            return
        registers = source.registers
        parts = []
        for reading in readings:
            obis, value, scaler, unit, raw, status, class_id, attribute, signed = reading
            key = (obis, scaler, unit, class_id, attribute, value.type)
            prefix = registers.get(key) or _remember(registers, key)
            number = value.value
            text = str(number) if type(number) is int else _text(value)
            if raw is not None:
                text += f',"raw":{_typed(raw)}'
            if status is not None:
                text += f',"status":{_typed(status)}'
            if signed is not None:
                text += _signature(signed)
            parts.append(prefix + text)
        octets = (
            f'{source.head},"capture_time_us":{stamp.utc_us},'
            f'"time_valid":{"true" if stamp.state else "false"},"dispersion_us":{stamp.dispersion_us},'
            f'"boot_id":{quoted(stamp.boot_id)},"boottime_ns":{stamp.boottime_ns},'
            f'"meter_time":{_time(meter_time)},"readings":[{"},".join(parts)}{"}" if parts else ""}]'
            f"{'' if signature is None else _signature(signature)}{_flags(flags)}}}\n"
        ).encode()
        try:
            _replace(source, octets, masked=self._masked)
        except OSError as error:
            self._warn(error)
            self._remove(source.new)
            self._remove(source.path)  # no value is better than an outdated one
            if error.errno == errno.ENOENT:
                self._remake_directory()
        if meter not in self._ports:  # removed from the configuration in the meantime
            self.left(meter, device)

    def close(self) -> None:
        """The gateway ends: remove all files, since nothing renews them."""
        self.configure({})

    def left(self, meter: str, device: DeviceId) -> None:
        """Remove the file of a device that is no longer behind the meter."""
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
        if sum(one == meter for one, _ in list(self._sources)) >= DEVICES_PER_METER:
            if meter not in self._said:
                self._said.add(meter)
                _log().warning("meter %s: only its first %d devices have live values", meter, DEVICES_PER_METER)
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
        warn = _log().debug if said else _log().warning
        warn(
            "live values cannot be written to %s (%s); readings are stored all the same",
            self._directory, error.strerror, extra={"event": "live-values-lost"},
        )  # fmt: skip


def _log() -> "logging.Logger":
    import logging  # here: `smgw status`, which only reads, does without it

    return logging.getLogger(__name__)


def _replace(source: _Source, octets: bytes, *, masked: bool) -> None:
    if len(octets) > LARGEST:
        raise OSError(errno.EFBIG, f"a live value of {len(octets)} octets")
    file = os.open(
        source.new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, _MODE
    )
    try:
        if masked:
            os.fchmod(file, _MODE)
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
        f'"scaler":{int(scaler)},"unit":{int(unit)},"type":"{TYPE_NAMES[kind]}","value":',
    )


def _typed(data: Data) -> str:
    return f'{{"type":"{TYPE_NAMES[data.type]}","value":{_text(data)}}}'


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
    return "null" if time is None else f'{{"kind":"{KIND_NAMES[time.kind]}","octets":"{time.octets.hex()}"}}'


def _flags(flags: int) -> str:
    return f',"flags":{int(flags)}' if flags else ""


def _signature(octets: bytes) -> str:
    return f',"signature":"{octets.hex()}"'
