"""Status words in plain text."""

from smgw.cosem.status_word import FnnStatus, GatewayStatus
from smgw.look.language import N_, Language
from smgw.metering.evaluation.counting import counts

_GATEWAY = {
    GatewayStatus.FATAL_ERROR: N_("fatal error of the gateway"),
    GatewayStatus.TIME_INVALID: N_("the gateway did not know the time"),
    GatewayStatus.WARNING: N_("warning of the gateway"),
    GatewayStatus.NO_VALUE_IN_WINDOW: N_("read too late for its time"),
    GatewayStatus.METER_TAMPER: N_("meter tampered with"),
    GatewayStatus.METER_ERROR: N_("the meter reports an error"),
    GatewayStatus.NOT_VALIDATED: N_("not for billing"),
}
_METER = {
    FnnStatus.FATAL_ERROR: N_("fatal error of the meter"),
    FnnStatus.MAGNETIC_TAMPER: N_("a magnet was at the meter"),
    FnnStatus.MECHANICAL_TAMPER: N_("the meter was opened"),
    FnnStatus.ROTATION_WRONG: N_("phases in the wrong order"),
}


def told(gateway: int, meter: int, language: Language) -> list[str]:
    """What the two halves of a status word say that is not well, in words."""
    known = [text for bit, text in _GATEWAY.items() if gateway & bit]
    if meter & FnnStatus.BASIC_METER:
        known += [text for bit, text in _METER.items() if meter & bit]
    return [language.text(text) for text in known]


def verdict(gateway: int, meter: int, language: Language) -> tuple[str, str]:
    """A short word for a value, and its kind of flag."""
    _ = language.text
    if not counts(gateway, meter):
        return _("does not count"), "bad"
    flaws = told(gateway, meter, language)
    return (_("counts, with a note"), "plain") if flaws else (_("good"), "good")
