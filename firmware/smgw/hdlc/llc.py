"""The LLC header before an APDU (IEC 62056-46, 5), and the APDUs in joined segments.

octets  E6 E6 00   client to server
        E6 E7 00   server to client
"""

from enum import Enum

COMMAND = b"\xe6\xe6\x00"
RESPONSE = b"\xe6\xe7\x00"
_DATA_NOTIFICATION = b"\x0f"


class Role(Enum):
    """The client, which polls, and the meter, which answers. The value is the header that each sends."""

    PRIMARY = COMMAND
    SECONDARY = RESPONSE


def split(information: bytes) -> list[bytes]:
    """The APDUs, without headers; octets without a header are one APDU.

    Some meters put several pushes, each with its header, into one field. Only data notifications are split: an APDU
    has no length, so an answer may hold these four octets as data.
    """
    header, apdu = information[:3], information[3:]
    if header not in (COMMAND, RESPONSE):
        return [information] if information else []
    if apdu[:1] == _DATA_NOTIFICATION:
        return [_DATA_NOTIFICATION + rest for rest in information.split(header + _DATA_NOTIFICATION)[1:]]
    return [apdu] if apdu else []
