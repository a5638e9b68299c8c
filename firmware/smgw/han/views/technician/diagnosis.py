"""The pages of a technician. Each takes of the gateway's health what it names, so no reading slips in."""

import html
from collections.abc import Mapping
from typing import Any

from smgw.han.exchange import Answer, Request
from smgw.han.house import House
from smgw.han.views.pages.books import shown
from smgw.han.views.pages.frame import error_answer
from smgw.han.views.pages.gateway import certificate, clock, grouped, self_test
from smgw.han.views.pages.meters import state_text
from smgw.han.views.pages.rendering import Sight, page, sight
from smgw.look.language import N_
from smgw.store.file.log_book import LogEntry

_TABS = (
    ("/technician/", N_("State")),
    ("/technician/meters", N_("Meters")),
    ("/technician/network", N_("Network")),
    ("/technician/log", N_("System log")),
)
_HEALTH = {"healthy": (N_("healthy"), "good"), "degraded": (N_("degraded"), "bad"), "down": (N_("down"), "bad")}
_EMPS = {
    "idle": (N_("idle"), "good"),
    "delivering": (N_("delivers"), "good"),
    "backing-off": (N_("waits after a failure"), "bad"),
    "held": (N_("is held"), "bad"),
}
_ENTRIES = 200
#: The texts of these events can hold a reading. A technician sees that they happened.
WITH_READINGS = frozenset(
    {
        "reading-fell",
        "values-implausible",
        "counter-set",
        "period-closed",
        "period-incomplete",
        "evaluated-meter-exchanged",
        "evaluated-unit-changed",
        "values-sent",
        "values-retrieved",
    }
)


def overview(request: Request, house: House) -> Answer:
    """State in all, processes, storage, clock, certificates, self-test."""
    seen, health = sight(request, house.now_us()), house.around.health()
    _ = seen.language.text
    text, kind = _HEALTH.get(str(health.get("health")), (N_("not known"), "plain"))
    return _framed(
        request,
        seen,
        "technician_state.html",
        "/technician/",
        gateway=str(house.configuration.gateway.device_id),
        firmware=house.firmware(),
        health=_(text),
        health_kind=kind,
        reasons=[str(one) for one in health.get("reasons", ()) if not str(one).startswith("meter ")],
        processes=[
            (name.upper(), _("runs") if runs else _("does not run"), "good" if runs else "bad")
            for name, runs in dict(health.get("processes", {})).items()
        ],
        storage=_storage(health.get("store", {}), seen),
        certificates=_certificates(health.get("trust", {}), seen),
        **clock(house, seen),
        **certificate(house, seen),
        **self_test(house, seen),
    )


def meters(request: Request, house: House) -> Answer:
    """Signs of life and the quality of lines."""
    seen, health = sight(request, house.now_us()), house.around.health()
    found = [_meter(one, seen) for one in health.get("meters", ())]
    return _framed(request, seen, "technician_meters.html", "/technician/meters", meters=found)


def network(request: Request, house: House) -> Answer:
    """EMPs and time servers."""
    seen, health = sight(request, house.now_us()), house.around.health()
    time = dict(health.get("clock", {}))
    return _framed(
        request,
        seen,
        "technician_network.html",
        "/technician/network",
        emps=[_emp(one, seen) for one in health.get("emps", ())],
        sources=[_source(one, seen) for one in time.get("sources", ())]
        + [_silent(one, seen) for one in time.get("silent", ())],
        listen=str(house.configuration.han.listen) if house.configuration.han is not None else "",
    )


def system_log(request: Request, house: House) -> Answer:
    """The system log, without texts that can hold a reading."""
    seen = sight(request, house.now_us())
    _ = seen.language.text
    return _framed(
        request,
        seen,
        "log.html",
        "/technician/log",
        title=_("System log"),
        entries=shown([_without_readings(one) for one in house.around.system_log(_ENTRIES)], seen),
        older="",
        note=_("Texts that can hold a reading are left out here: readings belong to the consumer."),
    )


def missing(request: Request, house: House) -> Answer:
    """There is no such page."""
    return error_answer(request, 404, house.now_us())


