"""A load profile fetched by range, in pieces, with as many breaks as the line may have.

    fetch = ProfileFetch((LOAD_PROFILE,), begin, end)
    while (request := fetch.request(client)) is not None:
        ...the caller sends it, waits for the client's Answers, asks again after a time-out or on a new connection...
        for part in fetch.take(answers):
            ...keep part.rows...

Nothing is taken of an answer that is not whole, and an answer that never comes changes nothing: the same piece is
asked again. After rows, the next piece begins behind the newest of them, so that a meter which gives fewer rows than it
was asked for is asked for the rest; only an answer without a new row is proof that there is none. What a profile lacks
stays a gap: no row is invented, and the fetch goes on behind it.
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
_SHORTEST_S = 2  # a piece without a row is followed by one that begins at its last second: it must not end there, too
_SMALLEST_S = 900  # a refused range is not halved below this, or below the period where that is known


class ProfileError(RemoteProtocolError):
    """What came is no answer that a profile can be read from."""


class ProfileIncomplete(ProfileError):  # noqa: N818 - named for what came
    """Part of the answer was damaged or did not come: ask the same piece again."""


class ProfileRefused(ProfileError):  # noqa: N818 - the meter's answer, as the meter means it
    """The meter answered with an attention."""

    def __init__(self, attention: AttentionResponse) -> None:
        super().__init__(f"the meter refuses: {explain(attention.number)}")
        self.code = attention_code(attention.number)


class ProfileUnsupported(ProfileRefused):
    """The meter does not know this kind of request: try the other `Form`, or none."""


class ProfileUnknown(ProfileRefused):
    """The meter has no such profile, or the profile no such column."""


class ProfileAccessRefused(ProfileRefused):
    """User or password are wrong, or do not suffice for this profile."""


class ProfileBusy(ProfileRefused):
    """The meter cannot now: ask again later."""


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
    """How the rows are asked for."""

    PACK = "one message"
    LIST = "a message a row"


class Progress(NamedTuple):
    """How far a fetch has come: everything up to `until` has been asked and taken; None before the first answer."""

    rows: int
    until: Time | None


class ProfileFetch:
    """The rows from `begin` to `end`, both inclusive: seconds of operation (choice 1) or Unix seconds, UTC (choice 2).

    A piece covers at most `hours`, and at most `rows` of the profile's period once an answer has told it. `after` is
    the time of the last row that an earlier fetch gave: it and all before it do not come again.
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
        self._position = max(begin.seconds, self._last + 1)  # where the next piece begins
        self._asked: int | None = None  # where the piece that was asked ends
        self._rows = 0
        self._until = after

    @property
    def done(self) -> bool:
        """True once the range has been asked to its end."""
        return self._position > self._end

    @property
    def progress(self) -> Progress:
        """How far this has come."""
        return Progress(self._rows, self._until)

    def request(self, client: Client) -> GetProfilePackRequest | GetProfileListRequest | None:
        """The request for the next piece, the same one until it was answered; None when all has been fetched."""
        if self.done:
            return None
        self._asked = min(self._end, self._position + self._piece_s() - 1)
        build = client.get_profile if self._form is Form.PACK else client.get_profile_list
        begin, end = self._clock._replace(seconds=self._position), self._clock._replace(seconds=self._asked)
        return build(self._path, begin, end, self._objects)

    def take(self, answers: Answers, place: int = 0) -> list[LoadProfile]:
        """The new rows in the answer, oldest first, in parts with the same columns; empty if there are none.

        `place` is where the request stood in its file. Raises ProfileError, and then nothing has been taken: `request`
        gives the same piece again. LocalProtocolError if nothing was asked.
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
        """True if the attention is all there is to take: the whole profile is empty, or the piece asked too large.

        False if it says no more than that the range has no further row.
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
        """The rows asked for that the caller does not have, by time (some meters answer the newest first)."""
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
            # Not its signature, which may be another each time. Two different rows with one time are both kept: they
            # are what a meter records when its clock is set back.
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
        """Where the next piece begins."""
        self._asked = None
        if not parts:
            # From its last second again, since a meter may leave out the end of a range; but not the end of all.
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
