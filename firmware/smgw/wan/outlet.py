"""The contract of an outlet, which takes rows to a participant and returns the outcome.

The outlet translates the participant's answer to an `OutcomeKind`. The actions that follow are the same for every
outlet (`judging`). An outlet is one entry in `profiles.outlets`; its code is imported on use.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple, Protocol

from smgw.cosem import DeviceId
from smgw.profiles import outlets
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.entries import resolve
from smgw.profiles.feed import Feed
from smgw.store.records import StoredRecord
from smgw.store.wan.signatures import SignedRow, StoredSignature
from smgw.trust.keys import Keys
from smgw.trust.validity import Moment


class OutcomeKind(Enum):
    """The kinds of outcome."""

    ACKNOWLEDGED = "acknowledged"  #: the rows are durable at the participant
    RETRY = "retry"  #: a fault of the participant or the network: send the same rows later
    HOLD = "hold"  #: wrong profile or set-up: nothing is skipped, and a user is informed
    TOO_LARGE = "too large"  #: too many rows at once
    REJECTED = "rejected"  #: the participant rejects one of the rows
    CONTRADICTED = "contradicted"  #: rejected, perhaps because the participant has a row's key with other content
    UNSENDABLE = "unsendable"  #: our own fault: the rows do not fit the outlet's form


class Outcome(NamedTuple):
    """The outcome of the first rows of a batch."""

    kind: OutcomeKind
    reason: str = ""  # text for log and status: "answers 422: no such register"
    retry_after: int | None = None  # seconds before the next try, if the participant asked for it
    rows: int | None = None  # number of rows, from the first on; None: all
    whole: bool = False  # HOLD: it concerns every meter, and is tried again as a failure is; what holds can be mended
    topic: str = ""  # names the kind of fault: another one is logged although delivery is held already


class Batch(NamedTuple):
    """Rows of one feed to send, at least one, in the order of their positions.

    An outlet may call `following` while the participant works, to prepare the batch that probably comes next. It sends
    nothing of it before `send` gets it: the outcome of this batch decides whether it comes. `following` never raises.
    """

    feed: Feed
    records: tuple[StoredRecord, ...]
    following: "Callable[[], Batch | None] | None" = None


class Outlet(Protocol):
    """The outlet to one participant. One thread uses it; `end` may come from another."""

    def send(self, batch: Batch) -> Outcome:
        """Send rows and wait for the outcome. Never raises for faults of participant or network.

        An outlet that cannot send all rows at once sends the first ones and returns their number. Rows are sent again
        until they are acknowledged. The participant recognises a repetition by gateway, store id and record number.
        """

    def end(self) -> None:
        """Abort the exchange in progress and prevent new ones."""

    def close(self) -> None:
        """Close connections; the next `send` makes its own."""


class Handshakes(NamedTuple):
    """Handshakes of TLS with one EMP since the process started."""

    full: int = 0
    resumed: int = 0
    refused: int = 0


def _no_keys() -> Keys:
    raise NotImplementedError("this process has no private keys")


class Signatures(Protocol):
    """Where the signatures of values are stored, so that a repeated delivery has the same."""

    def value_signatures(self, row: SignedRow) -> Sequence[StoredSignature]:
        """Those of a row that were made."""

    def note_value_signatures(self, made: Sequence[tuple[SignedRow, Sequence[StoredSignature]]]) -> None:
        """Store them durably."""


class Surroundings(NamedTuple):
    """What the process lends to its outlets."""

    trust: Path = Path("trust")  # the trust folder
    now: Callable[[], Moment] = lambda: Moment(0, trusted=False)
    open_keys: Callable[[], Keys] = _no_keys  # for signatures
    passphrase: Callable[[], bytes] = bytes  # of the key for TLS; TrustError if it cannot be read
    note_handshakes: Callable[[Handshakes], None] = lambda _: None  # for status; called when they changed
    signatures: Signatures | None = None  # of values; None: this process signs none


def open_outlet(
    gateway: DeviceId,
    profile: CommunicationProfile,
    surroundings: Surroundings = Surroundings(),  # noqa: B008
) -> Outlet:
    """The outlet of a profile. It connects at the first `send`."""
    made: Outlet = resolve(outlets.entry(profile.outlet).opens)(gateway, profile, surroundings)
    return made
