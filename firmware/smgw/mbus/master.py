"""The master of a line, sans-IO: who is asked what, and what to make of an answer or of none (EN 13757-2, EN 13757-3).

A procedure is a generator: it yields a `Request` and is sent what came back, a `Frame` or an `Answer`. So one driver
serves all of them, and tests need no time.

FCB      after NKE, and after a selection, the first request has it set; it toggles after a good answer and stays
         the same after silence or damage, so that a slave repeats a telegram which was lost, and only then
select   a slave with the secondary address (id, maker, version, medium) listens to address 253 until another selection
         does not match; digits F, and octets FF behind the id, are wildcards. The fabrication number may be appended,
         as a record 0C 78: it tells meters apart that have all else in common
"""

from collections.abc import Generator, Iterable, Iterator
from enum import Enum
from typing import NamedTuple, TypeVar

from smgw.errors import RemoteProtocolError
from smgw.mbus.frame import Frame, FrameDecoder
from smgw.mbus.requests import Short
from smgw.mbus.telegram import LONG, Identity, Telegram, identity_of, maker_octets, read_telegram

ACKNOWLEDGED = 0xE5
SELECTED, TEST = 253, 254
NORMALISE, SEND, REQUEST = 0x40, 0x53, 0x5B  # control fields, without FCB
_FCB = 0x20
SELECT, RESET = 0x52, 0x50
FABRICATION = b"\x0c\x78"  # head of the record with the fabrication number
_FROM_SLAVE = 0x08
_MOST_TELEGRAMS = 16
_HEADER = 12
_SCAN_RETRIES = 2
#: Two meters that differ in version alone need some 600 requests; noise would be searched for ever.
_MOST_FRUITLESS = 2000
_DIGITS, _LETTERS, _WILD = "0123456789", "ABCDE", "F"
_ID_DIGITS = 8
_COLLIDE = 2  # meters that it takes for a collision
#: How meters with equal ids are told apart, the most frequent first.
_COMMON_MEDIA = (4, 6, 7, 2, 3, 8, 12, 13, 10, 11, 21, 22, 0, 1, 5, 9, 14, 15, 26, 27, 55)
_KNOWN_MAKERS = (
    "ABB", "ACW", "AMT", "APA", "BMT", "DME", "EFE", "ELS", "ELV", "EMH", "EMU", "ESY", "GMC", "HYD", "INV", "ISK",
    "ITW", "KAM", "LSE", "LUG", "MAD", "NZR", "PAD", "QDS", "RAM", "REL", "SEN", "SIE", "SLB", "SON", "SPX", "SVM",
    "TCH", "TEC", "WEP", "ZRI", "ZRM",
)  # fmt: skip
#: Level converters and colliding slaves send such octets before an answer.
_NOISE = b"\x00\x80\xc0\xe0\xf0\xf8\xfc\xfd\xfe\xff"


class Answer(Enum):
    """What came back, if it was no frame."""

    SILENCE = "no answer"
    ACKNOWLEDGE = "an acknowledgement"
    DAMAGED = "a damaged answer, or several meters at once"


class Request(NamedTuple):
    """Octets to send."""

    octets: bytes
    wants_frame: bool  # a frame is expected, else an acknowledgement
    brief: bool = False  # no answer is usual: no longer wait than a meter may take


class SilentError(RemoteProtocolError):
    """No answer at all."""


class DamagedError(RemoteProtocolError):
    """Octets came, but no right answer: noise, or several meters at once."""


class Secondary(NamedTuple):
    """A secondary address, with wildcards."""

    id: str = "FFFFFFFF"
    maker: bytes = b"\xff\xff"
    version: int = 0xFF
    medium: int = 0xFF
    fabrication: str = ""  # eight digits; "": it is not asked for

    @classmethod
    def of(cls, identity: Identity) -> "Secondary":
        """That of one meter."""
        octets = identity.octets
        return cls(identity.id, octets[4:6], octets[6], octets[7])

    @property
    def octets(self) -> bytes:
        """As they go over the line."""
        return bytes.fromhex(self.id)[::-1] + self.maker + bytes((self.version, self.medium))

    @property
    def selection(self) -> bytes:
        """The data of the request that selects it."""
        return self.octets + (FABRICATION + bytes.fromhex(self.fabrication)[::-1] if self.fabrication else b"")

    def matches(self, octets: bytes) -> bool:
        """True if a meter with these eight octets is meant, by all but the fabrication number."""
        wanted = self.octets
        digits = zip(wanted[:4].hex(), octets[:4].hex(), strict=True)
        if any(one not in ("f", other) for one, other in digits):
            return False
        return self.maker in (b"\xff\xff", octets[4:6]) and all(
            one in (0xFF, other) for one, other in zip(wanted[6:], octets[6:], strict=True)
        )

    def __str__(self) -> str:
        return self.octets[3::-1].hex().upper() + self.octets[4:].hex().upper()

    @classmethod
    def parse(cls, text: str) -> "Secondary":
        """Read 8 or 16 hex digits: the id as printed on the meter, then maker, version and medium. ValueError."""
        if len(text) == _ID_DIGITS:
            text += "FFFFFFFF"
        octets = bytes.fromhex(text)
        if len(octets) != _ID_DIGITS or len(text) != 2 * _ID_DIGITS:
            raise ValueError("a secondary address has 8 or 16 hex digits")
        return cls(octets[:4].hex().upper(), octets[4:6], octets[6], octets[7])


