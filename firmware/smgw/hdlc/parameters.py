"""The parameters that both sides of a link agree on in SNRM and UA (IEC 62056-46, 6.4.4.4.3.2).

octets  81 80 LL   then, each if it differs from the default or always:
        05 01 80          longest information field that the sender transmits (1 or 2 octets: 05 02 07 EE)
        06 01 80          longest information field that the sender receives
        07 04 00000001    frames the sender transmits before it waits (some meters use 1 octet)
        08 04 00000001    frames the sender receives before it must acknowledge
"""

from typing import NamedTuple, Self

from smgw.errors import LocalProtocolError

_FORMAT, _GROUP = 0x81, 0x80
_INFORMATION_TRANSMIT, _INFORMATION_RECEIVE, _WINDOW_TRANSMIT, _WINDOW_RECEIVE = 5, 6, 7, 8
MAX_INFORMATION = 2030  # the 11 bits of a frame's length, less addresses and check sums
MAX_WINDOW = 7  # numbers are modulo 8


class LinkParameters(NamedTuple):
    """Octets in an information field and frames in a window, from our own point of view."""

    information_transmit: int = 128
    information_receive: int = 128
    window_transmit: int = 1
    window_receive: int = 1

    @classmethod
    def of(cls, information: int = 128, window: int = 1) -> Self:
        """The same both ways; LocalProtocolError beyond 1..2030 octets or 1..7 frames."""
        if not 1 <= information <= MAX_INFORMATION or not 1 <= window <= MAX_WINDOW:
            raise LocalProtocolError(
                f"information length {information} and window {window}: right are 1 to {MAX_INFORMATION} octets "
                f"and 1 to {MAX_WINDOW} frames"
            )
        return cls(information, information, window, window)

    def encode(self) -> bytes:
        """The information field of SNRM or UA."""
        fields = b"".join(
            (
                _number(_INFORMATION_TRANSMIT, self.information_transmit),
                _number(_INFORMATION_RECEIVE, self.information_receive),
                bytes((_WINDOW_TRANSMIT, 4)) + self.window_transmit.to_bytes(4, "big"),
                bytes((_WINDOW_RECEIVE, 4)) + self.window_receive.to_bytes(4, "big"),
            )
        )
        return bytes((_FORMAT, _GROUP, len(fields))) + fields

    def agreed(self, peer: "LinkParameters") -> "LinkParameters":
        """The agreed parameters: in each direction the smaller value of ours and the peer's."""
        return LinkParameters(
            min(self.information_transmit, peer.information_receive),
            min(self.information_receive, peer.information_transmit),
            min(self.window_transmit, peer.window_receive),
            min(self.window_receive, peer.window_transmit),
        )


def decode_parameters(information: bytes) -> LinkParameters:
    """The parameters in a peer's SNRM or UA, from its own point of view.

    A missing, zero or unreadable value means the default, so that one bad field does not stop the meter's readings.
    """
    values = {
        _INFORMATION_TRANSMIT: (128, MAX_INFORMATION),
        _INFORMATION_RECEIVE: (128, MAX_INFORMATION),
        _WINDOW_TRANSMIT: (1, MAX_WINDOW),
        _WINDOW_RECEIVE: (1, MAX_WINDOW),
    }
    found = {name: default for name, (default, _) in values.items()}
    place = 3 if information[:2] == bytes((_FORMAT, _GROUP)) else len(information)
    while place + 2 <= len(information):
        name, length = information[place], information[place + 1]
        field = information[place + 2 : place + 2 + length]
        if name in values and len(field) == length and any(field):
            found[name] = min(int.from_bytes(field, "big"), values[name][1])
        place += 2 + length
    return LinkParameters(*found.values())


def _number(name: int, value: int) -> bytes:
    length = 1 if value < 256 else 2
    return bytes((name, length)) + value.to_bytes(length, "big")
