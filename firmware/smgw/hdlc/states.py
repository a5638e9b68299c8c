"""The states of a link (IEC 62056-46, 6.4.3), as a table.

Rule 1: all changes of a link's state are in this table; counters are in `hdlc.transfer`.
Rule 2: the table does not know our role. A frame changes the state of its sender and its receiver alike, so primary
and secondary use the same table.
Rule 3: a frame without an entry changes nothing. The link decides whether it must be answered.
"""

from enum import Enum

from smgw.hdlc.control import Kind


class State(Enum):
    """The states of a link."""

    DISCONNECTED = "disconnected"  #: normal disconnected mode: only SNRM, DISC and UI mean anything
    CONNECTING = "connecting"  #: SNRM was sent, UA or DM is awaited
    CONNECTED = "connected"  #: normal response mode
    DISCONNECTING = "disconnecting"  #: DISC was sent, UA or DM is awaited


TRANSITIONS: dict[State, dict[Kind, State]] = {
    State.DISCONNECTED: {
        Kind.SNRM: State.CONNECTING,
        Kind.DISC: State.DISCONNECTING,  # sent to a meter that may still hold an earlier link
    },
    State.CONNECTING: {
        Kind.UA: State.CONNECTED,
        Kind.DM: State.DISCONNECTED,
        Kind.FRMR: State.DISCONNECTED,
        Kind.DISC: State.DISCONNECTING,
    },
    State.CONNECTED: {
        Kind.SNRM: State.CONNECTING,  # all counters begin anew
        Kind.DISC: State.DISCONNECTING,
        Kind.DM: State.DISCONNECTED,
        Kind.FRMR: State.DISCONNECTED,
    },
    State.DISCONNECTING: {
        Kind.UA: State.DISCONNECTED,
        Kind.DM: State.DISCONNECTED,
        Kind.FRMR: State.DISCONNECTED,
        Kind.SNRM: State.CONNECTING,
    },
}


def after(state: State, kind: Kind) -> State:
    """The state after a frame of this kind."""
    return TRANSITIONS[state].get(kind, state)
