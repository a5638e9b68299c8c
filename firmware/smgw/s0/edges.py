"""Edges of a line, as the kernel's GPIO character device reports them (linux/gpio.h, struct gpio_v2_line_event):

octets   0 .. 7                    8 .. 11               12 .. 15   16 .. 19   20 .. 23      24 .. 47
         time, ns CLOCK_MONOTONIC  1 rising, 2 falling   offset     seqno      line_seqno    zero

All numbers have the byte order of the computer. "Rising" means from inactive to active, whatever the voltage does.
Both sequence numbers start at 1 with each request of the line. If the kernel's buffer is full, it drops the oldest
events, so a gap in the numbers is a number of lost edges.
"""

import struct
from typing import NamedTuple

_EVENT = struct.Struct("=QIIII24x")
EVENT_OCTETS = _EVENT.size
_RISING, _FALLING = 1, 2


class Edge(NamedTuple):
    """One edge. `active` is the state after it."""

    ns: int  # CLOCK_MONOTONIC
    active: bool
    number: int  # of the line, from 1 with each request


class Lost(NamedTuple):
    """The kernel reported fewer edges than there were."""

    edges: int


class EdgeReader:
    """The octets of one request of a line in; edges, and gaps between them, out."""

    def __init__(self) -> None:
        self._rest = b""
        self._last: int | None = None

    def receive(self, octets: bytes) -> list[Edge | Lost]:
        """Take octets; returns what they complete, in order. Events of an unknown kind are lost edges."""
        whole = self._rest + octets
        end = len(whole) - len(whole) % EVENT_OCTETS
        self._rest = whole[end:]
        found: list[Edge | Lost] = []
        for ns, kind, _offset, _seqno, number in _EVENT.iter_unpack(whole[:end]):
            if self._last is not None and (missing := (number - self._last - 1) % (1 << 32)):
                found.append(Lost(missing))
            self._last = number
            found.append(Edge(ns, kind == _RISING, number) if kind in (_RISING, _FALLING) else Lost(1))
        return found


def event_octets(edge: Edge, offset: int = 0) -> bytes:
    """The octets that the kernel gives for an edge: for a simulator and for tests."""
    return _EVENT.pack(edge.ns, _RISING if edge.active else _FALLING, offset, edge.number, edge.number)
