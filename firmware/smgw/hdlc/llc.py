"""The LLC header in front of an APDU (IEC 62056-46, 5), and the APDUs in what segments were put together to.

octets  E6 E6 00   client to server
        E6 E7 00   server to client
"""

from enum import Enum

COMMAND = b"\xe6\xe6\x00"
RESPONSE = b"\xe6\xe7\x00"
_DATA_NOTIFICATION = b"\x0f"


class Role(Enum):
    """Who polls, the client, and who answers, the meter. The value is the header of what it sends."""

    PRIMARY = COMMAND
    SECONDARY = RESPONSE


def split(information: bytes) -> list[bytes]:
    """The APDUs, without headers; what has no header is taken as one APDU.

    Some meters put several pushes, each with its header, into one field. Only data notifications are looked at for
    that, since an APDU does not say how long it is: an answer could hold these four octets as data, and nothing else
    follows it.
    """
    header, apdu = information[:3], information[3:]
    if header not in (COMMAND, RESPONSE):
        return [information] if information else []
    if apdu[:1] == _DATA_NOTIFICATION:
        return [_DATA_NOTIFICATION + rest for rest in information.split(header + _DATA_NOTIFICATION)[1:]]
    return [apdu] if apdu else []
