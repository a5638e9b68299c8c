"""`smsim run` with DLMS meters on every kind of line, in a process of its own, and the same meter in this process.

Their simulated time stands still, so that what others read of them can be foretold.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from smgw.cosem import AttributeName, CaptureObject, Obis
from smgw.cosem.data import Data
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.apdus.selection import Entries, Range
from smgw.dlms.data import decode_all
from smsim.config import parse
from smsim.dlms.device import Device
from smsim.dlms.line import DlmsLine

START = datetime(2026, 6, 1)  # noqa: DTZ001  (legal time)
DEVICE = "1UTB0000000071"
HISTORY_DAYS = 100
PASSWORD = "12345678abcdefgh"  # as long as a key of AES-128
KEY, AUTH_KEY = bytes(range(16)).hex(), bytes(range(0xD0, 0xE0)).hex()
TITLE = b"UTBCLI01".hex()
PROFILE, ENERGY, NAME = "1.0.99.1.0.255", "1.0.1.8.0.255", "0.0.42.0.0.255"
CLOCK = CaptureObject(8, Obis.parse("0-0:1.0.0"), 2)
CLIENTS = f"""
  [[dlms.meter.client]]
  sap = 16
  [[dlms.meter.client]]
  sap = 2
  mechanism = "lls"
  secret = "{PASSWORD}"
  [[dlms.meter.client]]
  sap = 7
  mechanism = "hls-aes"
  secret = "{PASSWORD}"
  [[dlms.meter.client]]
  sap = 3
  mechanism = "hls-md5"
  secret = "{PASSWORD}"
  [[dlms.meter.client]]
  sap = 4
  mechanism = "hls-sha1"
  secret = "{PASSWORD}"
  [[dlms.meter.client]]
  sap = 5
  mechanism = "hls-gmac"
  encryption_key = "{KEY}"
  authentication_key = "{AUTH_KEY}"
  [[dlms.meter.client]]
  sap = 6
  mechanism = "hls-sha256"
  secret = "{PASSWORD}"
"""
SAPS = {0: 16, 1: 2, 2: 7, 3: 3, 4: 4, 5: 5, 6: 6}


_ADDRESS = "address = 17"
CONFIRMATIONS = ("after", "before", "none", "garbage")


def lines(folder: Path) -> dict[str, tuple[str, str]]:
    """Each line by the name of its meter: its keys, and more keys of the meter."""
    found = {
        "hdlc": ('port = "tcp:0"', ""),
        "wrapper": ('port = "tcp:0"\nframing = "wrapper"', ""),
        "short-hdlc": ('port = "tcp:0"', "short_names = true"),
        "short-wrapper": ('port = "tcp:0"\nframing = "wrapper"', "short_names = true"),
        "addressed": ('port = "tcp:0"', _ADDRESS),
        "echo": (f'port = "pty:{folder}/echo"\nbaud = 0\nfaults = {{ echo = true }}', _ADDRESS),
    }
    for how in CONFIRMATIONS:
        keys_of_line = f'port = "pty:{folder}/optical-{how}"\nsign_on = {{ confirmation = "{how}" }}'
        found[f"optical-{how}"] = (keys_of_line, _ADDRESS)
    return found


def _configuration(folder: Path) -> str:
    text = f"[simulator]\nstart = {START.isoformat()}\nseconds_per_quarter_hour = 900\nresolution = 3600000\n"
    for name, (line, meter) in lines(folder).items():
        text += f"""
[[dlms]]
{line}
  [[dlms.meter]]
  name = "{name}"
  device = "{DEVICE}"
  information_length = 2030
  window = 7
  history_days = {HISTORY_DAYS}
  {meter}
{CLIENTS}"""
    return text


@contextmanager
def running_meters(folder: Path) -> Iterator[dict[str, Any]]:
    """Where each line is: a TCP port or the path of a pty."""
    file = folder / "meters.toml"
    file.write_text(_configuration(folder))
    command = [sys.executable, "-m", "smsim", "run", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found: dict[str, Any] = {}
        for _ in lines(folder):
            text = process.stdout.readline()
            where = text.split(" on ")[-1].strip()
            found[text.split()[2]] = where[4:] if where.startswith("pty:") else int(where.rpartition(":")[2])
        yield found
        process.terminate()
        process.stdout.read()
        assert process.wait(20) == 0


def same_device() -> Device:
    """The same meter in this process, at the same moment, with the objects of its clients."""
    config = parse(_configuration(Path()))
    (device,) = DlmsLine(config.dlms[0], config.time, lambda: 0).devices
    return device


def value_of(device: Device, sap: int, attribute: AttributeName, selection: Entries | Range | None = None) -> Any:
    """What a client must find there, as JSON: octets and bits in hex; a refusal as its name."""
    found = device.read(sap, attribute, selection and selection.selection())
    if isinstance(found, DataAccessResult):
        return found.name
    return _as_json(decode_all(found if isinstance(found, bytes) else b"".join(found)))


def _as_json(data: Data) -> Any:
    match data.value:
        case tuple() as members:
            return list(map(_as_json, members))
        case bytes() as octets:
            return octets.hex()
        case str() as bits:
            return f"{int(bits, 2):0{len(bits) // 4}x}"
    return data.value


def rows_of(device: Device, selection: Entries | Range) -> list[list[Any]]:
    """What a reader must find in the load profile; octets in hex."""
    rows: list[list[Any]] = value_of(device, SAPS[0], AttributeName(7, Obis.parse(PROFILE), 2), selection)
    return rows


def energy_of(device: Device) -> int:
    """What 1.8.0 shows."""
    return next(value for row, value in device.values() if str(row.register.obis) == "1-0:1.8.0*255")


def keys(counter: int) -> dict[str, Any]:
    """The keys of client 5; its invocation counters must grow from test to test, as the meter remembers them."""
    return {"title": TITLE, "encryption": KEY, "authentication": AUTH_KEY, "counter": counter}
