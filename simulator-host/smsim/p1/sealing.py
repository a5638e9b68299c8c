"""Encrypts telegrams as a Smarty of Luxembourg does."""

from collections.abc import Callable
from itertools import count

from smgw.dlms.apdus.envelope import GENERAL_GLO, Ciphered
from smgw.dlms.security.suites import Keys, Protection, Suite, seal

#: The authentication key that Luxembourg's document for customers prints.
PUBLISHED_KEY = bytes.fromhex("00112233445566778899aabbccddeeff")


def sealing(key: bytes, title: bytes, first: int) -> Callable[[bytes], bytes]:
    """Encrypts one telegram after another; the counter begins at `first`, which rises from run to run."""
    keys, counters = Keys.of(Suite.AES_GCM_128, key, PUBLISHED_KEY), count(first)

    def sealed(telegram: bytes) -> bytes:
        return Ciphered(GENERAL_GLO, seal(keys, Protection.BOTH, title, next(counters), telegram), title).encode()

    return sealed
