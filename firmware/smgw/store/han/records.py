"""The rows of han.db."""

from typing import Final, NamedTuple

CONSUMER: Final = "con"
TECHNICIAN: Final = "srv"


class Account(NamedTuple):
    """Somebody who may log in. `sha256` and `md5` are empty if only a certificate counts."""

    role: str
    name: str
    realm: str
    sha256: str
    md5: str
    changed_us: int


class Pinned(NamedTuple):
    """A certificate of an account."""

    fingerprint: bytes
    role: str
    name: str
    der: bytes
    added_us: int
