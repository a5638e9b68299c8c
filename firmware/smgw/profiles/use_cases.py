"""The tariff use cases (TAF) of TR-03109-1: what each needs in its profile, and what of it may leave the gateway."""

from typing import NamedTuple


class UseCase(NamedTuple):
    """One TAF. `keys` are those of its profile besides the keys that every evaluation has."""

    number: int
    title: str
    keys: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()  # of `keys`, those that must be there
    leaves: tuple[int, ...] = ()  # numbers of the lists (`ListKind`) of its own rows that an EMP may get
    requested: tuple[int, ...] = ()  # and of those that it gets on request alone
    originals: bool = False  # an EMP gets the meter's own readings at registration times
    live: bool = False  # evaluates each telegram, not registration times
    missing: str = ""  # why it is not there; "": it is

    @property
    def billed(self) -> bool:
        """Whether it has registers of steps, an error register and a total."""
        return bool({"calendar", "tiers", "loads"} & set(self.keys))

    @property
    def bill_lists(self) -> tuple[int, ...]:
        """Numbers of the lists of its own rows that a bill is made of."""
        return tuple(kind for kind in (PERIOD_END, DAILY) if kind in (*self.leaves, *self.requested))


PERIOD_END = 5
DAILY = 4
DERIVED = 2
_BILLED = ("billing_months", "registration_period", "send")

USE_CASES = {
    case.number: case
    for case in (
        UseCase(1, "data-sparing", _BILLED, leaves=(PERIOD_END,)),
        UseCase(2, "time-variable", ("calendar", *_BILLED), ("calendar",), leaves=(PERIOD_END,)),
        UseCase(3, "load-variable", ("loads", *_BILLED), ("loads",), leaves=(PERIOD_END,)),
        UseCase(4, "consumption-variable", ("tiers", *_BILLED), ("tiers",), leaves=(PERIOD_END,)),
        UseCase(5, "event-variable", missing="the gateway has no source of outside events yet"),
        UseCase(6, "on-demand", ("day_begin", "registration_period"), requested=(DAILY,)),
        UseCase(7, "reading series", ("registration_period", "send"), originals=True),
        UseCase(8, "extremes", missing="the names of its result registers are not public"),
        UseCase(9, "present feed-in", ("interval", "limits", "send"), leaves=(DERIVED,), live=True),
        UseCase(10, "grid state", ("interval", "limits", "send"), leaves=(DERIVED,), live=True),
        UseCase(11, "control", missing="the gateway switches nothing yet"),
        UseCase(12, "prepaid", missing="the gateway has no breaker yet"),
        UseCase(13, "visualisation", missing="there is no consumer's interface by way of the WAN yet"),
        UseCase(14, "value-added", ("interval", "limits", "send"), leaves=(DERIVED,), live=True),
    )
}
