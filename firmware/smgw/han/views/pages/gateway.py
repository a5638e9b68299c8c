"""The gateway itself: clock, certificate, firmware, self-test. The same for every consumer."""

from typing import Any

from smgw.cosem import ClockState
from smgw.han.exchange import Answer, Request
from smgw.han.house import House
from smgw.han.views.pages.frame import framed
from smgw.han.views.pages.rendering import Sight, sight

_SOON_US = 30 * 86_400 * 1_000_000


def gateway(request: Request, house: House) -> Answer:
    """The page."""
    seen = sight(request, house.now_us())
    return framed(
        request,
        seen,
        "gateway.html",
        "/gateway",
        gateway=str(house.configuration.gateway.device_id),
        firmware=house.firmware(),
        **clock(house, seen),
        **certificate(house, seen),
        **self_test(house, seen),
    )


def clock(house: House, seen: Sight) -> dict[str, Any]:
    """State of the clock; texts of the list are markup."""
    _ = seen.language.text
    saved = house.clock().saved
    valid = saved is not None and saved.state is ClockState.SYNCHRONISED
    told = [(_("Time of the gateway"), seen.time(seen.now_us)), (_("Time zone of these pages"), seen.zone.name)]
    if saved is not None and valid:
        told.append((_("Possible error"), seen.language.duration(max(saved.dispersion_us, 100_000))))
    return {"clock": told, "clock_state": _("valid") if valid else _("not valid"), "clock_kind": _kind(valid)}


def certificate(house: House, seen: Sight) -> dict[str, Any]:
    """The certificate with which these pages are sent."""
    _ = seen.language.text
    found = house.around.certificate()
    if found is None:
        return {"certificate": [], "fingerprint": "", "certificate_state": "", "certificate_kind": "plain"}
    told = [] if found.until_us is None else [(_("Valid until"), seen.time(found.until_us))]
    ended = found.until_us is not None and found.until_us < seen.now_us
    soon = found.until_us is not None and found.until_us < seen.now_us + _SOON_US
    return {
        "certificate": told,
        "fingerprint": grouped(found.fingerprint),
        "certificate_state": _("has ended") if ended else _("ends soon") if soon else _("valid"),
        "certificate_kind": _kind(not soon),
    }


def self_test(house: House, seen: Sight) -> dict[str, Any]:
    """What the last one found."""
    import html

    _ = seen.language.text
    found = house.around.self_test()
    if found is None:
        return {"tests": [], "test_state": _("not run"), "test_kind": "plain"}
    told = [(_("Time"), seen.time(found.at_us)), (_("Result"), html.escape(found.text))]
    return {
        "tests": told,
        "test_state": _("passed") if found.good else _("failed"),
        "test_kind": _kind(found.good),
    }


def grouped(digest: str) -> str:
    """A fingerprint as browsers write it, in pairs of digits."""
    text = digest.replace(":", "").upper()
    return " ".join(text[place : place + 2] for place in range(0, len(text), 2))


def _kind(good: bool) -> str:
    return "good" if good else "bad"
