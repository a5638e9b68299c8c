"""The consumer's log book, and who got what."""

from collections.abc import Sequence
from typing import Any

from smgw.han.exchange import Answer, Request
from smgw.han.house import House
from smgw.han.views.pages.frame import framed
from smgw.han.views.pages.rendering import Sight, sight
from smgw.look.language import N_
from smgw.store.file.log_book import Level, LogEntry
from smgw.store.file.log_books import VALUES_SENT
from smgw.store.ranges import Range

_PAGE = 100
_LEVELS = {
    Level.INFO: (N_("information"), "plain"),
    Level.WARNING: (N_("warning"), "bad"),
    Level.ERROR: (N_("error"), "bad"),
    Level.FATAL: (N_("fatal error"), "bad"),
}
_EVENTS = {
    "profile-installed": N_("A profile was installed"),
    "profile-changed": N_("A profile was changed"),
    "profile-ended": N_("A profile has ended"),
    "meter-lost": N_("A meter does not answer"),
    "meter-back": N_("A meter answers again"),
    "decryption-failed": N_("A telegram could not be decrypted"),
    "decryption-good": N_("Telegrams can be decrypted again"),
    "values-missing": N_("Values are missing"),
    "values-complete": N_("Values are complete again"),
    "values-sent": N_("Values were sent"),
    "values-retrieved": N_("Values were retrieved"),
    "period-closed": N_("A billing period was closed"),
    "period-incomplete": N_("A billing period is incomplete"),
    "evaluated-meter-exchanged": N_("A meter was exchanged"),
    "evaluated-unit-changed": N_("A unit has changed"),
    "evaluation-begun": N_("An evaluation has begun"),
    "reading-fell": N_("A reading fell"),
    "event-taken": N_("An event was taken"),
    "login": N_("Login"),
    "login-failed": N_("Wrong login"),
}


def log_book(request: Request, house: House) -> Answer:
    """The own log book, newest entry first."""
    assert request.who is not None
    seen = sight(request, house.now_us())
    entries = house.log(request.who.name, _until(request), _PAGE)
    _ = seen.language.text
    return framed(
        request,
        seen,
        "log.html",
        "/log",
        title=_("My log book"),
        entries=shown(entries, seen),
        older=_older(entries, "/log"),
        note=_("Entries are written in English by the programs of the gateway. Nobody can change them unseen."),
    )


def deliveries(request: Request, house: House) -> Answer:
    """Who may get values, and what was sent."""
    assert request.who is not None
    consumer, seen = request.who.name, sight(request, house.now_us())
    entries = [one for one in house.log(consumer, _until(request)) if one.event == VALUES_SENT][-_PAGE:]
    receivers = [
        {
            "emp": one.grant.who,
            "what": one.grant.meter,
            "at_us": one.last_us,
        }
        for one in house.recipients(consumer)
    ]
    return framed(
        request,
        seen,
        "deliveries.html",
        "/deliveries",
        receivers=receivers,
        entries=shown(entries, seen),
        older=_older(entries, "/deliveries"),
    )


def shown(entries: Sequence[LogEntry], seen: Sight) -> list[dict[str, Any]]:
    """Entries as a page shows them, newest first."""
    found = []
    for one in reversed(entries):
        level, kind = _LEVELS[one.level]
        found.append(
            {
                "at_us": one.utc_us,
                "number": one.number,
                "level": seen.language.text(level),
                "kind": kind,
                "title": seen.language.text(_EVENTS[one.event]) if one.event in _EVENTS else one.event,
                "text": one.subject,
            }
        )
    return found


def _until(request: Request) -> Range:
    """Entries before the time that the query names."""
    text = request.query.get("before", "")
    return Range(0, int(text) if text.isascii() and text.isdigit() and len(text) < 19 else (1 << 62))


def _older(entries: Sequence[LogEntry], path: str) -> str:
    return f"{path}?before={entries[0].utc_us - 1}" if len(entries) == _PAGE else ""
