"""The states of an association, for both sides, and their agreement (IEC 62056-5-3, 7.2 and 9.4.4)."""

from enum import Enum, auto
from typing import NamedTuple

from smgw.cosem import MethodName, Obis
from smgw.dlms.apdus.acse import Mechanism
from smgw.dlms.apdus.conformance import Conformance
from smgw.errors import LocalProtocolError

#: Object of pass 3 of high level security: current association, method reply_to_HLS_authentication (class 15, 1).
REPLY_TO_HLS = MethodName(15, Obis.parse("0.0.40.0.0.255"), 1)


class State(Enum):
    """The values are used in messages: "while ..."."""

    IDLE = "not associated"
    ASSOCIATING = "associating"
    PROVING = "authenticating"
    ASSOCIATED = "associated"
    RELEASING = "releasing"


class Step(Enum):
    """The steps that change the state; the same for client and server."""

    REQUESTED = auto()  # AARQ
    ACCEPTED = auto()  # AARE, no more to prove
    CHALLENGED = auto()  # AARE, passes 3 and 4 are due
    PROVED = auto()  # pass 4
    REJECTED = auto()  # AARE or pass 4
    RELEASE = auto()  # RLRQ
    RELEASED = auto()  # RLRE, or any other answer


# A step without an entry is not allowed in that state. The link below may be lost in any state: see `reset`.
_NEXT: dict[State, dict[Step, State]] = {
    State.IDLE: {Step.REQUESTED: State.ASSOCIATING},
    State.ASSOCIATING: {
        Step.ACCEPTED: State.ASSOCIATED,
        Step.CHALLENGED: State.PROVING,
        Step.REJECTED: State.IDLE,
    },
    State.PROVING: {Step.PROVED: State.ASSOCIATED, Step.REJECTED: State.IDLE},
    State.ASSOCIATED: {Step.RELEASE: State.RELEASING},
    State.RELEASING: {Step.RELEASED: State.IDLE},
}


class Association:
    """The state of one association; a session changes it."""

    def __init__(self) -> None:
        self.state = State.IDLE

    def step(self, step: Step) -> None:
        """Take a step; LocalProtocolError if it is not allowed."""
        following = _NEXT[self.state].get(step)
        if following is None:
            raise LocalProtocolError(f"{step.name.lower()} while {self.state.value}")
        self.state = following

    def reset(self) -> None:
        """The link below is lost, so the association ends."""
        self.state = State.IDLE


class Agreement(NamedTuple):
    """The agreement of an association. `max_pdu_size`: the largest APDU that the peer accepts, 0 for no limit."""

    conformance: Conformance
    max_pdu_size: int
    mechanism: Mechanism = Mechanism.NONE
    peer_title: bytes = b""

    def allows(self, service: Conformance) -> bool:
        """True if all of these services were agreed on."""
        return service in self.conformance

    @property
    def selective(self) -> bool:
        """True if a part of an attribute may be asked for, with whichever names."""
        return self.allows(Conformance.SELECTIVE_ACCESS) or self.allows(Conformance.PARAMETERIZED_ACCESS)
