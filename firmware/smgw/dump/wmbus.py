"""Telegrams of M-Bus by radio as text: what a stick sends, or hex digits of telegrams in lines."""

import json
import sys
from pathlib import Path
from typing import Any

from smgw.cosem.printable import printable
from smgw.dump.mbus import content, tree
from smgw.dump.printer import Options, look_alike
from smgw.errors import RemoteProtocolError
from smgw.mbus.radio.compact import Layouts
from smgw.mbus.radio.envelope import Envelope, read_envelope
from smgw.mbus.radio.opening import NoKeyError, Opened, WrongKeyError, open_envelope
from smgw.mbus.radio.sticks import AnyStick, Radio
from smgw.mbus.telegram import medium_name
from smgw.profiles.password import PasswordFileError, read_password
from smgw.profiles.wmbus import KEY_LENGTH
from smgw.wire import Refused
from smgw.wire.unread import SAMPLE

_MOST_METERS = 1024  # whose layouts of compact telegrams are remembered


class Printer:
    """Prints telegrams to stdout and refused octets to stderr, and counts both. Any of the keys may open one."""

    def __init__(self, keys: tuple[bytes, ...], *, as_json: bool, most: int = 0) -> None:
        self._stick = AnyStick()
        self._keys = keys
        self._as_json = as_json
        self._most = most
        self._sample = b""
        self._layouts: dict[bytes, Layouts] = {}
        self.delivered = 0
        self.refused = 0

    @property
    def enough(self) -> bool:
        """True once as many as were asked for have been printed."""
        return bool(self._most) and self.delivered >= self._most

    def receive(self, data: bytes) -> bool:
        """Print the telegrams that these octets complete; True if there was one."""
        if not self.delivered:
            self._sample = (self._sample + data)[:SAMPLE]
        return self._take(self._stick.receive(data))

    def finish(self) -> None:
        """Print or refuse what is left; if there was no telegram, say what the octets look like."""
        self._take(self._stick.finish())
        if not self.delivered and (found := look_alike("wmbus", self._sample)):
            print(f"no telegram: {found}", file=sys.stderr)

    def summary(self) -> None:
        """Telegrams seen, delivered, refused."""
        seen = self.delivered + self.refused
        print(f"{seen} telegrams seen, {self.delivered} delivered, {self.refused} refused", file=sys.stderr)

    def _take(self, events: list[Radio | Refused]) -> bool:
        before = self.delivered
        for event in events:
            if self.enough:
                break
            if isinstance(event, Refused):
                self._refuse(event.octets, event.reason)
                continue
            try:
                self._print(event)
            except RemoteProtocolError as error:
                self._refuse(len(event.telegram), str(error))
        return self.delivered > before

    def _print(self, radio: Radio) -> None:
        envelope = read_envelope(radio.telegram)
        if envelope is None:
            raise RemoteProtocolError(f"no values in a telegram with C {radio.telegram[1]:02x}")
        opened, told = self._opened(envelope)
        self.delivered += 1  # before it is printed: who has seen it and interrupts is told so
        text = (
            json.dumps(_object(radio, envelope, opened, told))
            if self._as_json
            else "\n".join(_tree(radio, envelope, opened, told))
        )
        print(text, flush=True)

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

    def _refuse(self, octets: int, reason: str) -> None:
        self.refused += 1
        print(f"refused: {octets} octets: {printable(reason)}", file=sys.stderr)


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
