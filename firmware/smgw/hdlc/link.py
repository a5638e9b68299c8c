"""The link between a client and a meter (IEC 62056-46, 6): set up, whole APDUs both ways, taken down.

`smgw.hdlc` describes the verbs and events. Primary (client) and secondary (meter) run the same code. P/F passes the
right to transmit. The sender then transmits up to one window and sets P/F in the last frame. One thing differs: the
secondary waits for its turn without limit. The primary takes the turn back if no answer comes, and polls with RR. It
repeats an I-frame only after the meter has reported that it is missing.
"""

import logging
from collections.abc import Container
from typing import Self

from smgw.errors import LocalProtocolError, RemoteProtocolError
from smgw.hdlc.address import NO_STATION, Address
from smgw.hdlc.control import CONTROLS, Control, Kind
from smgw.hdlc.events import ApduReceived, Cause, Connected, Disconnected, Event
from smgw.hdlc.frame import Frame, FrameDecoder, encode_frame
from smgw.hdlc.llc import Role, split
from smgw.hdlc.parameters import LinkParameters, decode_parameters
from smgw.hdlc.states import State, after
from smgw.hdlc.timing import Timing
from smgw.hdlc.transfer import Step, Transfer
from smgw.hdlc.unnumbered import Unnumbered
from smgw.wire import Refused, Transmit

log = logging.getLogger(__name__)

_NOWHERE = Address(NO_STATION)
# Looked up once: a member of an enum costs more than the test itself, and these tests run for every frame.
_I, _RR, _RNR, _UI, _CONNECTED = Kind.I, Kind.RR, Kind.RNR, Kind.UI, State.CONNECTED
_WINDOW, _READY, _DONE, _LATER = Step.WINDOW, Step.READY, Step.DONE, Step.LATER


