"""A button and a tamper contact: a change counts once the line has been quiet for a while. Sans-IO.

A button that is pressed at the start does nothing until it was released: a stuck button must not stop the gateway again
and again. A tamper contact is reported at the start if it is not as it was reported last.
"""

from typing import NamedTuple

from smgw.s0.edges import Edge, Lost

NS = 1_000_000_000
#: So long a button is held for a shutdown; a touch does nothing.
HOLD_NS = 3 * NS
#: So long a tamper contact is open before it is reported.
OPEN_NS = NS // 20


class Change(NamedTuple):
    """The contact is active, or not any more, since a moment (ns CLOCK_MONOTONIC)."""

    active: bool
    ns: int


class Contact:
    """One contact. `quiet_ns`: so long a state must last before it counts."""

    def __init__(self, quiet_ns: int, ns: int, *, active: bool, told: bool) -> None:
        """`active`: the line at the moment `ns`. `told`: what counts as known, so that it is no change."""
        self._quiet = quiet_ns
        self._active, self._since = active, ns
        self._told = told

    @classmethod
    def button(cls, ns: int, *, active: bool) -> "Contact":
        """A button that is held for a shutdown."""
        return cls(HOLD_NS, ns, active=active, told=active)

    @classmethod
    def tamper(cls, ns: int, *, active: bool, told: bool = False) -> "Contact":
        """A contact that is active while the case is open."""
        return cls(OPEN_NS, ns, active=active, told=told)

    def take(self, event: Edge | Lost, ns: int, *, active: bool) -> None:
        """An edge came. After lost edges, `active` is the state of the line at the moment `ns`."""
        if isinstance(event, Lost):
            self._active, self._since = active, ns
        elif event.active != self._active:
            self._active, self._since = event.active, event.ns

    @property
    def due(self) -> int | None:
        """When `settle` has something to say if no edge comes; None if nothing is under way."""
        return None if self._active == self._told else self._since + self._quiet

    def settle(self, ns: int) -> Change | None:
        """The change that counts by this moment."""
        if (due := self.due) is None or ns < due:
            return None
        self._told = self._active
        return Change(self._active, self._since)
