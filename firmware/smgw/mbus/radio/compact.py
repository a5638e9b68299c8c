"""The compact form of Kamstrup's telegrams (EN 13757-3, annex; CI 79): data without heads.

79  signature(2)  check(2)  data

The signature is the check sum of all heads, and the check that of heads and data, as a telegram with CI 78 has them.
A meter sends the whole form now and then, so a layout is known after some telegrams.
"""

from collections.abc import Sequence

from smgw.errors import RemoteProtocolError
from smgw.mbus.radio.crc import crc
from smgw.mbus.records import Record, read_records

_MOST = 8  # layouts of one meter
_HEAD = 4


class Layouts:
    """The heads and lengths of one meter's records, by their signature."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[tuple[bytes, int], ...]] = {}
        self._latest: tuple[tuple[bytes, int], ...] = ()

    def remember(self, records: Sequence[Record]) -> None:
        """A telegram in the whole form. One with data of variable length has no compact form."""
        layout = tuple((record.head.key, len(record.octets)) for record in records)
        if layout == self._latest or any(record.head.length < 0 for record in records):
            return
        self._latest = layout
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[crc(b"".join(head for head, _ in layout))] = layout

    def expand(self, octets: bytes) -> bytes:
        """The whole form of these octets, which follow CI. RemoteProtocolError if the heads are not known yet."""
        if len(octets) < _HEAD:
            raise RemoteProtocolError("the compact form is cut off")
        layout = self._known.get(int.from_bytes(octets[:2], "little"))
        if layout is None:
            raise RemoteProtocolError("a compact telegram before the first whole one; the meter sends it now and then")
        whole, at = b"", _HEAD
        for head, length in layout:
            whole += head + octets[at : at + length]
            at += length
        if at != len(octets) or crc(whole) != int.from_bytes(octets[2:_HEAD], "little"):
            raise RemoteProtocolError("the check sum of a compact telegram is wrong")
        return whole


def compacted(octets: bytes) -> bytes:
    """The compact form of records in the whole form, none of which has data of variable length."""
    records = read_records(octets).records
    signature = crc(b"".join(record.head.key for record in records))
    data = b"".join(record.octets for record in records)
    return signature.to_bytes(2, "little") + crc(octets).to_bytes(2, "little") + data
