"""The support bundle: texts for remote help, by file name."""

import importlib.metadata
import json
import os
import platform
import shutil
import sqlite3
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from smgw import __version__
from smgw.cosem import Data, DeviceId
from smgw.errors import SmgwError
from smgw.profiles import protocols
from smgw.profiles.gateway import Configuration
from smgw.profiles.password import read_whole
from smgw.profiles.problems import ConfigurationError
from smgw.profiles.toml_importer import load
from smgw.reports.health import examine
from smgw.reports.log_books import check_all
from smgw.reports.redaction import Redaction
from smgw.reports.shared_configuration import share
from smgw.store import paths
from smgw.store.errors import StoreError
from smgw.store.file.log_books import consumer_of
from smgw.store.han.view import HanView
from smgw.store.live_reader import read_live
from smgw.store.lmn.view import LmnView
from smgw.store.wan.view import WanView

_PACKAGES = ("pyserial", "lxml", "urllib3", "ntplib", "cryptography", "systemd-python")
_CAPTURES = 20  # of each meter
_LOG_ENTRIES = 500
_SECONDS = 30
_OF_KEYS = {"pin_file", "passphrase_file"}  # of the table [keys]
_UNITS = ("smgw-lmn", "smgw-wan", "smgw-keys", "smgw-han")
#: Commands for data of the system; missing programs are skipped.
_COMMANDS = {
    "journal.txt": [
        *("journalctl", "--no-pager", "--output=short-iso-precise", "--since=-7d", "--lines=20000"),
        *(f"--unit={unit}" for unit in _UNITS),
    ],
    "services.txt": ["systemctl", "--no-pager", "--full", "status", "smgw.target", *_UNITS],
    "units.txt": ["systemctl", "--no-pager", "cat", *_UNITS],
    "kernel.txt": ["journalctl", "--no-pager", "--dmesg", "--lines=300"],
}


def collect(file: Path, state: Path, *, redact_ids: bool) -> dict[str, str]:
    """The texts, without secrets and, on request, without ids. Missing data are replaced by the reason."""
    texts = {"versions.txt": _versions(state), "devices.txt": _devices()}
    shared = share(file)
    texts["gateway.toml"] = shared.text
    configuration: Configuration | None = None
    try:
        configuration = load(file)
        texts["check.txt"] = f"{file}: good\n"
        texts["status.json"] = json.dumps(examine(configuration, state).as_json(), indent=2) + "\n"
    except ConfigurationError as error:
        texts["check.txt"] = shared.faults(error)
    except SmgwError as error:
        texts["check.txt"] = f"{error}\n"
    texts["log.txt"] = "".join(_log(state))
    texts["log-check.txt"] = "".join(_log_check(state))
    texts["captures.txt"] = "".join(_captures(state))
    for name, command in _COMMANDS.items():
        texts[name] = _output(command)
    redaction = Redaction(
        [*_secrets(file, paths.trust_directory(state), paths.han_directory(state)), *shared.texts],
        _ids(configuration, state) if redact_ids else [],
        [platform.node()] if redact_ids and platform.node() else [],
        shared.replaced,
    )
    return {name: redaction.of(text) for name, text in texts.items()}


def _versions(state: Path) -> str:
    lines = [f"smgw {__version__}", f"python {platform.python_version()}", f"sqlite {sqlite3.sqlite_version}"]
    for package in _PACKAGES:
        try:
            lines.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            lines.append(f"{package} not there")
    lines.append(platform.platform())
    for path in ("/etc/os-release", "/proc/device-tree/model", "/proc/uptime", "/proc/meminfo"):
        lines.append(f"\n{path}\n{_content(Path(path))}")
    try:
        usage = shutil.disk_usage(state)
        lines.append(f"{state}: {usage.free} of {usage.total} octets free")
        for found in sorted(state.rglob("*")):
            about = found.lstat()
            lines.append(f"{oct(about.st_mode)} {about.st_uid}:{about.st_gid} {about.st_size:>12} {found}")
    except OSError as error:
        lines.append(str(error))
    return "\n".join(lines) + "\n"


