"""The secrets of a meter: read from the files that its profile names, and never shown."""

from pathlib import Path
from typing import Self

from smgw.profiles.meter import MeterProfile
from smgw.profiles.password import PasswordFileError, read_password, read_whole

_LENGTHS = {0: 16, 1: 16, 2: 32}  # octets of a key, by security suite


class Secrets:
    """What a meter's profile names and does not hold. Its text tells names only."""

    __slots__ = ("_held",)

    def __init__(self, held: dict[str, bytes] | None = None) -> None:
        self._held = dict(held or {})

    @classmethod
    def read(cls, profile: MeterProfile, directory: Path) -> Self:
        """Of this profile, whose relative paths start at `directory`. Raises PasswordFileError."""
        held = {}
        if profile.password_file:
            held["password"] = read_password(profile.password_file, directory)
        if profile.speaks_dlms:
            dlms = profile.dlms
            for name, file in (
                ("encryption", dlms.encryption_key_file),
                ("authentication", dlms.authentication_key_file),
            ):
                if file is not None:
                    held[name] = _hex(file, read_password(file, directory), _LENGTHS[dlms.security_suite])
            for name, file in (("signing", dlms.signing_key_file), ("meter", dlms.meter_key_file)):
                if file is not None:
                    held[name] = read_whole(file, directory)
        return cls(held)

    def get(self, name: str) -> bytes | None:
        """A key: encryption, authentication, signing, meter."""
        return self._held.get(name)

    @property
    def password(self) -> bytes | None:
        """Of SML and of low level security."""
        return self._held.get("password")

    def __repr__(self) -> str:
        return f"Secrets({', '.join(self._held)})"


def _hex(file: Path, text: bytes, length: int) -> bytes:
    try:
        key = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        key = b""
    if len(key) != length:
        raise PasswordFileError(file, f"holds no key; write {2 * length} hex digits into its first line")
    return key
