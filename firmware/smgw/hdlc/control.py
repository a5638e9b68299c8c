"""The control octet (IEC 62056-46, 6.4.3.3; numbers modulo 8).

bits    7 6 5   4     3 2 1   0
I       N(R)    P/F   N(S)    0     information, numbered
RR      N(R)    P/F   0 0 0   1     ready; everything before N(R) has arrived
RNR     N(R)    P/F   0 1 0   1     the same, but not ready for more
the rest is unnumbered: SNRM 93, DISC 53, UA 73, DM 1F, FRMR 97, UI 03 (here with P/F set, but UI)

P/F passes the right to transmit: the primary polls with it, the secondary ends its answer with it.
"""

from enum import Enum
from typing import NamedTuple

POLL = 0x10


class Kind(Enum):
    """The kinds of frame; the value is the control octet without P/F and numbers."""

    I = 0x00  # noqa: E741  (the standard's own name)
    RR = 0x01
    RNR = 0x05
    SNRM = 0x83
    DISC = 0x43
    UA = 0x63
    DM = 0x0F
    FRMR = 0x87
    UI = 0x03


class Control(NamedTuple):
    """One control octet. `sent` is N(S), `received` is N(R), 0 where the kind has none; `final` is P/F."""

    kind: Kind
    final: bool
    sent: int = 0
    received: int = 0

    def encode(self) -> int:
        """The octet."""
        return self.kind.value | self.final << 4 | self.sent << 1 | self.received << 5


def _decode(octet: int) -> Control | None:
    final = bool(octet & POLL)
    if not octet & 1:
        return Control(Kind.I, final, octet >> 1 & 7, octet >> 5)
    if octet & 0x0F in (Kind.RR.value, Kind.RNR.value):
        return Control(Kind(octet & 0x0F), final, 0, octet >> 5)
    try:
        return Control(Kind(octet & ~POLL), final)
    except ValueError:
        return None


#: Meaning of each octet; None for octets outside the DLMS class of procedures (REJ among them).
CONTROLS: tuple[Control | None, ...] = tuple(_decode(octet) for octet in range(256))
