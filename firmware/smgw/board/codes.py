"""What the four status LEDs say: of the lines of a lamp, the first one that is true.

running     off       this board has no power, or `smgw board` does not run
            slow      the gateway starts, or its LMN process does not run
            2 flashes the WAN process does not run
            on        both run
reading     off       the configuration has no meter
            4 flashes a meter refused the password, or hides its values
            3 flashes the port of a meter is not there
            2 flashes a meter is silent, or sends what cannot be read
            slow      a meter has not spoken yet
            on        every meter is read
delivered   off       the configuration has no EMP
            3 flashes an EMP's channel is held: something is set up wrongly
            2 flashes an EMP cannot be reached
            slow      readings wait
            on        every EMP has everything
fault       fast      the configuration or the database cannot be used: see the log
            5 flashes the case is open
            4 flashes rows were lost, or the disk is full
            3 flashes certificates or keys are wrong, or end within a week
            2 flashes the time is not synchronised
            off       none of these
"""

from collections.abc import Iterable
from typing import NamedTuple

from smgw.board.lamps import FAST, OFF, ON, SLOW, Pattern, flashes


class Facts(NamedTuple):
    """The state of the gateway, as far as a lamp can say it."""

    usable: bool = True  # configuration and database
    lmn: bool = True  # the process runs
    wan: bool = True
    meters: frozenset[str] = frozenset()  # states of meters (`store.records.Condition`), or unknown; empty: no meter
    emps: frozenset[str] = frozenset()  # states of channels, of which WAITS stands for rows that wait; empty: no EMP
    synchronised: bool = True
    trusted: bool = True  # certificates and keys
    lost: bool = False
    open: bool = False  # the tamper contact


class Lights(NamedTuple):
    """A pattern for each lamp."""

    running: Pattern
    reading: Pattern
    delivered: Pattern
    fault: Pattern


#: In `Facts.emps`.
HELD, UNREACHABLE, WAITS, DONE = "held", "unreachable", "waits", "done"
_METERS = (
    (("held", "locked"), flashes(4)),
    (("absent",), flashes(3)),
    (("silent", "unreadable"), flashes(2)),
    (("waiting", "unknown"), SLOW),
)
_EMPS = (((HELD,), flashes(3)), ((UNREACHABLE,), flashes(2)), ((WAITS,), SLOW))


def lights(facts: Facts) -> Lights:
    """The lamps for these facts."""
    running = SLOW if not facts.lmn else flashes(2) if not facts.wan else ON
    return Lights(running, _first(_METERS, facts.meters), _first(_EMPS, facts.emps), _fault(facts))


def _first(table: Iterable[tuple[tuple[str, ...], Pattern]], found: frozenset[str]) -> Pattern:
    if not found:
        return OFF
    return next((pattern for states, pattern in table if not found.isdisjoint(states)), ON)


def _fault(facts: Facts) -> Pattern:
    order = (
        (not facts.usable, FAST),
        (facts.open, flashes(5)),
        (facts.lost, flashes(4)),
        (not facts.trusted, flashes(3)),
        (not facts.synchronised, flashes(2)),
    )
    return next((pattern for true, pattern in order if true), OFF)