def _content(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        return f"{file}: {error.strerror}\n"


def _devices() -> str:
    lines = []
    for folder in ("/dev/smgw", "/dev/serial/by-id", "/dev/serial/by-path"):
        try:
            lines += [f"{path} -> {os.path.realpath(path)}" for path in sorted(Path(folder).iterdir())]
        except OSError as error:
            lines.append(f"{folder}: {error.strerror}")
    return "\n".join(lines) + "\n"


def _log(state: Path) -> Iterator[str]:
    for view, directory in (
        (LmnView, paths.lmn_directory(state)),
        (WanView, paths.wan_directory(state)),
        (HanView, paths.han_directory(state)),
    ):
        if view is HanView and not (directory / paths.HAN).exists():
            continue
        try:
            with view.open(directory) as opened:
                for entry in opened.log_entries(_LOG_ENTRIES):
                    about = f"{directory.name} {entry.number} {entry.utc_us} {entry.level.name}"
                    yield f"{about} {entry.event} {entry.subject}\n"
        except StoreError as error:
            yield f"{error}\n"


def _log_check(state: Path) -> Iterator[str]:
    """The check of all log books. Names of consumers are nobody else's business."""
    books, errors, unchecked = check_all(state)
    for one in books:
        name = consumer_of(one.book)
        for line in one.lines:
            yield f"{line.replace(repr(one.book), 'of a consumer') if name else line}\n"
    for text in (*map(str, errors), unchecked):
        yield f"{text}\n" if text else ""


def _captures(state: Path) -> Iterator[str]:
    """The newest rows of each meter, values as hex. Octets of the wire are not stored; `smgw dump` shows them."""
    try:
        with LmnView.open(paths.lmn_directory(state)) as view:
            for source in sorted(view.sources()):
                newest = max(0, view.last_position(source) - _CAPTURES)
                for record in view.records(source, newest, _CAPTURES):
                    yield (
                        f"{source.meter} record {record.record_number} device {bytes(record.device).hex()} at "
                        f"{record.stamp.utc_us} target {record.target_time_us} meter time {record.meter_time} "
                        f"status {record.gateway_status:#x} clock {record.stamp.state.name}\n"
                    )
                    for reading in record.readings:
                        yield (
                            f"  {reading.obis} scaler {reading.scaler} unit {reading.unit} {_hex(reading.value)}"
                            f"{f' raw {_hex(reading.raw)}' if reading.raw else ''}"
                            f"{f' status {_hex(reading.status)}' if reading.status else ''}\n"
                        )
    except StoreError as error:
        yield f"{error}\n"


def _hex(data: Data) -> str:
    value = data.value
    if isinstance(value, bytes):
        return f"{data.type.name} {value.hex()}"
    if isinstance(value, int):
        return f"{data.type.name} {value & (1 << 64) - 1:016x}"
    return f"{data.type.name} {value!r}"


def _secrets(file: Path, *folders: Path) -> Iterator[bytes]:
    """The content of all secret files that the configuration names, even if it has other faults, and of all keys."""
    keys = {secret.key for one in protocols.every() for secret in one.secrets} | _OF_KEYS
    named = [Path(path) for path in _named(_document(file), keys)]
    for path in (*named, *(one for folder in folders for one in sorted(folder.rglob("*.key")))):
        with suppress(SmgwError, ValueError):  # this user may not read it, so it cannot be in texts of this user
            octets = read_whole(path, file.parent).strip()
            yield octets
            yield octets.partition(b"\n")[0].rstrip(b"\r")
            with suppress(ValueError):
                yield bytes.fromhex(octets.decode("ascii"))


def _document(file: Path) -> object:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}


def _named(found: object, keys: set[str]) -> Iterator[str]:
    """The texts under these keys, however deep."""
    if isinstance(found, list):
        for one in found:
            yield from _named(one, keys)
    elif isinstance(found, dict):
        for key, value in found.items():
            if key in keys and isinstance(value, str):
                yield value
            else:
                yield from _named(value, keys)


def _ids(configuration: Configuration | None, state: Path) -> Iterator[DeviceId]:
    yield from (live.capture.device for live in read_live(paths.live_directory(state)))
    if configuration is not None:
        yield configuration.gateway.device_id
        yield from (meter.device_id for meter in configuration.meters if meter.device_id is not None)
        for meter in configuration.meters:
            yield from (DeviceId(one.encode()) for one in meter.entry.ids(meter.options) if one)
    try:
        with LmnView.open(paths.lmn_directory(state)) as view:
            yield from (device for _, device in view.sources())
            yield from (found.device for found in view.meter_states() if found.device is not None)
    except StoreError:
        return


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603 - from the table
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{' '.join(command)}: {error}\n"
    return (done.stdout + done.stderr).decode(errors="replace")
