"""Telegrams of M-Bus by radio as text: what a stick sends, or hex digits of telegrams in lines."""

from pathlib import Path
from typing import Any

from smgw.cosem.printable import printable
from smgw.dump.counted import Counted
from smgw.dump.mbus import content, tree
from smgw.dump.printer import Options
from smgw.errors import RemoteProtocolError
from smgw.mbus.radio.compact import Layouts
from smgw.mbus.radio.envelope import Envelope, read_envelope
from smgw.mbus.radio.opening import NoKeyError, Opened, WrongKeyError, open_envelope
from smgw.mbus.radio.sticks import AnyStick, Radio
from smgw.mbus.telegram import medium_name
from smgw.profiles.password import PasswordFileError, read_password
from smgw.profiles.wmbus import KEY_LENGTH

_MOST_METERS = 1024  # whose layouts of compact telegrams are remembered


class Printer(Counted):
    """Prints telegrams of radio meters. Any of the keys may open one."""

    dump = "wmbus"

    def __init__(self, keys: tuple[bytes, ...], *, as_json: bool, most: int = 0) -> None:
        super().__init__(AnyStick(), as_json=as_json, most=most)
        self._keys = keys
        self._layouts: dict[bytes, Layouts] = {}

    def shown(self, telegram: Radio) -> tuple[dict[str, Any], list[str]]:
        """See Counted."""
        envelope = read_envelope(telegram.telegram)
        if envelope is None:
            raise RemoteProtocolError(f"no values in a telegram with C {telegram.telegram[1]:02x}")
        opened, told = self._opened(envelope)
        return _object(telegram, envelope, opened, told), _tree(telegram, envelope, opened, told)

    def length(self, telegram: Radio) -> int:
        """See Counted."""
        return len(telegram.telegram)

    def _opened(self, envelope: Envelope) -> tuple[Opened | None, str]:
        """The content; None and the reason if no key opens it."""
        if len(self._layouts) >= _MOST_METERS:
            self._layouts.clear()
        layouts = self._layouts.setdefault(envelope.meter, Layouts())
        if not envelope.sealed:
            return open_envelope(envelope, None, layouts), ""
        for key in self._keys:
            try:
                return open_envelope(envelope, key, layouts), ""
            except WrongKeyError:
                continue
        if self._keys:
            return None, f"encrypted ({envelope.security.value}), and none of the keys fits"
        try:
            return open_envelope(envelope, None, layouts), ""
        except NoKeyError:
            return None, f"encrypted ({envelope.security.value}); give its key by --key FILE"


def _object(radio: Radio, envelope: Envelope, opened: Opened | None, told: str) -> dict[str, Any]:
    shown = {
        "sender": envelope.sender._asdict(),
        "signal": radio.signal,
        "security": envelope.security.value,
        "counter": None if opened is None else opened.counter,
        "telegram": radio.telegram.hex(),
        "sealed": told,
        "unprotected": "" if opened is None else opened.rest.hex(),
    }
    if opened is None:
        return {**shown, "identity": envelope.identity._asdict(), "records": []}
    return {**shown, **content(opened.telegram)}


def _tree(radio: Radio, envelope: Envelope, opened: Opened | None, told: str) -> list[str]:
    parts = [] if radio.signal is None else [f"{radio.signal} dBm"]
    if envelope.sender != envelope.identity:
        parts.append(f"by {envelope.sender}")
    if opened is None:
        head = ", ".join((*parts, str(envelope.identity), medium_name(envelope.identity.medium)))
        return [printable(head), f"  {told}"]
    lines = tree([*parts, str(envelope.identity)], opened.telegram)
    if opened.envelope.sealed or envelope.sealed:
        counter = "" if opened.counter is None else f", counter {opened.counter}"
        lines.insert(1, f"  decrypted: {envelope.security.value}{counter}")
    if opened.rest:
        lines.append(f"  behind the encrypted blocks, protected by no key: {opened.rest.hex()}")
    return lines


def _key(path: Path) -> bytes:
    try:
        key = bytes.fromhex(read_password(path, Path()).decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != KEY_LENGTH:
        raise PasswordFileError(path, f"holds no key; write {2 * KEY_LENGTH} hex digits into its first line")
    return key


def make(options: Options) -> Printer:
    """The printer."""
    return Printer(tuple(map(_key, options.keys)), as_json=options.as_json, most=options.most)
