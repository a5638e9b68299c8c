"""The rule that makes pulses of edges.

A pulse counts once the line has been active for `shortest`. The next pulse counts only after the line has been inactive
for `shortest`. So bouncing contacts and a contact that stops on its edge count once, and spikes do not count.

state of the line   armed   event                              what happens
inactive            yes     active for `shortest`              the pulse counts; not armed any more
active              no      inactive for `shortest`            armed
any                 any     a gap in the sequence numbers      armed; the line is what the next edge says

The kernel notes the time of an edge at once, and reads the state of the line a little later. So a contact that bounces
can give two edges of the same direction. The one between them was too short, and is taken as if it had come.

A line that is active at the start waits for its end: the pulse may have been counted before. If the state before the
start is known (`resume`), it is clear whether it was. Then a pulse that began or ended meanwhile counts once. Pulses
that came and went meanwhile are missed.
"""

from typing import NamedTuple

from smgw.s0.edges import Edge, Lost


class Counted(NamedTuple):
    """A pulse, by the time at which it began (ns CLOCK_MONOTONIC)."""

    ns: int


class PulseFilter:
    """Edges in, pulses out. `shortest_ns`: the shortest pulse, and the shortest pause."""

    def __init__(self, shortest_ns: int) -> None:
        self._shortest = shortest_ns
        self._armed = True
        self._active_since: int | None = None
        self._inactive_since: int | None = None
        self._known = False  # an edge was seen since the start or a gap
        self._resumed = False  # edges since the known state may be missing

    @property
    def state(self) -> int:
        """The state in one number, for `resume` in the same boot; 0 if nothing is known."""
        active = self._active_since is not None
        since = self._active_since if active else self._inactive_since
        return 0 if since is None else since << 2 | active << 1 | self._armed

    def resume(self, state: int) -> None:
        """Go on from this state. Nobody looked at the line meanwhile."""
        self.restart()
        if not state:
            return
        since = state >> 2
        self._armed, self._known, self._resumed = bool(state & 1), True, True
        self._active_since, self._inactive_since = (since, None) if state & 2 else (None, since)

    def restart(self) -> None:
        """Nobody knows what happened before."""
        self._known = self._resumed = False
        self._active_since = self._inactive_since = None
        self._armed = True

    def take(self, event: Edge | Lost) -> list[Counted]:
        """Take the next event; the pulses that it completes."""
        if isinstance(event, Lost):
            self.restart()
            return []
        if self._resumed:
            self._resumed = False
            return self._first(event)
        if event.active:
            return self._rise(event.ns)
        return self._fall(event.ns)

    def settle(self, ns: int) -> list[Counted]:
        """All edges up to this moment were taken: a pulse that is long enough counts before it ends."""
        since = self._active_since
        if since is None or not self._armed or ns - since < self._shortest:
            return []
        self._armed = False
        return [Counted(since)]

    def _first(self, edge: Edge) -> list[Counted]:
        """The first edge after `resume`. An edge before it is missing if the line is not what it was."""
        if edge.active:
            if self._active_since is None:
                return self._rise(edge.ns)
            found = self.settle(edge.ns)
            self._armed, self._active_since = True, edge.ns
            return found
        if self._inactive_since is None:
            return self._fall(edge.ns)
        bounced = not self._armed and edge.ns - self._inactive_since < 2 * self._shortest
        self._armed, self._inactive_since = bounced and self._armed, edge.ns
        return [] if bounced else [Counted(edge.ns)]

    def _rise(self, ns: int) -> list[Counted]:
        found = self._fall(ns) if self._active_since is not None else []  # a fall between was not seen
        if self._inactive_since is not None and ns - self._inactive_since >= self._shortest:
            self._armed = True
        self._active_since, self._inactive_since, self._known = ns, None, True
        return found

    def _fall(self, ns: int) -> list[Counted]:
        if self._inactive_since is not None:  # a rise between was not seen
            self._rise(ns)
        found = self.settle(ns)
        if not self._known:  # it was active at the start
            self._armed = False
        self._active_since, self._inactive_since, self._known = None, ns, True
        return found
