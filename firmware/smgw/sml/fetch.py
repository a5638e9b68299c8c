"""Fetches a range of a load profile in pieces, with any number of interruptions.

    fetch = ProfileFetch((LOAD_PROFILE,), begin, end)
    while (request := fetch.request(client)) is not None:
        ...the caller sends it, waits for the client's Answers, asks again after a time-out or on a new connection...
        for part in fetch.take(answers):
            ...store part.rows...

An incomplete answer is not used, and a missing answer changes nothing: the same piece is requested again. After rows,
the next piece begins after the newest of them, so a meter that gives fewer rows than requested is asked for the rest.
Only an answer without a new row proves that there is none. A missing row stays a gap: no row is invented, and the fetch
continues after it.
"""

from collections.abc import Sequence
from enum import Enum
from itertools import groupby
from typing import NamedTuple

from smgw.errors import LocalProtocolError, RemoteProtocolError
from smgw.sml.attention import AttentionCode, attention_code, explain
from smgw.sml.client import Answers, Client
from smgw.sml.messages import (
    AttentionResponse,
    Body,
    GetProfileListRequest,
    GetProfileListResponse,
    GetProfilePackRequest,
    GetProfilePackResponse,
    OtherBody,
    Time,
)
from smgw.sml.profiles import LoadProfile, Row, from_list, from_pack, same_clock

_HOUR_S = 3600
_SHORTEST_S = 2  # after a piece without rows, the next one begins at its last second, and must not end there
_SMALLEST_S = 900  # a refused range is not halved below this, or below the period if it is known


class ProfileError(RemoteProtocolError):
    """The answer holds no profile."""


class ProfileIncomplete(ProfileError):  # noqa: N818 - named for what came
    """A part of the answer was damaged or missing: request the same piece again."""


class ProfileRefused(ProfileError):  # noqa: N818 - the meter's answer, as the meter means it
    """The meter answered with an attention."""

    def __init__(self, attention: AttentionResponse) -> None:
        super().__init__(f"the meter refuses: {explain(attention.number)}")
        self.code = attention_code(attention.number)


class ProfileUnsupported(ProfileRefused):
    """The meter does not support this kind of request: try the other `Form`."""


class ProfileUnknown(ProfileRefused):
    """The meter lacks this profile, or the profile lacks a column."""


class ProfileAccessRefused(ProfileRefused):
    """User or password are wrong, or have no right to this profile."""


class ProfileBusy(ProfileRefused):
    """The meter is busy: ask again later."""


_REFUSALS: dict[AttentionCode | int | None, type[ProfileRefused]] = {
    AttentionCode.UNEXPECTED_MESSAGE: ProfileUnsupported,
    AttentionCode.UNKNOWN_DESIGNATOR: ProfileUnknown,
    AttentionCode.UNKNOWN_OBJECT: ProfileUnknown,
    AttentionCode.USER_OR_PASSWORD: ProfileAccessRefused,
    AttentionCode.NOT_READABLE: ProfileAccessRefused,
    AttentionCode.BUSY: ProfileBusy,
    AttentionCode.COMMUNICATION_DISTURBED: ProfileBusy,
}


class Form(Enum):
    """The kinds of request for rows."""

    PACK = "one message"
    LIST = "a message a row"


class Progress(NamedTuple):
    """The progress of a fetch: all rows up to `until` were requested and taken; None before the first answer."""

    rows: int
    until: Time | None


