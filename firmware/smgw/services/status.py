"""What `systemctl status` shows of a service, in words."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from smgw.cosem import ClockState, Stamp

if TYPE_CHECKING:
    from smgw.lmn.watch import Watch


def meters_in_words(watches: "Mapping[str, Watch]") -> str:
    """`3 meters: 2 reading, 1 absent (roof); 4711 telegrams, 3 refused`."""
    states = Counter(watch.condition for watch in watches.values())
    parts = []
    for state, amount in states.most_common():
        names = [name for name, watch in watches.items() if watch.condition == state][:3]
        healthy = state in ("reading", "waiting")
        parts.append(f"{amount} {state}" if healthy else f"{amount} {state} ({', '.join(names)})")
    good, refused = (sum(watch.count[place] for watch in watches.values()) for place in (0, 1))
    return f"{len(watches)} meters: {', '.join(parts)}; {good} telegrams, {refused} refused"


def clock_in_words(stamp: Stamp) -> str:
    """`clock within 0.012 s`, or that the time is not synchronised."""
    if stamp.state is not ClockState.SYNCHRONISED:
        return "time not synchronised"
    return f"clock within {stamp.dispersion_us / 1e6:.3f} s"
