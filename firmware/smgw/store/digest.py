"""SHA-256 without OpenSSL: `hashlib` loads libcrypto, 3.6 MB that the LMN process has no other use for."""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def _own_sha256() -> Callable[[bytes], Any]:
    for name in ("_sha2", "_sha256", "hashlib"):  # Python 3.12 on; 3.11; an interpreter built without its own
        try:
            found: Callable[[bytes], Any] = import_module(name).sha256
        except ImportError:
            continue
        return found
    raise ImportError("this Python has no SHA-256")


_sha256 = _own_sha256()


def sha256(octets: bytes) -> bytes:
    """The 32 octets of the digest."""
    return bytes(_sha256(octets).digest())
