"""The keys that `smgw dump` opens encrypted telegrams with, whatever the protocol."""

import re
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

from smgw.dlms.apdus.apdu import decode_apdu
from smgw.dlms.apdus.envelope import Ciphered
from smgw.errors import RemoteProtocolError, SmgwError
from smgw.profiles.password import read_password

_KEY = re.compile(rb"(?:[0-9a-fA-F]{32}){1,2}")
_AUTHENTICATED = 0x10
_NONE = Path("none")
_SUITE = 0x0F


class KeyFileError(SmgwError):
    """A key file without a key. The text never holds any of its content."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: its first line must be a key of 32 or 64 hex digits")
        self.path = path


class Keys(NamedTuple):
    """The keys for ciphered APDUs. No text form shows them."""

    encryption: tuple[bytes, ...] = ()
    authentication: tuple[bytes, ...] = ()
    verify: bool = True  # False: authentication tags are not checked

    def __repr__(self) -> str:
        return f"Keys({len(self.encryption)} and {len(self.authentication)})"

    @classmethod
    def of(cls, encryption: Sequence[Path], authentication: Sequence[Path]) -> "Keys":
        """Read the files; PasswordFileError if one is not private, KeyFileError if it holds no key.

        The path "none" stands for no authentication key: tags are then not checked.
        """
        if _NONE in authentication:
            return cls(tuple(map(_read_key, encryption)), (), verify=False)
        return cls(tuple(map(_read_key, encryption)), tuple(map(_read_key, authentication)))

    def unverified(self, ciphered: Ciphered) -> bool:
        """True if an authentication tag is not checked."""
        return not self.verify and bool(ciphered.security_control & _AUTHENTICATED)

    def open(self, ciphered: Ciphered, system_title: bytes) -> bytes:
        """The plain text; RemoteProtocolError if no key opens it."""
        if not self.encryption:
            raise RemoteProtocolError("ciphered; --key names the file of a key")
        if self.verify and ciphered.security_control & _AUTHENTICATED and not self.authentication:
            raise RemoteProtocolError(
                "ciphered with authentication; --authentication-key names the file of its key, or none to read it "
                "unauthenticated"
            )
        from smgw.dlms.security import suites  # `cryptography` only where something is to be opened

        number = ciphered.security_control & _SUITE
        if number not in list(suites.Suite):
            raise RemoteProtocolError(f"ciphered with security suite {number}; known are 0 to 2")
        suite = suites.Suite(number)
        wrong = RemoteProtocolError(f"none of the keys is one of security suite {suite.value}")
        for encryption, authentication in product(self.encryption, self.authentication or (b"",)):
            if len(encryption) != suite.key_length:
                continue
            try:
                keys = suites.Keys.of(suite, encryption, authentication or bytes(suite.key_length))
                text = suites.unseal(keys, system_title, ciphered.octets, verify=self.verify).text
                decode_apdu(text)
            except SmgwError as error:
                wrong = RemoteProtocolError(f"not opened by any of the keys: {error}")
                continue
            return text
        raise wrong


def _read_key(path: Path) -> bytes:
    digits = read_password(path, Path()).strip()
    if not _KEY.fullmatch(digits):
        raise KeyFileError(path)
    return bytes.fromhex(digits.decode())
