"""The secrets of a meter: read from the files that its profile names, and never shown."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from smgw.profiles.meter import MeterProfile
from smgw.profiles.password import PasswordFileError, read_password, read_whole
from smgw.profiles.protocol import Form, SecretFile


class Secrets(Mapping[str, bytes]):
    """The secrets of a meter, by the field of their `SecretFile`. The text form shows only the fields."""

    __slots__ = ("_held",)

    def __init__(self, **held: bytes | None) -> None:
        self._held = {field: octets for field, octets in held.items() if octets is not None}

    def __getitem__(self, field: str) -> bytes:
        return self._held[field]

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def fingerprint(self, profile: MeterProfile) -> bytes:
        """Octets that change with whatever proves to this meter who asks. They hold the secrets: store a digest."""
        access = getattr(profile.options, "access", ())
        held = [(field, self._held[field].hex()) for field in sorted(self._held)]
        return repr((profile.port, profile.username, access, held)).encode()

    def __repr__(self) -> str:
        return f"Secrets({', '.join(self)})"


def read_secrets(profile: MeterProfile, directory: Path) -> Secrets:
    """The secrets of this profile, whose relative paths start at `directory`. Raises PasswordFileError."""
    found = {}
    for secret in profile.entry.secrets:
        file: Path | None = getattr(profile.options if secret.in_section else profile, secret.key)
        if file is not None:
            found[secret.field] = _read(file, directory, secret, profile)
    return Secrets(**found)


def _read(file: Path, directory: Path, secret: SecretFile, profile: MeterProfile) -> bytes:
    if secret.form is Form.PEM:
        return read_whole(file, directory)
    text, length = read_password(file, directory), secret.length(profile.options)
    if secret.form is Form.HEX:
        return _key(file, text, length)
    if length and len(text) > length:
        raise PasswordFileError(file, f"its first line has {len(text)} octets; this authentication takes {length}")
    return text


def _key(file: Path, text: bytes, length: int) -> bytes:
    try:
        key = bytes.fromhex(text.decode("ascii"))
    except ValueError:
        key = b""
    if not key or len(key) != (length or len(key)):
        digits = f"{2 * length} hex digits" if length else "hex digits"
        raise PasswordFileError(file, f"holds no key; write {digits} into its first line")
    return key
