"""The gateway's side of SML request and response: one request file at a time, with its answers.

Answers are matched by transaction id. Each file has its own ids, so a late answer is recognised and never mistaken for
the answer to the next request.
"""

from collections.abc import Sequence
from typing import NamedTuple

from smgw.errors import LocalProtocolError
from smgw.sml.attention import explain
from smgw.sml.file import encode_messages
from smgw.sml.messages import (
    AbortOnError,
    AttentionResponse,
    Body,
    CloseRequest,
    CloseResponse,
    GetListRequest,
    GetProcParameterRequest,
    GetProfileListRequest,
    GetProfilePackRequest,
    Message,
    OpenRequest,
    OpenResponse,
    SetProcParameterRequest,
    Time,
)
from smgw.sml.telegram import TelegramReader
from smgw.sml.transport import encode_frame
from smgw.wire import Crc, Refused

Request = (
    GetListRequest | GetProcParameterRequest | SetProcParameterRequest | GetProfilePackRequest | GetProfileListRequest
)
_LAST_GROUP = 255


class Answers(NamedTuple):
    """The answer to one request file: `bodies` are in the order of the requests, None for a missing one."""

    opened: OpenResponse | None
    bodies: tuple[Body | None, ...]
    attention: AttentionResponse | None  # the meter refused the file as a whole
    further: tuple[tuple[Body, ...], ...] = ()  # a request's messages after its first: rows of GetProfileList
    damaged: bool = False  # a frame in between was refused: it may have held more rows

    def messages(self, place: int) -> tuple[Body, ...]:
        """All answers to the request at `place`."""
        body = self.bodies[place]
        return () if body is None else (body, *(self.further[place] if self.further else ()))

    def refusal(self) -> str | None:
        """The reason if the meter refused the whole file, in words; else None."""
        return explain(self.attention.number) if self.attention else None


class Stray(NamedTuple):
    """A telegram that answers no open request: late, or for another client."""

    reason: str


class TimedOut(NamedTuple):
    """No answer within the time: the request was given up."""

    seconds: float


Event = Answers | Stray | Refused