Address = int | Secondary


class Found(NamedTuple):
    """A meter that a search found. `telegram` is None if it answers a selection, but no request."""

    address: Address
    telegram: Telegram | None
    remark: str = ""


Result = TypeVar("Result")
#: Yields requests, and in a search meters; is sent what came back, and nothing for a meter.
Procedure = Generator[Request | Found, Frame | Answer | None, Result]


def normalise(address: int) -> Request:
    """NKE: a meter acknowledges it and begins anew. To 253: no meter is selected any more."""
    return Request(Short(NORMALISE, address).encode(), wants_frame=False, brief=address == SELECTED)


def select(address: Secondary) -> Request:
    """Selects the meters with this secondary address; they acknowledge it."""
    return Request(Frame(SEND, SELECTED, SELECT, address.selection).encode(), wants_frame=False)


def judge(request: Request, octets: bytes) -> Frame | Answer | None:
    """What the octets since a request are; None: perhaps more will come. One exact echo of the request is dropped."""
    if octets.startswith(request.octets):
        octets = octets[len(request.octets) :]
    elif request.octets.startswith(octets):
        return None
    if request.wants_frame:
        for event in FrameDecoder().receive(octets):
            if isinstance(event, Frame) and event.control & 0x4F == _FROM_SLAVE:
                return event
        return None
    return Answer.ACKNOWLEDGE if octets.lstrip(_NOISE) == b"\xe5" else None


def ended(request: Request, octets: bytes) -> Answer:
    """What octets are if no more come and `judge` found nothing."""
    rest = octets.removeprefix(request.octets).strip(_NOISE)
    if request.wants_frame and rest == b"\xe5":  # a slave without data
        return Answer.ACKNOWLEDGE
    return Answer.DAMAGED if rest else Answer.SILENCE


