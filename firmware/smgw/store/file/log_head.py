"""The signed head of a log book: an entry whose hash was signed. It says that all entries up to it are as they were.

The signature is ECDSA by the key SIG of the gateway, over these octets. The layout is ours. Numbers are big endian.

    octets     field
    16         "smgw log head 1", then one zero octet
    16         store id: the file with the book
    2, n       length of the name of the book, and the name in UTF-8
    8          number of the entry
    32         hash of the entry; see log_book.py
    8          time of the signature, microseconds since 1970-01-01 UTC

The process that signs is the WAN process: it may use the key SIG already, through the agent of keys. The LMN process
has no key. It gives the hashes, in its database, which the WAN process cannot write.
"""

import struct
from typing import NamedTuple

_LABEL = b"smgw log head 1\0"
#: Heads that are stored of each book: a month of hours.
HEADS_KEPT = 750
LOG_HEADS = """SELECT store_id, book, number, digest, utc_us, signer, signature FROM log_head
    ORDER BY store_id, book, number"""


class Head(NamedTuple):
    """One signed head. `signer` is the SHA-256 of the certificate."""

    store_id: str  # 32 hex digits
    book: str
    number: int
    digest: bytes
    utc_us: int
    signer: bytes = b""
    signature: bytes = b""

    @property
    def signed_octets(self) -> bytes:
        """What is signed."""
        book = self.book.encode()
        return b"".join(
            (
                _LABEL,
                bytes.fromhex(self.store_id),
                struct.pack(">H", len(book)),
                book,
                struct.pack(">Q", self.number),
                self.digest,
                struct.pack(">Q", self.utc_us),
            )
        )