class ProfileFetch:
    """The rows from `begin` to `end`, both inclusive: seconds of operation (choice 1) or Unix seconds, UTC (choice 2).

    A piece covers at most `hours`, and at most `rows` once the profile's period is known. `after` is the time of the
    last row of an earlier fetch: this row and earlier ones are not returned again.
    """

    def __init__(
        self,
        path: Sequence[bytes],
        begin: Time,
        end: Time,
        *,
        form: Form = Form.PACK,
        hours: int = 24,
        rows: int = 100,
        objects: Sequence[bytes] = (),
        after: Time | None = None,
    ) -> None:
        if not same_clock(begin, end) or (after is not None and not same_clock(begin, after)):
            raise LocalProtocolError("a range of a profile is given on one clock")
        if end.seconds < begin.seconds or hours < 1 or rows < 1:
            raise LocalProtocolError("a range ends after it begins, and a piece has an hour and a row at least")
        self._path = tuple(path)
        self._objects = tuple(objects)
        self._form = form
        self._clock = Time(1 if begin.choice == 1 else 2, 0)
        self._end = end.seconds
        self._span = hours * _HOUR_S
        self._most_rows = rows
        self._period = 0
        self._last = -1 if after is None else after.seconds  # time of the newest row that the caller has
        self._position = max(begin.seconds, self._last + 1)  # begin of the next piece
        self._asked: int | None = None  # end of the requested piece
        self._rows = 0
        self._until = after

    @property
    def done(self) -> bool:
        """True once the range was read to its end."""
        return self._position > self._end

    @property
    def progress(self) -> Progress:
        """The progress."""
        return Progress(self._rows, self._until)

    def request(self, client: Client) -> GetProfilePackRequest | GetProfileListRequest | None:
        """The request for the next piece, the same one until it is answered; None when all is fetched."""
        if self.done:
            return None
        self._asked = min(self._end, self._position + self._piece_s() - 1)
        build = client.get_profile if self._form is Form.PACK else client.get_profile_list
        begin, end = self._clock._replace(seconds=self._position), self._clock._replace(seconds=self._asked)
        return build(self._path, begin, end, self._objects)

    def take(self, answers: Answers, place: int = 0) -> list[LoadProfile]:
        """The new rows in the answer, oldest first, in parts with the same columns; empty if there are none.

        `place` is the place of the request in its file. Raises ProfileError; then nothing is taken, and `request` gives
        the same piece again. LocalProtocolError without a request.
        """
        if self._asked is None:
            raise LocalProtocolError("no piece of the profile has been asked")
        if answers.attention is not None:
            raise _refusal(answers.attention)
        messages = answers.messages(place)
        if not messages:
            raise ProfileIncomplete("no answer came to the request for the profile")
        if answers.damaged and self._form is Form.LIST:
            raise ProfileIncomplete("a damaged frame came with the rows of the profile")
        if isinstance(messages[-1], AttentionResponse):
            if self._ends_here(messages[-1]):
                return []
            messages = messages[:-1]
        parts = self._new(_parts(messages))
        self._move(parts, self._asked)
        return parts

    def _piece_s(self) -> int:
        by_rows = self._most_rows * self._period if self._period else self._span
        return max(_SHORTEST_S, min(self._span, by_rows))

    def _ends_here(self, attention: AttentionResponse) -> bool:
        """True if the attention ends this piece: the whole profile is empty, or the piece is too large.

        False if it only says that the range has no further row.
        """
        code = attention_code(attention.number)
        if code is AttentionCode.NO_ENTRY_IN_RANGE:
            return False
        if code is AttentionCode.NO_PROFILE_ENTRY:
            self._position = self._end + 1
            self._until = self._clock._replace(seconds=self._end)
        elif code is AttentionCode.RANGE and self._piece_s() > max(self._period or _SMALLEST_S, _SHORTEST_S):
            self._span = self._piece_s() // 2
        else:
            raise _refusal(attention)
        self._asked = None
        return True

    def _new(self, parts: Sequence[LoadProfile]) -> list[LoadProfile]:
        """The requested rows that the caller does not have, by time (some meters send the newest first)."""
        assert self._asked is not None
        found = [(row, part) for part in parts for row in part.rows]
        if not all(same_clock(row.time, self._clock) for row, _ in found):
            raise ProfileError("the rows do not tell their time on the clock that they were asked by")
        found.sort(key=lambda pair: pair[0].time.seconds)
        seen = set()
        fresh: list[tuple[Row, LoadProfile]] = []
        for row, part in found:
            if not max(self._position, self._last + 1) <= row.time.seconds <= self._asked:
                continue
            # Without its signature, which may differ each time. Two different rows with the same time are both kept: a
            # meter records them when its clock is set back.
            content = (row.time.seconds, row.status, row.values)
            if content in seen:
                continue
            seen.add(content)
            fresh.append((row, part))
        if parts and parts[0].period:
            self._period = parts[0].period
        return [
            part._replace(rows=tuple(row for row, _ in pairs))
            for part, pairs in groupby(fresh, key=lambda pair: pair[1])
        ]

    def _move(self, parts: Sequence[LoadProfile], asked: int) -> None:
        """The begin of the next piece."""
        self._asked = None
        if not parts:
            # From its last second again, since a meter may omit the end of a range; but not the end of the whole range.
            self._position = asked if asked < self._end else asked + 1
            self._until = self._clock._replace(seconds=asked)
            return
        self._rows += sum(len(part.rows) for part in parts)
        newest = parts[-1].rows[-1].time
        self._last, self._until = newest.seconds, newest
        self._position = newest.seconds + 1


def _parts(messages: Sequence[Body]) -> list[LoadProfile]:
    packs = [from_pack(body) for body in messages if isinstance(body, GetProfilePackResponse)]
    rows = [body for body in messages if isinstance(body, GetProfileListResponse)]
    if len(packs) + len(rows) != len(messages):
        strange = next(
            body for body in messages if not isinstance(body, GetProfilePackResponse | GetProfileListResponse)
        )
        reason = strange.reason if isinstance(strange, OtherBody) else type(strange).__name__
        raise ProfileError(f"an answer of another kind: {reason}")
    return packs + from_list(rows)


def _refusal(attention: AttentionResponse) -> ProfileRefused:
    return _REFUSALS.get(attention_code(attention.number), ProfileRefused)(attention)
