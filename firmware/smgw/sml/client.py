"""The gateway's side of SML request and response: one request file at a time, its answers matched to it.

Answers are matched by transaction id. Each file has its own ids, so that an answer that comes too late, after its
request was given up, is recognised and never taken for the answer of the next one.
"""

from collections.abc import Sequence
from typing import NamedTuple

from smgw.errors import LocalProtocolError
from smgw.sml.attention import explain
from smgw.sml.crc import Crc
from smgw.sml.file import encode_messages
from smgw.sml.messages import (
    AttentionResponse,
    Body,
    CloseRequest,
    CloseResponse,
    GetListRequest,
    GetProcParameterRequest,
    Message,
    OpenRequest,
    OpenResponse,
)
from smgw.sml.telegram import TelegramReader
from smgw.sml.transport import Refused, encode_frame

Request = GetListRequest | GetProcParameterRequest


class Answers(NamedTuple):
    """The answer to one request file: `bodies` stand in the order of the requests, None where none came."""

    opened: OpenResponse | None
    bodies: tuple[Body | None, ...]
    attention: AttentionResponse | None  # the meter refused the file as a whole

    def refusal(self) -> str | None:
        """Why the meter refused all of it, in words; None if it did not."""
        return explain(self.attention.number) if self.attention else None


class Stray(NamedTuple):
    """A telegram that answers nothing that is being asked: late, or meant for another client."""

    reason: str


class TimedOut(NamedTuple):
    """No answer within the time; the request was given up."""

    seconds: float


Event = Answers | Stray | Refused


class Client:
    """A session. `seed` makes the file ids of this session differ from those of one before it (any 4 octets)."""

    def __init__(
        self,
        client_id: bytes,
        seed: bytes,
        *,
        username: str | None = None,
        password: bytes | None = None,
        timeout: float = 5.0,
        crc: Crc = Crc.X25,
    ) -> None:
        self._client_id = client_id
        self._username = username.encode() if username else None
        self._password = password
        self._timeout = timeout
        self._crc = crc
        self._file = int.from_bytes(seed[:4], "big")
        self._pending: dict[bytes, int] = {}  # transaction id -> place among the requests; -1 is open, -2 is close
        self._bodies: list[Body | None] = []
        self._opened: OpenResponse | None = None
        self._due: float | None = None
        self._close = b""  # transaction id of the close of the file that was asked last
        self._unclosed = b""  # the same of one that was answered in full before its close was
        self._telegrams = TelegramReader()

    def get_list(self) -> GetListRequest:
        """A request for all values, with this session's credentials."""
        return GetListRequest(self._client_id, username=self._username, password=self._password)

    def get_parameter(self, *path: bytes) -> GetProcParameterRequest:
        """A request for one parameter, with this session's credentials."""
        return GetProcParameterRequest(path, username=self._username, password=self._password)

    def send(self, requests: Sequence[Request], now: float) -> bytes:
        """The octets of a request file: open, the requests, close. One file at a time."""
        if self._due is not None:
            raise LocalProtocolError("a request is under way; wait for its answer or for its time-out")
        self._file = (self._file + 1) & 0xFFFFFFFF
        file_id = self._file.to_bytes(4, "big")
        opening = OpenRequest(self._client_id, file_id, username=self._username, password=self._password, sml_version=1)
        bodies: list[Body] = [opening, *requests, CloseRequest()]
        messages = [
            Message(file_id + index.to_bytes(2, "big"), body, group=min(index, 255))
            for index, body in enumerate(bodies)
        ]
        self._pending = {message.transaction_id: index - 1 for index, message in enumerate(messages)}
        self._close = messages[-1].transaction_id
        self._pending[self._close] = -2
        self._bodies = [None] * len(requests)
        self._opened = None
        self._due = now + self._timeout
        return encode_frame(encode_messages(messages, self._crc), self._crc)

    def receive(self, data: bytes) -> list[Event]:
        """Take octets, return what they completed."""
        events = (
            telegram if isinstance(telegram, Refused) else self._take(telegram.messages)
            for telegram in self._telegrams.receive(data)
        )
        return [event for event in events if event is not None]

    def deadline(self, now: float) -> float | None:
        """When `expire` is due, in the seconds that `send` was given; None while nothing is asked."""
        return None if self._due is None else max(self._due, now)

    def expire(self, now: float) -> TimedOut | None:
        """Give the request up if its time is over."""
        if self._due is None or now < self._due:
            return None
        self._done()
        return TimedOut(self._timeout)

    def _take(self, messages: Sequence[Message]) -> Answers | Stray | None:
        attention = None
        matched = closed = False
        for message in messages:
            place = self._pending.pop(message.transaction_id, None)
            if place is None:
                continue
            matched = True
            if place >= 0:
                self._bodies[place] = message.body
            elif isinstance(message.body, OpenResponse):
                self._opened = message.body
            elif isinstance(message.body, CloseResponse) or place == -2:
                closed = True
            elif isinstance(message.body, AttentionResponse):
                attention = message.body
        if not matched:
            if all(message.transaction_id == self._unclosed for message in messages):
                return None  # the end of an answer that was complete without it
            return Stray("an answer to nothing that is being asked: late, or for another client")
        if not closed and attention is None and None in self._bodies:
            return None  # the meter answers in more than one frame
        answers = Answers(self._opened, tuple(self._bodies), attention)
        self._unclosed = b"" if closed else self._close
        self._done()
        return answers

    def _done(self) -> None:
        self._pending = {}
        self._due = None
