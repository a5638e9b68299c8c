"""The secrets of a meter: read from the files that its profile names, and never shown."""

from pathlib import Path
from typing import NamedTuple

from smgw.profiles.meter import MeterProfile
from smgw.profiles.password import PasswordFileError, read_password, read_whole
from smgw.profiles.protocol import Form

_LENGTHS = {0: 16, 1: 16, 2: 32}  # octets of a key, by security suite


class Secrets(NamedTuple):
    """What a meter's profile names and does not hold. Its text tells the names of the fields only."""

    password: bytes | None = None  # of SML, of low level security, of hashed high level security
    encryption_key: bytes | None = None  # DLMS: global unicast key
    authentication_key: bytes | None = None
    signing_key: bytes | None = None  # DLMS hls-ecdsa: ours, PEM
    meter_key: bytes | None = None  # DLMS hls-ecdsa: the meter's public key, PEM

    def __repr__(self) -> str:
        held = [name for name, value in zip(self._fields, self, strict=True) if value is not None]
        return f"Secrets({', '.join(held)})"


def read_secrets(profile: MeterProfile, directory: Path) -> Secrets:
    """The secrets of this profile, whose relative paths start at `directory`. Raises PasswordFileError."""
    found = {}
    for field, key, form, in_section in profile.entry.secrets:
        file: Path | None = getattr(profile.options if in_section else profile, key)
        if file is not None:
            found[field] = _read(file, directory, form, profile)
    return Secrets(**found)


def _read(file: Path, directory: Path, form: Form, profile: MeterProfile) -> bytes:
    if form is Form.PEM:
        return read_whole(file, directory)
    text = read_password(file, directory)
    return _key(file, text, _LENGTHS[getattr(profile.options, "security_suite", 0)]) if form is Form.HEX else text


def _key(file: Path, text: bytes, length: int) -> bytes:
    try:
        key = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != length:
        raise PasswordFileError(file, f"holds no key; write {2 * length} hex digits into its first line")
    return key