class Master:
    """Requests to one meter at a time. `retries`: how often a request is repeated. `key`: of a meter that encrypts."""

    def __init__(self, retries: int = 2, key: bytes | None = None) -> None:
        self.retries = retries
        self._key = key
        self.gave_up = False  #: the search found only damaged answers for too long
        self._fcb = True
        self._fruitless = 0  # requests of a search since a meter was found

    def read(
        self, address: Address, subcode: int | None = None, most: int = _MOST_TELEGRAMS
    ) -> Procedure[list[Telegram]]:
        """All telegrams of a meter, at most `most`. `subcode` selects an application, such as 0x50 for a short answer.

        Raises SilentError, DamagedError, ApplicationError or another RemoteProtocolError.
        """
        yield from self.begin(address)
        station = SELECTED if isinstance(address, Secondary) else address
        if subcode is not None:
            yield from self._acknowledged(self._send(station, RESET, bytes((subcode,))))
            self._fcb = not self._fcb
        return (yield from self._telegrams(station, most))

    def begin(self, address: Address) -> Procedure[None]:
        """Normalise the link, and select the meter if it has a secondary address."""
        if isinstance(address, Secondary):
            yield from self.deselect()
            yield from self._acknowledged(select(address))
        else:
            yield from self._acknowledged(normalise(address))
        self._fcb = True

    def deselect(self) -> Procedure[None]:
        """No meter is selected afterwards. Whether one acknowledges it does not matter."""
        yield normalise(SELECTED)

    def search_primary(self, addresses: Iterable[int]) -> Procedure[None]:
        """Meters by primary address, one found at a time."""
        for address in addresses:
            answer = yield from self._patiently(normalise(address))
            if answer is Answer.SILENCE:
                continue
            self._fcb = True
            try:
                (telegram,) = yield from self._telegrams(address, 1)
            except DamagedError:
                yield Found(address, None, "several meters have this address; ask them by their secondary address")
            except RemoteProtocolError as error:
                yield Found(address, None, str(error))
            else:
                yield Found(address, telegram)

    def search(self) -> Procedure[None]:
        """Meters by secondary address: a tree over the digits of the id, then medium, version, maker, fabrication."""
        yield from self.deselect()
        yield from self._search(Secondary(), 0)

    def _search(self, mask: Secondary, digits: int) -> Procedure[int]:
        """Those behind a mask; their number. Letters in an id are tried where digits do not explain a collision."""
        self.gave_up = self._fruitless > _MOST_FRUITLESS
        if self.gave_up:
            return 0
        answer = yield from self._patiently(select(mask))
        if answer is Answer.SILENCE:
            return 0
        found = None
        if answer is Answer.ACKNOWLEDGE:
            self._fcb = True
            found = yield from self._patiently(self._ask(SELECTED))
        if isinstance(found, Frame):
            identity = _identity(found)
            exact = Secondary.of(identity)._replace(fabrication=mask.fabrication) if identity else mask
            if (yield from self._is_alone(mask, exact)):
                self._fruitless = 0
                try:
                    yield Found(exact, read_telegram(found))
                except RemoteProtocolError as error:
                    yield Found(exact, None, str(error))
                return 1
        count = 0
        for below in _narrower(mask, digits):
            count += yield from self._search(below, digits + 1)
        if count < _COLLIDE and digits < _ID_DIGITS:
            for letter in _LETTERS:
                below = mask._replace(id=mask.id[:digits] + letter + mask.id[digits + 1 :])
                count += yield from self._search(below, digits + 1)
        if not count and answer is Answer.ACKNOWLEDGE and digits >= _ID_DIGITS:
            yield Found(mask, None, "it acknowledges, and gives no data; or several meters cannot be told apart")
            return 1
        return count

    def _is_alone(self, mask: Secondary, exact: Secondary) -> Procedure[bool]:
        """True if the meter of an answer exists. Answers of several that overlap exactly can look like one of another.

        A meter without an identity in its answer is known by the mask alone.
        """
        if exact == mask:
            return True
        if not mask.matches(exact.octets):
            return False
        answer = yield from self._patiently(select(exact))
        if answer is not Answer.ACKNOWLEDGE:
            return False
        self._fcb = True
        again = yield from self._patiently(self._ask(SELECTED))
        if not isinstance(again, Frame):
            return False
        identity = _identity(again)
        return identity is not None and Secondary.of(identity).octets == exact.octets

    def _patiently(self, request: Request) -> Procedure[Frame | Answer]:
        """What comes in the end: a damaged answer is asked for again, and so is none, once."""
        answer: Frame | Answer | None = Answer.SILENCE
        for place in range(_SCAN_RETRIES + 1):
            self._fruitless += 1
            answer = yield request
            good = isinstance(answer, Frame) or (answer is Answer.ACKNOWLEDGE and not request.wants_frame)
            if good or (answer is Answer.SILENCE and place):
                break
        assert answer is not None
        return answer

    def _telegrams(self, station: int, most: int) -> Procedure[list[Telegram]]:
        found: list[Telegram] = []
        seen: set[bytes] = set()
        while len(found) < most:
            frame = yield from self._frame(self._ask(station), station)
            self._fcb = not self._fcb
            telegram = read_telegram(frame, self._key)
            content = frame.data[_HEADER:] if frame.control_information == LONG else frame.data
            if content in seen:  # the meter begins anew
                break
            seen.add(content)
            found.append(telegram)
            if not telegram.more:
                break
        return found

    def _frame(self, request: Request, station: int) -> Procedure[Frame]:
        """The frame that answers; a foreign one counts as damage."""
        wrong: RemoteProtocolError = SilentError("no answer")
        for _ in range(self.retries + 1):
            answer = yield request
            if isinstance(answer, Frame):
                if station in (SELECTED, TEST) or answer.address == station:
                    return answer
                wrong = DamagedError(f"address {answer.address} answers instead of {station}")
            elif answer is Answer.ACKNOWLEDGE:
                wrong = DamagedError("it acknowledges and has no data; its address may be that of a repeater")
            elif answer is Answer.DAMAGED:
                wrong = DamagedError("a damaged answer: noise, another speed or parity, or two meters at one address")
        raise wrong

    def _acknowledged(self, request: Request) -> Procedure[None]:
        wrong: RemoteProtocolError = SilentError("no answer")
        for _ in range(self.retries + 1):
            answer = yield request
            if answer is Answer.ACKNOWLEDGE:
                return
            if answer is not Answer.SILENCE:
                wrong = DamagedError("no acknowledgement, but other octets: noise, or several meters at one address")
        raise wrong

    def _ask(self, station: int) -> Request:
        return Request(Short(REQUEST | (_FCB if self._fcb else 0), station).encode(), wants_frame=True)

    def _send(self, station: int, information: int, data: bytes) -> Request:
        control = SEND | (_FCB if self._fcb else 0)
        return Request(Frame(control, station, information, data).encode(), wants_frame=False)


def _identity(frame: Frame) -> Identity | None:
    if frame.control_information != LONG or len(frame.data) < _HEADER:
        return None
    return identity_of(frame.data[:8])


def _narrower(mask: Secondary, digits: int) -> Iterator[Secondary]:
    """The masks below a mask: the next digit, then media, versions, makers, digits of the fabrication number."""
    if digits < _ID_DIGITS:
        for digit in _DIGITS:
            yield mask._replace(id=mask.id[:digits] + digit + mask.id[digits + 1 :])
    elif mask.medium == 0xFF:
        for medium in _COMMON_MEDIA:
            yield mask._replace(medium=medium)
    elif mask.version == 0xFF:
        for version in range(0xFF):
            yield mask._replace(version=version)
    elif mask.maker == b"\xff\xff":
        for maker in _KNOWN_MAKERS:
            yield mask._replace(maker=maker_octets(maker))
    elif len(known := mask.fabrication.rstrip(_WILD)) < _ID_DIGITS:
        for digit in _DIGITS:
            yield mask._replace(fabrication=(known + digit).ljust(_ID_DIGITS, _WILD))
