"""The table [keys]: who holds the gateway's private keys, and the files with what opens them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from smgw.profiles import checks
from smgw.profiles.section import Key

FILES, TOKEN = "files", "pkcs11"


class KeysProfile(NamedTuple):
    """The holder of the keys for signature and encryption. The key for TLS is always a file."""

    holder: str = FILES
    module: Path | None = None  # pkcs11: the library of the security module
    token: str = ""  # pkcs11: the label of the token
    pin_file: Path | None = None  # pkcs11
    passphrase_file: Path | None = None  # of keys in files

    @property
    def in_token(self) -> bool:
        """Whether a security module holds them."""
        return self.holder == TOKEN


def _label(value: object, report: checks.Report) -> str | None:
    if isinstance(value, str) and 0 < len(value.encode()) <= 32 and value.isprintable():
        return value
    report(f'{checks.shown(value)} is no label; write that of the token, at most 32 octets, such as "smgw"')
    return None


KEYS: Mapping[str, Key] = {
    "holder": Key(
        checks.choice(FILES, TOKEN),
        about='Holder of the signature and encryption keys: files or a security module (PKCS#11); "files" by default.',
    ),
    "module": Key(
        checks.path,
        about='The library of the security module, such as "/usr/lib/softhsm/libsofthsm2.so"; only for "pkcs11".',
    ),
    "token": Key(
        _label,
        about='The label of the token with the keys; only for "pkcs11", where it has no default.',
    ),
    "pin_file": Key(
        checks.path,
        about='A file with the PIN of the token: mode 0600, or the name of a credential; only for "pkcs11".',
    ),
    "passphrase_file": Key(
        checks.path,
        about="A file with the passphrase of the key files: mode 0600, or the name of a credential; none by default.",
    ),
}
_EXAMPLES: Mapping[str, str] = {
    "module": '"/usr/lib/softhsm/libsofthsm2.so"',
    "token": '"smgw"',
    "pin_file": '"keys_pin"',
}


def contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The keys of a security module belong together."""
    in_token = values.get("holder", FILES) == TOKEN
    for key, example in _EXAMPLES.items():
        if in_token and key not in values:
            yield key, f'is missing; holder = "{TOKEN}" needs it: write {key} = {example}'
        if not in_token and key in values:
            yield key, f'only a security module uses it; leave it out, or write holder = "{TOKEN}"'


def build(values: Mapping[str, Any]) -> KeysProfile:
    """The profile of checked values."""
    return KeysProfile(**values)
