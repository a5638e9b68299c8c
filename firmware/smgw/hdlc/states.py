"""The states of a link (IEC 62056-46, 6.4.3), as a table.

Rule 1: everything that changes the state of a link stands here; counters stand in `hdlc.transfer`.
Rule 2: this file does not know which role we play. A frame moves both sides alike, the one that sends it and the one
that receives it, so primary and secondary are held to the same table.
Rule 3: a frame that has no entry changes nothing. Whether it must be answered is the link's matter.
"""

from enum import Enum

from smgw.hdlc.control import Kind


class State(Enum):
    """Where a link stands."""

    DISCONNECTED = "disconnected"  #: normal disconnected mode: only SNRM, DISC and UI mean anything
    CONNECTING = "connecting"  #: SNRM is out, UA or DM to come
    CONNECTED = "connected"  #: normal response mode
    DISCONNECTING = "disconnecting"  #: DISC is out, UA or DM to come


TRANSITIONS: dict[State, dict[Kind, State]] = {
    State.DISCONNECTED: {
        Kind.SNRM: State.CONNECTING,
        Kind.DISC: State.DISCONNECTING,  # asked of a meter that may still hold a link from before
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
    """The state once a frame of this kind has gone over the line."""
    return TRANSITIONS[state].get(kind, state)