class Client:
    """A session. `seed` (any 4 octets) makes its file ids differ from those of an earlier session."""

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
        self._bodies: list[list[Body]] = []  # of each request
        self._many: list[bool] = []  # of each request: each row is a message of its own
        self._damaged = False
        self._opened: OpenResponse | None = None
        self._due: float | None = None
        self._close = b""  # transaction id of the close of the last file
        self._unclosed = b""  # the same of a file that was answered completely before its close
        self._telegrams = TelegramReader()

    @property
    def receiving(self) -> bool:
        """True while a telegram is unfinished."""
        return self._telegrams.receiving

    def get_list(self) -> GetListRequest:
        """A request for all values, with this session's credentials."""
        return GetListRequest(self._client_id, username=self._username, password=self._password)

    def get_parameter(self, *path: bytes) -> GetProcParameterRequest:
        """A request for one parameter, with this session's credentials."""
        return GetProcParameterRequest(path, username=self._username, password=self._password)

    def get_profile(
        self, path: Sequence[bytes], begin: Time | None = None, end: Time | None = None, objects: Sequence[bytes] = ()
    ) -> GetProfilePackRequest:
        """A request for the rows from `begin` to `end` in one message, with this session's credentials.

        `objects` names the columns that are wanted; empty means all.
        """
        names = tuple(map(bytes, objects)) or None
        return GetProfilePackRequest(
            tuple(map(bytes, path)), begin, end, None, self._username, self._password, object_list=names
        )

    def get_profile_list(
        self, path: Sequence[bytes], begin: Time | None = None, end: Time | None = None, objects: Sequence[bytes] = ()
    ) -> GetProfileListRequest:
        """The same with one message for each row: `Answers.messages` has all of them."""
        return GetProfileListRequest(*self.get_profile(path, begin, end, objects))

    def send(
        self,
        requests: Sequence[Request],
        now: float,
        *,
        groups: Sequence[int] | None = None,
        abort_on_error: int = AbortOnError.CONTINUE,
    ) -> bytes:
        """The octets of a request file: open, the requests, close. One file at a time.

        `groups` has a number from 1 to 254 for each request, never decreasing, so that a group is together; without it
        each request is a group of its own. `abort_on_error` is the meter's action for the rest if a request fails.
        """
        if self._due is not None:
            raise LocalProtocolError("a request is under way; wait for its answer or for its time-out")
        if groups is None:
            groups = [min(1 + place, _LAST_GROUP) for place in range(len(requests))]
        elif len(groups) != len(requests) or list(groups) != sorted(groups) or not _within(groups):
            raise LocalProtocolError("a group from 1 to 254 for each request, and never a smaller one after a larger")
        closing = min(max(groups, default=0) + 1, _LAST_GROUP)
        self._file = (self._file + 1) & 0xFFFFFFFF
        file_id = self._file.to_bytes(4, "big")
        opening = OpenRequest(self._client_id, file_id, username=self._username, password=self._password, sml_version=1)
        bodies: list[Body] = [opening, *requests, CloseRequest()]
        messages = [
            Message(file_id + index.to_bytes(2, "big"), body, group, abort_on_error)
            for index, (body, group) in enumerate(zip(bodies, [0, *groups, closing], strict=True))
        ]
        self._pending = {message.transaction_id: index - 1 for index, message in enumerate(messages)}
        self._close = messages[-1].transaction_id
        self._pending[self._close] = -2
        self._bodies = [[] for _ in requests]
        self._many = [isinstance(request, GetProfileListRequest) for request in requests]
        self._damaged = False
        self._opened = None
        self._due = now + self._timeout
        return encode_frame(encode_messages(messages, self._crc), self._crc)

    def receive(self, data: bytes) -> list[Event]:
        """Take octets, return the events that they complete."""
        events: list[Event] = []
        for telegram in self._telegrams.receive(data):
            if isinstance(telegram, Refused):
                self._damaged = True
                events.append(telegram)
            elif (event := self._take(telegram.messages)) is not None:
                events.append(event)
        return events

    def deadline(self, now: float) -> float | None:
        """The time when `expire` is due, in the seconds given to `send`; None without a request."""
        return None if self._due is None else max(self._due, now)

    def expire(self, now: float) -> TimedOut | None:
        """Give the request up if its time is over."""
        if self._due is None or now < self._due:
            return None
        self._done()
        return TimedOut(self._timeout)

    def _take(self, messages: Sequence[Message]) -> Answers | Stray | None:
        if messages and isinstance(messages[0].body, OpenRequest):
            return None  # our own request: an optical head may echo it
        attention = None
        matched = closed = False
        for message in messages:
            place = self._pending.get(message.transaction_id)
            if place is None:
                continue
            matched = True
            if place < 0 or not self._many[place]:
                del self._pending[message.transaction_id]
            if place >= 0:
                self._bodies[place].append(message.body)
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
        if not closed and attention is None and not all(map(_complete, self._bodies, self._many)):
            return None  # the meter answers in more than one frame
        first = tuple(found[0] if found else None for found in self._bodies)
        further = tuple(tuple(found[1:]) for found in self._bodies)
        answers = Answers(self._opened, first, attention, further, self._damaged)
        self._unclosed = b"" if closed else self._close
        self._done()
        return answers

    def _done(self) -> None:
        self._pending = {}
        self._due = None


def _complete(found: list[Body], many: bool) -> bool:
    """True if a request is completely answered; after rows only the close shows this."""
    return bool(found) and (not many or isinstance(found[-1], AttentionResponse))


def _within(groups: Sequence[int]) -> bool:
    return all(1 <= group < _LAST_GROUP for group in groups)
