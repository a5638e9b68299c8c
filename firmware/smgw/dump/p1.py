"""P1 telegrams as text: devices with names and units for people, one JSON object a telegram for programs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from smgw.cosem import DataType, DeviceId, Reading, plain
from smgw.cosem.date_time import DateTime
from smgw.cosem.printable import printable
from smgw.cosem.units import symbol
from smgw.dump.counted import Counted
from smgw.dump.printer import Options
from smgw.errors import RemoteProtocolError, SmgwError
from smgw.iec62056.p1.devices import P1Device, devices
from smgw.iec62056.p1.reader import P1Reader
from smgw.iec62056.p1.telegram import Check, Telegram
from smgw.profiles.p1 import NORMAL_TIME

if TYPE_CHECKING:
    from smgw.dlms.apdus.envelope import Ciphered
    from smgw.dump.keys import Keys

_CHECKS = {Check.CRC: "check sum right", Check.PARITY: "parity right", Check.NONE: "UNCHECKED: no check sum, no parity"}


class _Sealing:
    """Opens telegrams with the first pair of keys that fits."""

    def __init__(self, keys: "Keys") -> None:
        self._keys = keys

    def open(self, sealed: "Ciphered") -> bytes:
        """The text inside; RemoteProtocolError."""
        from smgw.dlms.security.suites import Keys, Suite, unseal
        from smgw.lmn.p1.sealing import PUBLISHED_KEY

        wrong = "no key of 32 hex digits is given"
        for encryption in self._keys.encryption:
            for authentication in self._keys.authentication or (PUBLISHED_KEY,):
                try:
                    told = Keys.of(Suite.AES_GCM_128, encryption, authentication)
                    return unseal(told, sealed.system_title or b"", sealed.octets, verify=self._keys.verify).text
                except SmgwError as error:
                    wrong = str(error)
        raise RemoteProtocolError(f"not opened by any of the keys: {wrong}")

    def believe(self, sealed: "Ciphered") -> None:
        """A dump may show a telegram twice."""


class Printer(Counted):
    """Prints telegrams of P1."""

    dump = "p1"

    def shown(self, telegram: Telegram) -> tuple[dict[str, Any], list[str]]:
        """See Counted."""
        found = devices(telegram, NORMAL_TIME["NL"])
        return _object(telegram, found), _tree(telegram, found)


def _object(telegram: Telegram, found: Sequence[P1Device]) -> dict[str, Any]:
    return {
        "identification": telegram.identification,
        "version": telegram.version,
        "check": telegram.check.value,
        "sets": [[one.code, list(one.groups)] for one in telegram.sets],
        "devices": [
            {
                "device": one.id.hex(),
                "time": None if one.time is None else str(DateTime.read(one.time)),
                "entries": [
                    {
                        "obis": str(reading.obis),
                        "value": value.hex() if isinstance(value := reading.value.value, bytes) else value,
                        "scaler": reading.scaler,
                        "unit": reading.unit,
                    }
                    for reading in one.readings
                ],
            }
            for one in found
        ],
    }


def _tree(telegram: Telegram, found: Sequence[P1Device]) -> list[str]:
    version = f", version {telegram.version}" if telegram.version else ""
    lines = [printable(f"/{telegram.identification}{version}, {_CHECKS[telegram.check]}")]
    for one in found:
        time = "" if one.time is None else f", {DateTime.read(one.time)}"
        lines.append(printable(f"  device {_name(one.id)}{time}"))
        lines += [printable(f"    {reading.obis!s:<18} {_value(reading)}") for reading in one.readings]
    return lines


def _name(device: bytes) -> str:
    if not device:
        return "without identity"
    return device.decode("ascii") if device.isascii() and not DeviceId(device).is_din else str(DeviceId(device))


def _value(reading: Reading) -> str:
    value = reading.value.value
    if isinstance(value, int):
        return f"{plain(value, reading.scaler)} {symbol(reading.unit)}".rstrip()
    return value.hex() if isinstance(value, bytes) else f'"{value}"' if reading.value.type in _TEXTS else str(value)


_TEXTS = (DataType.VISIBLE_STRING,)


def make(options: Options) -> Printer:
    """The printer. Key files are read only if there are any."""
    sealing = None
    if options.keys:
        from smgw.dump.keys import Keys  # few meters encrypt

        sealing = _Sealing(Keys.of(options.keys, options.authentication_keys))
    return Printer(P1Reader(sealing), as_json=options.as_json, most=options.most)
