"""Notifications that a meter sends by itself (IEC 62056-5-3, 8.3).

0F long-invoke(4) date-time(00, or 0C and 12 octets) data          DataNotification
C2 00 | 01 0C date-time(12) attribute data                         EventNotification
"""

from typing import NamedTuple, Self

from smgw.cosem import AttributeName
from smgw.dlms.apdus.cursor import ApduError, Cursor, string
from smgw.dlms.apdus.descriptors import encode_attribute, read_attribute

DATA_NOTIFICATION, EVENT_NOTIFICATION = 0x0F, 0xC2
_OCTET_STRING, _DATE_TIME_OCTETS = 0x09, 12


class DataNotification(NamedTuple):
    """Values that a meter pushes. `date_time` is as sent: 12 octets, or none; `body` is A-XDR octets.

    Kaifa's Norwegian meters put the tag of an octet-string before the time (seen: `09 0c ..`); `tagged` keeps that.
    """

    invoke: int  # long-invoke-id-and-priority: 24 bits of number, then flags
    date_time: bytes
    body: bytes
    tagged: bool = False

    def encode(self) -> bytes:
        """Encode as octets."""
        tag = bytes((_OCTET_STRING,)) if self.tagged else b""
        return bytes((DATA_NOTIFICATION,)) + self.invoke.to_bytes(4, "big") + tag + string(self.date_time) + self.body

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """What stands behind the tag. ApduError if it is none, also for a time of another length."""
        invoke, begin = cursor.number(4), cursor.position
        # No time has nine octets, so 09 is the tag of the meters that send one.
        tagged = cursor.octets[begin : begin + 2] == bytes((_OCTET_STRING, _DATE_TIME_OCTETS))
        cursor.position += tagged
        date_time = cursor.string()
        if len(date_time) not in (0, _DATE_TIME_OCTETS):
            raise ApduError(begin, f"a date-time of {len(date_time)} octets; it has 12 or none")
        return cls(invoke, date_time, cursor.data(), tagged)


class EventNotification(NamedTuple):
    """One attribute that a meter pushes. `date_time` is 12 octets, or None."""

    date_time: bytes | None
    attribute: AttributeName
    value: bytes

    def encode(self) -> bytes:
        """Encode as octets."""
        time = b"\x00" if self.date_time is None else b"\x01" + string(self.date_time)
        return bytes((EVENT_NOTIFICATION,)) + time + encode_attribute(self.attribute) + self.value

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        """Read the fields after the tag."""
        date_time = cursor.string() if cursor.flag() else None
        if date_time is not None and len(date_time) != _DATE_TIME_OCTETS:
            raise ApduError(cursor.position, f"a date-time of {len(date_time)} octets; it has 12")
        return cls(date_time, read_attribute(cursor), cursor.data())
