"""Records that are encrypted in mode 5 (OMS, volume 2): AES-128-CBC over whole blocks, without a tag.

start    maker, id, version and medium, as a radio telegram's address has them, and eight times the access number
word     configuration: the mode in bits 12 to 8, the number of encrypted blocks in bits 7 to 4 (0: all)
check    the text begins with two fillers, 2F 2F

Imports `cryptography`: only a meter with a key needs it.
"""

from smgw.errors import RemoteProtocolError
from smgw.mbus import aes

_BLOCK = 16
_FILLERS = b"\x2f\x2f"


def opened(key: bytes, head: bytes, octets: bytes) -> bytes:
    """The text behind a long header of 12 octets; RemoteProtocolError if the key does not fit.

    Octets behind the encrypted blocks are not protected, so they are not read.
    """
    count = head[10] >> 4
    size = _BLOCK * count if count else len(octets)
    if len(octets) < size or size % _BLOCK:
        raise RemoteProtocolError(f"encrypted, but {len(octets)} octets are not the {size} that the header announces")
    text = aes.decrypt(key, octets[:size], _start(head))
    if not text.startswith(_FILLERS):
        raise RemoteProtocolError("the key does not fit: ask the operator of the grid for the key of this meter")
    return text


def sealed(key: bytes, head: bytes, text: bytes) -> bytes:
    """The encrypted records for a long header that announces them."""
    whole = _FILLERS + text
    whole += b"\x2f" * (-len(whole) % _BLOCK)
    return aes.encrypt(key, whole, _start(head))


def _start(head: bytes) -> bytes:
    return aes.start_of_mode_5(head[4:6] + head[:4] + head[6:8], head[8])