class Link:
    """One link, used by one thread. The meter is polled if an answer takes longer than `timeout`.

    The primary gives up the link after (1 + `retries`) x `timeout` without progress. The secondary does so after
    `inactivity` seconds without a request.
    """

    def __init__(
        self,
        role: Role,
        own: Address,
        peer: Address | None,
        parameters: LinkParameters,
        *,
        timeout: float = 5.0,
        retries: int = 2,
        inactivity: float | None = None,
    ) -> None:
        self.parameters = parameters  # ours; the agreed ones once connected
        self.state = State.DISCONNECTED
        self._offered = parameters
        self._primary = role is Role.PRIMARY
        self._header = role.value
        self._own = own
        self._peer = peer or _NOWHERE
        self._timing = Timing(timeout, retries, inactivity)
        self._clients: Container[int] | None = None
        self._decoder = FrameDecoder(own)
        self._unnumbered = Unnumbered(role)
        self._echo_told = False
        self._heard: tuple[Address, Address] | None = None  # destination and source of frames to us
        self._ready: dict[int, Transmit] = {}  # the RR frame of each N(R): every segment is answered by one
        self._transfer = Transfer(parameters, primary=self._primary)

    @classmethod
    def client(
        cls,
        client: Address,
        server: Address,
        parameters: LinkParameters = LinkParameters(),  # noqa: B008  (immutable)
        *,
        timeout: float = 5.0,
        retries: int = 2,
    ) -> Self:
        """The primary: `client` asks `server`. Times in seconds."""
        return cls(Role.PRIMARY, client, server, parameters, timeout=timeout, retries=retries)

    @classmethod
    def server(
        cls,
        server: Address,
        parameters: LinkParameters = LinkParameters(),  # noqa: B008  (immutable)
        *,
        client: Address | None = None,
        clients: Container[int] | None = None,
        inactivity: float | None = 120.0,
    ) -> Self:
        """The secondary: a client that asks for `server`, one at a time. `inactivity` in seconds; None: for ever.

        `client` receives pushes before any client has connected. `clients` are the known access points (None: any);
        links to others are refused.
        """
        link = cls(Role.SECONDARY, server, client, parameters, inactivity=inactivity)
        link._clients = clients
        return link

    @property
    def connected(self) -> bool:
        """APDUs can be sent."""
        return self.state is State.CONNECTED

    @property
    def busy(self) -> bool:
        """Primary: a request was sent and is not answered yet."""
        return self._primary and self._timing.due is not None

    @property
    def echo(self) -> bool:
        """True if the line has echoed our octets."""
        return self._decoder.echoes > 0

    def connect(self, now: float) -> list[Event]:
        """Primary: ask for a link with our parameters."""
        self._only_primary("connect")
        self._timing.progress(now)
        return [self._set_up(now)]

    def disconnect(self, now: float) -> list[Event]:
        """Primary: ask once for the end of the link. `Disconnected` follows in any case."""
        self._only_primary("disconnect")
        self._timing.await_once(now)
        return [self._frame(Kind.DISC)]

    def send(self, apdu: bytes, now: float) -> list[Event]:
        """One APDU; it waits until it is our turn."""
        if not self.connected:
            raise LocalProtocolError(f"the link with {self._peer} is not connected; connect first")
        self._transfer.put(self._header + apdu)
        self._timing.progress(now)
        events: list[Event] = []
        if self._transfer.turn:
            self._send_window(now, events)
        return events

    def send_unnumbered(self, apdu: bytes, now: float) -> list[Event]:  # noqa: ARG002  (the face of all links)
        """One APDU in UI frames: no turn, no acknowledgement, no link needed once the peer is known."""
        longest = self.parameters.information_transmit
        return [Transmit(self._unnumbered.frames(apdu, self._own, self._peer, longest))]

    def poll(self, now: float) -> list[Event]:
        """Primary: a push came, not the answer: go on polling."""
        self._only_primary("poll")
        self._transfer.answered = False
        if not self.connected or not self._transfer.turn:
            return []
        self._timing.progress(now)
        return [self._ask(now)]

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Take octets, in pieces of any size."""
        events: list[Event] = []
        for found in self._decoder.receive(data):
            self._take(found, now, events)
        if self._primary:
            self._timing.octets(now, receiving=self._decoder.receiving, lost=self._decoder.lost > 0)
        if self._decoder.echoes and not self._echo_told:
            self._echo_told = True
            log.info("the line of %s sends back what is sent; that is removed", self._peer)
        return events

    def deadline(self, now: float) -> float | None:
        """The time when `expire` is due, in the seconds given to the verbs; None while nothing is awaited."""
        return self._timing.deadline(now)

    def expire(self, now: float) -> list[Event]:
        """Poll for a lost answer, ask again for the link, or give it up, whichever is due."""
        events: list[Event] = []
        if not self._timing.passed(now):
            return events
        for found in self._decoder.finish():  # an answer may follow octets that look like the start of a frame
            self._take(found, now, events)
        if not self._timing.passed(now):
            return events
        if self.state is State.DISCONNECTING:
            self._down(events, Cause.ASKED)
        elif not self._primary:
            self._down(events, Cause.SILENT, f"nothing came for {self._timing.inactivity:g} s")
        elif self.state is State.CONNECTED and self._transfer.answered:
            self._timing.stop()
            self._transfer.turn = True  # an APDU came, but no frame with F after it
            if self._transfer.waiting:
                self._send_window(now, events)
        elif self._timing.exhausted(now):
            self._down(events, Cause.SILENT, self._silent())
        elif self.state is State.CONNECTING:
            events.append(self._set_up(now))
        else:
            events.append(self._ask(now))
        return events

    def _take(self, found: Frame | Refused, now: float, events: list[Event]) -> None:
        if isinstance(found, Refused):
            events.append(found)
            return
        control = CONTROLS[found.control]
        if control is None:
            events.append(Refused(f"control {found.control:02x} is none of this class of procedures", 1))
        elif control.kind is _UI:
            if self._is_for_us(found):
                events.extend(self._unnumbered.take(found))
        elif self._primary:
            if found[:2] == self._heard or self._is_answer(found, control):
                self._answer(found, control, now, events)
        elif found.destination == self._own:
            self._command(found, control, now, events)

    def _is_answer(self, frame: Frame, control: Control) -> bool:
        if control.kind is Kind.FRMR and frame.destination == frame.source == _NOWHERE:
            return True
        if frame.destination != self._own or not frame.source.answers(self._peer):
            return False
        self._heard = frame[:2]
        return True

    def _is_for_us(self, frame: Frame) -> bool:
        """A push goes to a client that the meter chooses, not always to the connected one."""
        return frame.source.answers(self._peer) if self._primary else frame.destination == self._own

    def _answer(self, frame: Frame, control: Control, now: float, events: list[Event]) -> None:
        """Primary: a frame of the meter."""
        kind = control.kind
        if kind is _I or kind is _RR or kind is _RNR:  # no transition begins with these
            if self.state is _CONNECTED:
                self._numbered(frame, control, now, events)
            return
        before, self.state = self.state, after(self.state, kind)
        if before is State.CONNECTING and self.state is State.CONNECTED:
            self.parameters = self._offered.agreed(decode_parameters(frame.information))
            self._reset()
            self._timing.stop()
            events.append(Connected(self._peer.upper, self.parameters))
        elif before is not State.DISCONNECTED and self.state is State.DISCONNECTED:
            if before is State.DISCONNECTING:
                self._down(events, Cause.ASKED)
            else:
                self._down(events, *_refusal(kind, frame, before))

    def _command(self, frame: Frame, control: Control, now: float, events: list[Event]) -> None:
        """Secondary: a frame of a client."""
        kind = control.kind
        unknown = self._clients is not None and frame.source.upper not in self._clients
        if unknown or (self.connected and frame.source != self._peer):  # one client at a time
            if kind is Kind.SNRM:
                events.append(Transmit(encode_frame(frame.source, self._own, Control(Kind.DM, final=True).encode())))
            return
        before, self.state = self.state, after(self.state, kind)
        self._peer = frame.source
        if before is State.CONNECTED:
            self._timing.await_command(now)
        if kind is Kind.SNRM:
            self.parameters = self._offered.agreed(decode_parameters(frame.information))
            self._reset()
            self._timing.await_command(now)
            events.append(self._frame(Kind.UA, self.parameters.encode()))
            events.append(Connected(self._peer.upper, self.parameters))
        elif kind is Kind.DISC and before is State.CONNECTED:
            events.append(self._frame(Kind.UA))
            self._down(events, Cause.ASKED)
        elif before is State.CONNECTED:
            if kind is _I or kind is _RR or kind is _RNR:
                self._numbered(frame, control, now, events)
            elif self.state is State.DISCONNECTED:
                self._down(events, Cause.DROPPED, f"client {frame.source} has dropped the link ({kind.name})")
        elif control.final:
            events.append(self._frame(Kind.DM))

    def _numbered(self, frame: Frame, control: Control, now: float, events: list[Event]) -> None:
        """I, RR or RNR while connected, in either role."""
        try:
            progress, whole, step = self._transfer.take(frame, control)
        except RemoteProtocolError as error:
            self._down(events, Cause.BROKEN, str(error))
            return
        if whole is not None:
            events.extend(ApduReceived(apdu, False, self._peer.upper) for apdu in split(whole))
        if self._primary and progress:
            self._timing.progress(now)
        elif self._primary and self._timing.exhausted(now):
            self._down(events, Cause.SILENT, self._silent())
            return
        if step is _READY:
            events.append(self._ask(now) if self._primary else self._frame(Kind.RR))
        elif step is _WINDOW:
            self._send_window(now, events)
        elif step is _DONE:
            self._timing.stop()
        elif step is _LATER:
            self._timing.await_later(now)
        elif self._primary and progress and self._timing.due is not None:
            self._timing.await_answer(now)

    def _send_window(self, now: float, events: list[Event]) -> None:
        frames = [
            encode_frame(self._peer, self._own, control, segment.information, segmented=segment.more)
            for control, segment in self._transfer.window()
        ]
        if self._primary:
            self._timing.await_answer(now)
        events.append(self._transmit(b"".join(frames)))

    def _ask(self, now: float) -> Transmit:
        """RR with P: acknowledge received frames, pass the turn."""
        self._timing.await_answer(now)
        self._transfer.turn = False
        ready = self._ready.get(self._transfer.expected)
        if ready is None:
            ready = self._ready[self._transfer.expected] = self._frame(Kind.RR)
        return self._transmit(ready.octets)

    def _set_up(self, now: float) -> Transmit:
        self._timing.await_answer(now)
        return self._frame(Kind.SNRM, self._offered.encode())

    def _frame(self, kind: Kind, information: bytes = b"") -> Transmit:
        """A frame other than I and UI. All of them have P/F set, so the turn is the peer's."""
        self.state = after(self.state, kind)
        self._transfer.turn = False
        control = Control(kind, True, 0, self._transfer.expected if kind is Kind.RR else 0).encode()
        return self._transmit(encode_frame(self._peer, self._own, control, information))

    def _transmit(self, octets: bytes) -> Transmit:
        if self._peer == self._own:
            self._decoder.sent = octets
        return Transmit(octets)

    def _reset(self) -> None:
        """Reset the numbers for a new link."""
        self._transfer = Transfer(self.parameters, primary=self._primary)

    def _down(self, events: list[Event], cause: Cause, reason: str = "") -> None:
        self.state = State.DISCONNECTED
        self.parameters = self._offered
        self._timing.stop()
        self._reset()
        events.append(Disconnected(cause, reason))

    def _silent(self) -> str:
        return f"no answer from {self._peer} within {self._timing.patience:g} s"

    def _only_primary(self, verb: str) -> None:
        if not self._primary:
            raise LocalProtocolError(f"a meter does not {verb}: it is asked")


def _refusal(kind: Kind, frame: Frame, before: State) -> tuple[Cause, str]:
    if kind is Kind.FRMR:
        why = f" ({frame.information.hex()})" if frame.information else ""
        words = f"{frame.source} rejects a frame (FRMR{why}): wrong client, wrong address, or the numbers are lost"
        return Cause.REJECTED, words
    if before is State.CONNECTING:
        return Cause.REFUSED, f"{frame.source} refuses the link (DM): unknown client, or another client holds it"
    return Cause.DROPPED, f"{frame.source} has dropped the link (DM)"
