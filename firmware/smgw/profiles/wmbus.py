"""The part of a meter profile for M-Bus by radio: which meter, its key, and the stick that hears it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from smgw.profiles import checks
from smgw.profiles.mbus import MEDIA
from smgw.profiles.section import Key

#: Octets of a key.
KEY_LENGTH = 16
IMST, AMBER, CUL = "im871a", "amber", "cul"
#: Stick -> its usual speed.
SPEEDS = {IMST: 57_600, AMBER: 9600, CUL: 38_400}
STORED = "stored"
#: Stick -> radio mode -> what switches it. Only Amber's C+T and the lines of a CUL were seen in a working program.
_IMST_MODES = {"S": 0, "T": 3, "C": 6}
_AMBER_MODES = {"S": 0x03, "T": 0x08, "C": 0x0E, "C+T": 0x09}
_CUL_MODES = {"S": "brs", "T": "brt", "C": "brc"}
_MODES: Mapping[str, Mapping[str, object]] = {IMST: _IMST_MODES, AMBER: _AMBER_MODES, CUL: _CUL_MODES}
_USUAL = {IMST: "T", AMBER: "C+T", CUL: "T"}


class WmbusProfile(NamedTuple):
    """Field and key of the file have the same name."""

    id: str = ""
    encryption_key_file: Path | None = None
    stick: str = IMST
    mode: str = ""
    setup: str = ""
    signal: bool = True
    medium: str = ""

    @property
    def opening(self) -> bytes:
        """What is sent to the stick when its port is open."""
        if self.setup:
            return bytes.fromhex(self.setup)
        mode = self.mode or _USUAL[self.stick]
        if mode == STORED:
            return b""
        if self.stick == CUL:
            return f"{_CUL_MODES[mode]}\r\nX21\r\n".encode()
        if self.stick == AMBER:
            command = bytes((0xFF, 0x04, 0x01, _AMBER_MODES[mode]))
            return command + bytes((command[0] ^ command[1] ^ command[2] ^ command[3],))
        # Endpoint 1, set configuration: not stored; the radio mode; with signal, without time.
        return bytes((0xA5, 0x01, 0x03, 0x06, 0x00, 0x02, _IMST_MODES[mode], 0x30, 0x01, 0x00))


KEYS: Mapping[str, Key] = {
    "id": Key(
        checks.text(
            'the 8 digits on the meter, or 16 with maker, version and medium, such as "14839120" or "148391202D2C0102"',
            re.compile(r"[0-9A-Fa-f]{8}(?:[0-9A-Fa-f]{8})?"),
        ),
        needed='"12345678"',
        about="Number of the meter: its 8 digits, or 16 with maker, version and medium in hex; it has no default.",
    ),
    "encryption_key_file": Key(
        checks.path,
        about="File with the meter's AES key in 32 hex digits, mode 0600, or a systemd credential; none by default.",
    ),
    "stick": Key(
        checks.choice(*SPEEDS),
        about='The radio stick: "im871a" (IMST), "amber" (Amber, Würth) or "cul"; "im871a" by default.',
    ),
    "mode": Key(
        checks.choice("C", "T", "S", "C+T", STORED),
        about='Radio mode that the stick is set to; "stored" sends nothing; by default "C+T" for amber, else "T".',
    ),
    "setup": Key(
        checks.text("hex digits, two for each octet", re.compile(r"(?:[0-9A-Fa-f]{2}){1,256}")),
        about="Octets in hex that are sent to the stick when its port opens, in place of those of mode; "
        "none by default.",
    ),
    "signal": Key(
        checks.boolean,
        about="Whether an amber stick is set to add an octet for the signal to each telegram; true by default.",
    ),
    "medium": Key(
        checks.choice(*MEDIA),
        about="What the meter counts, if it says another or none; by default what the meter says.",
    ),
}
#: Keys of the stick: all meters that it hears have the same.
OF_STICK = ("stick", "mode", "setup", "signal")


def contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, text) of each key that is correct by itself but contradicts others."""
    stick, mode = values.get("stick", IMST), values.get("mode")
    if "setup" in values and mode is not None:
        yield "mode", "setup says already what is sent to the stick; leave one of the two out"
    if mode not in (None, STORED, *_MODES[stick]):
        yield "mode", f"the stick {stick} hears one mode at a time; write {', '.join(_MODES[stick])} or {STORED}"


def build(values: Mapping[str, Any]) -> WmbusProfile:
    """The profile of checked values."""
    return WmbusProfile(**values)
