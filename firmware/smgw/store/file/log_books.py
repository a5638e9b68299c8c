"""Which event goes into which log book, and the numbers that gateways in the field give to events.

A gateway has a system log, a calibration log and one consumer log for each consumer (TR-03109-1). Which event goes into
which book is not public: this table is ours. Names and numbers of the field are those of deployed gateways, as far as
they are known. Each process has books of its own in its database. Readers merge them.
"""

from collections.abc import Collection, Iterable

from smgw.cosem.reading import Stamp
from smgw.store.file.log_book import Level, Note

SYSTEM = "system"
CALIBRATION = "calibration"
_CONSUMER = "consumer "

_CLOCK = "clock-"
_PROFILE = ("profile-installed", "profile-changed", "profile-ended")
#: The case of the gateway, and what a meter reports of itself: raised and cleared.
_METER_FAULTS = {
    "case-opened": 10001,
    "case-closed": 10002,
    "magnet-found": 10003,
    "magnet-gone": 10004,
    "phase-order-wrong": 10006,
    "phase-order-right": 10007,
    "battery-low": 10009,
    "battery-good": 10010,
    "temperature-high": 10011,
    "temperature-good": 10012,
    "tamper-found": 10013,
    "tamper-gone": 10014,
}
_METER_STATES = {
    "meter-lost": 2005,
    "meter-back": 2006,
    "decryption-failed": 2019,
    "decryption-good": 2020,
    "values-missing": 2023,
    "values-complete": 2024,
}
VALUES_SENT = "values-sent"
#: Logins at the HAN, and what was changed of them.
LOGIN_MADE, LOGIN_FAILED, LOGIN_LOCKED = "login-made", "login-failed", "login-locked"
_LOGINS = (LOGIN_MADE, LOGIN_FAILED, LOGIN_LOCKED, "account-changed")
#: Event -> its number in the field. Other events have none.
NUMBERS = {**_METER_FAULTS, **_METER_STATES, VALUES_SENT: 16001}
#: Event -> the maker whose number it is, where it is not a gateway's own.
VENDORS = {VALUES_SENT: "BSI"}

_IN_CALIBRATION = frozenset(
    {
        *_PROFILE,
        *_METER_FAULTS,
        "disk-full",
        "disk-room-again",
        "store-salvaged",
        "salvage-ended",
        "log-broken",
        "firmware-ready",
        "firmware-active",
        "firmware-failed",
        "self-test",
        "fatal-error",
    }
)
_IN_CONSUMERS = frozenset(
    {
        *_PROFILE,
        *_METER_FAULTS,
        *_METER_STATES,
        "period-closed",
        "period-incomplete",
        "evaluated-meter-exchanged",
        "evaluated-unit-changed",
        "evaluation-begun",
        "reading-fell",
        VALUES_SENT,
        "values-retrieved",
        "event-taken",
        *_LOGINS,
    }
)
_NOT_IN_SYSTEM = frozenset({VALUES_SENT})


def consumer_book(name: str) -> str:
    """The book of a consumer."""
    return _CONSUMER + name


def consumer_of(book: str) -> str:
    """Whose book it is; empty for a book that is no consumer's."""
    return book[len(_CONSUMER) :] if book.startswith(_CONSUMER) else ""


def books_of(event: str, consumers: Collection[str] = ()) -> list[str]:
    """The books that an event goes into, if it concerns these consumers."""
    books = [] if event in _NOT_IN_SYSTEM else [SYSTEM]
    if event in _IN_CALIBRATION or event.startswith(_CLOCK):
        books.append(CALIBRATION)
    if event in _IN_CONSUMERS:
        books += map(consumer_book, consumers)
    return books


def notes(
    event: str,
    level: Level,
    text: str,
    stamp: Stamp,
    *,
    outcome: bool = True,
    identity: str = "",
    consumers: Iterable[str] = (),
) -> list[Note]:
    """The entries of an event, one for each of its books."""
    return [
        Note(book, event, level, outcome, text, stamp, identity, consumer_of(book))
        for book in books_of(event, tuple(consumers))
    ]