def _framed(request: Request, seen: Sight, template: str, tab: str, **variables: Any) -> Answer:
    _ = seen.language.text
    tabs = [(link, _(text)) for link, text in _TABS]
    around: dict[str, Any] = {"tabs": tabs, "tab": tab, "home": "/technician/", "brand": _("technician"), "leave": ""}
    return page(request, seen, template, **around, **variables)


def _without_readings(entry: LogEntry) -> LogEntry:
    return entry._replace(subject="") if entry.event in WITH_READINGS else entry


def _storage(store: Mapping[str, Any], seen: Sight) -> list[tuple[str, str]]:
    _ = seen.language.text
    if not store:
        return []
    size = seen.language.decimal(f"{int(store['octets']) // 100_000 / 10:.1f}")
    told = [(_("Size of the database"), f"{size} MB"), (_("Store id"), str(store["store_id"]))]
    lost = dict(store.get("lost", {}))
    told.append((_("Lost rows"), ", ".join(f"{name}: {count}" for name, count in lost.items()) or _("none")))
    if store.get("salvage"):
        told.append((_("Salvage"), _("a damaged file is being copied")))
    return [(name, html.escape(text)) for name, text in told]


def _certificates(trust: Mapping[str, Any], seen: Sight) -> list[dict[str, Any]]:
    _ = seen.language.text
    found = []
    for one in trust.get("certificates", ()):
        days = int(one["days_left"])
        state = _("has ended") if days < 0 else _("%(days)s days left") % {"days": days}
        urgent = days < 0 or one.get("ends_within_days") is not None
        found.append(
            {
                "subject": one["subject"],
                "use": f"{one['kind']} {one['use']}",
                "until": one["until_us"],
                "state": state,
                "kind": "bad" if urgent else "good",
                "fingerprint": grouped(one["fingerprint"])[:23],
            }
        )
    return found


def _meter(one: Mapping[str, Any], seen: Sight) -> dict[str, Any]:
    """Of all that is known of a meter what is no reading."""
    good, refused = int(one.get("good", 0)), int(one.get("refused", 0))
    whole = good + refused
    share = f"{good * 1000 // whole / 10:.1f} %" if whole else "–"
    is_read = one.get("state") == "reading"
    return {
        "name": one["name"],
        "device": one.get("device") or "–",
        "port": one["port"],
        "state": state_text(str(one.get("state", "")), seen.language),
        "kind": "good" if is_read else "bad",
        "since": one.get("since_us"),
        "last": one.get("last_capture_us"),
        "good": seen.language.number(good),
        "refused": seen.language.number(refused),
        "share": seen.language.percent(share),
        "share_kind": "good" if whole and refused * 50 <= whole else "bad" if whole else "plain",
        "note": _without_remark(str(one.get("note", "")), str(one.get("remark", ""))),
    }


def _without_remark(note: str, remark: str) -> str:
    """A remark is about values, and can name one. The note of a meter ends with it."""
    return note.removesuffix(remark).rstrip("; ") if remark else note


def _emp(one: Mapping[str, Any], seen: Sight) -> dict[str, Any]:
    text, kind = _EMPS.get(str(one.get("state")), (N_("not known"), "plain"))
    return {
        "name": one["name"],
        "url": one["url"],
        "state": seen.language.text(text),
        "kind": kind,
        "detail": one.get("detail", ""),
        "last": one.get("last_ack_us"),
        "backlog": seen.language.number(int(one.get("backlog", 0))),
        "retry": one.get("retry_at_us"),
    }


def _source(one: Mapping[str, Any], seen: Sight) -> dict[str, Any]:
    _ = seen.language.text
    agrees = bool(one.get("agrees"))
    return {
        "name": str(one["source"]),
        "state": _("agrees") if agrees else _("does not agree"),
        "kind": "good" if agrees else "bad",
        "detail": _("authenticated") if one.get("authenticated") else "",
    }


def _silent(one: Mapping[str, Any], seen: Sight) -> dict[str, Any]:
    silent = seen.language.text(N_("does not answer"))
    return {"name": str(one["source"]), "state": silent, "kind": "bad", "detail": str(one["reason"])}
