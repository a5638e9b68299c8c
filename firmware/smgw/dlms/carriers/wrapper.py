"""The wrapper of APDUs over TCP and UDP, port 4059 (IEC 62056-47, 5.4). It has the interface of `hdlc.Link`.

octets  2      2              2                   2        n
        0001   source wPort   destination wPort   length   APDU

A wPort is a service access point: the client's, or the logical device.
"""

import struct
from typing import Self

from smgw.errors import LocalProtocolError
from smgw.hdlc.events import ApduReceived, Cause, Connected, Disconnected, Event
from smgw.wire import Refused, Transmit

MAX_APDU = 65_535
_HEADER = struct.Struct(">HHHH")
_HEADER_SIZE, _unpack = _HEADER.size, _HEADER.unpack_from
_VERSION = b"\x00\x01"
_INTER_OCTET_S = 1.0  # within an answer: there may be a slow line behind the wrapper
_LONGEST_ANSWER = 20  # limit of one answer, in time-outs, even if octets still arrive


def encode_wrapper(source: int, destination: int, apdu: bytes) -> bytes:
    """One APDU in its wrapper; LocalProtocolError if it is longer than 65,535 octets."""
    if len(apdu) > MAX_APDU:
        raise LocalProtocolError(f"an APDU of {len(apdu)} octets does not fit the wrapper; at most {MAX_APDU} do")
    return _HEADER.pack(1, source, destination, len(apdu)) + apdu


class Wrapper:
    """One end of a connection that the driver has made. `smgw.hdlc` describes the verbs and events."""

    def __init__(self, own: int, peer: int | None, *, timeout: float) -> None:
        self.connected = False
        self._primary = peer is not None
        self._own = own
        self._peer = peer or 0
        self._timeout = timeout
        self._buffer = b""
        self._need = _HEADER_SIZE
        self._due: float | None = None
        self._give_up = 0.0

    @classmethod
    def client(cls, client: int, server: int, *, timeout: float = 5.0) -> Self:
        """The primary: service access point `client` asks logical device `server`; `timeout` in seconds."""
        return cls(client, server, timeout=timeout)

    @classmethod
    def server(cls, server: int) -> Self:
        """The secondary: logical device `server` answers the client that asked last."""
        return cls(server, None, timeout=0.0)

    @property
    def busy(self) -> bool:
        """True if a request was sent and is not answered yet."""
        return self._due is not None

    def connect(self, now: float) -> list[Event]:  # noqa: ARG002  (the face of all links)
        """Sends nothing: there is no link below the association."""
        self.connected = True
        return [Connected(self._peer, None)]

    def disconnect(self, now: float) -> list[Event]:  # noqa: ARG002  (the face of all links)
        """Sends nothing; the driver closes the connection."""
        return self._down(Cause.ASKED)

    def send(self, apdu: bytes, now: float) -> list[Event]:
        """One APDU. Primary: an answer is waited for."""
        if not self.connected:
            raise LocalProtocolError("the wrapper is not connected; connect first")
        if self._primary:
            self._await_answer(now)
        return self.send_unnumbered(apdu, now)

    def send_unnumbered(self, apdu: bytes, now: float) -> list[Event]:  # noqa: ARG002  (the face of all links)
        """One APDU without an answer."""
        return [Transmit(encode_wrapper(self._own, self._peer, apdu))]

    def poll(self, now: float) -> list[Event]:
        """The received APDU was not the answer: go on waiting."""
        self._await_answer(now)
        return []

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take octets, in pieces of any size."""
        self._buffer = buffer = self._buffer + data
        events: list[Event] = []
        place, size = 0, len(buffer)
        while size - place >= self._need:
            version, source, destination, length = _unpack(buffer, place)
            if version != 1:
                place = self._resynchronise(place, events)
                continue
            end = place + _HEADER_SIZE + length
            if end > size:
                self._need = end - place
                break
            apdu = buffer[place + _HEADER_SIZE : end]
            place = end
            self._need = _HEADER_SIZE
            if destination == self._own and apdu:
                self._take(source, apdu, events)
        self._buffer = buffer[place:]
        if self._due is not None and self._buffer:
            self._due = max(self._due, min(now + _INTER_OCTET_S, self._give_up))
        return events

    def deadline(self, now: float) -> float | None:
        """The time when `expire` is due; None while nothing is awaited."""
        return None if self._due is None else max(self._due, now)

    def expire(self, now: float) -> list[Event]:
        """A missing answer ends the connection, since the wrapper cannot repeat a request."""
        if self._due is None or now < self._due:
            return []
        return self._down(Cause.SILENT, f"no answer from logical device {self._peer} within {self._timeout:g} s")

    def _await_answer(self, now: float) -> None:
        self._due = now + self._timeout
        self._give_up = now + _LONGEST_ANSWER * self._timeout

    def _take(self, source: int, apdu: bytes, events: list[Event]) -> None:
        if not self._primary and (not self.connected or source != self._peer):
            self._peer = source
            self.connected = True
            events.append(Connected(source, None))
        if source == self._peer:
            self._due = None
            events.append(ApduReceived(apdu, False, source))

    def _resynchronise(self, place: int, events: list[Event]) -> int:
        """The possible start of the next wrapper. Needed only for a faulty peer, since TCP loses nothing."""
        found = self._buffer.find(_VERSION, place + 1)
        if found < 0:
            found = len(self._buffer) - (self._buffer[-1:] == _VERSION[:1])
        events.append(Refused("no wrapper of version 1 begins here: not DLMS over TCP or UDP", found - place))
        return found

    def _down(self, cause: Cause, reason: str = "") -> list[Event]:
        self.connected = False
        self._due = None
        return [Disconnected(cause, reason)]
