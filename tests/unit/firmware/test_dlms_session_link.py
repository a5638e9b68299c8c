"""A whole session over the HDLC link and the wrapper in memory, on a line that loses and damages what goes over it."""

from collections.abc import Callable
from typing import Any

import pytest
from dlms_meter_process import KEYS, PUBLIC, SECURE, Meter, Model, make_link, profile
from dlms_pair import ENERGY, SCALER_UNIT, profile_octets
from hypothesis import given, settings
from hypothesis import strategies as st
from smgw.dlms.carriers.wrapper import Wrapper
from smgw.dlms.security.ciphering import Ciphering, Setting
from smgw.dlms.security.suites import Gmac
from smgw.dlms.session.association import State
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Associated, Event, Got, Released, Send
from smgw.hdlc.address import Address
from smgw.hdlc.events import ApduReceived, Disconnected
from smgw.hdlc.link import Link
from smgw.hdlc.parameters import LinkParameters
from smgw.wire import Transmit

MODEL = Model()
Fault = Callable[[bytes], bytes]


class Session:
    """Client and meter with a line between them and a clock of their own. `fault` sees all that goes over the line."""

    def __init__(self, *, hdlc: bool, secure: bool, parameters: LinkParameters, fault: Fault) -> None:
        count = iter(range(100, 1 << 32)).__next__
        self.client = (
            Client(Gmac(KEYS, count), Ciphering(Setting(KEYS, b"UTBCLI01", count)), max_pdu_size=1024)
            if secure
            else Client(max_pdu_size=1024)
        )
        sap = SECURE if secure else PUBLIC
        self.link: Link | Wrapper = (
            Link.client(Address(sap), Address(1), parameters, timeout=1.0, retries=20)
            if hdlc
            else Wrapper.client(sap, 1)
        )
        self.meter = Meter(make_link(hdlc), MODEL)
        self.fault = fault
        self.now = 0.0
        self.told: list[Event] = []
        self.down = ""
        self.arriving: list[bytes] = []

    def connect(self) -> None:
        self._carry(self.link.connect(self.now))
        self._wait(lambda: self.link.connected)

    def ask(self, events: list[Event]) -> list[Event]:
        self.told = []
        self._follow(events)
        self._wait(lambda: not self.client.busy)
        return self.told

    def _wait(self, done: Callable[[], bool]) -> None:
        for _ in range(100_000):
            if done() or self.down:
                return
            if self.arriving:
                self._carry(self.link.receive(self.arriving.pop(0), self.now))
                continue
            due = self.link.deadline(self.now)
            assert due is not None, "nobody waits for anything"
            self.now = due
            self._carry(self.link.expire(self.now))
        raise AssertionError("no end")

    def _carry(self, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, Transmit):
                answer = self.meter.carry(self.fault(event.octets))
                if answer and (arrived := self.fault(answer)):
                    self.arriving.append(arrived)
            elif isinstance(event, ApduReceived):
                self._follow(self.client.receive(event.apdu))
            elif isinstance(event, Disconnected):
                self.down = event.reason or "down"

    def _follow(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, Send):
                self._carry(self.link.send(event.apdu, self.now))
            else:
                self.told.append(event)


def unharmed(octets: bytes) -> bytes:
    return octets


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize(("information", "window"), [(128, 1), (32, 1), (64, 7), (2030, 7), (0, 0)])
def test_a_session_over_every_kind_of_link(information: int, window: int, secure: bool) -> None:
    hdlc = information > 0
    parameters = LinkParameters.of(information, window) if hdlc else LinkParameters()
    session = Session(hdlc=hdlc, secure=secure, parameters=parameters, fault=unharmed)
    session.connect()
    assert isinstance(session.ask(session.client.associate())[0], Associated)
    assert session.ask(session.client.get(profile(1000))) == [Got((profile_octets(1000),))]
    listed = session.ask(session.client.get_with_list([ENERGY, SCALER_UNIT]))
    assert listed == [Got((bytes.fromhex("060012d687"), bytes.fromhex("02020f00161e")))]
    assert session.ask(session.client.release()) == [Released(True)]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.randoms(use_true_random=False),
    share=st.sampled_from([0.02, 0.1, 0.25]),
    information=st.sampled_from([32, 128]),
    window=st.sampled_from([1, 3, 7]),
    secure=st.booleans(),
)
def test_a_profile_comes_over_a_bad_line_whole_or_the_link_is_given_up(
    seed: Any, share: float, information: int, window: int, secure: bool
) -> None:
    """R1, R5: frames lost, cut and damaged, both ways; nothing is ever wrong, missing or double."""

    def fault(octets: bytes) -> bytes:
        if not octets or seed.random() >= share:
            return octets
        place = seed.randrange(len(octets))
        return seed.choice([b"", octets[:place], octets[place:], octets[:place] + b"\xff" + octets[place + 1 :]])

    session = Session(hdlc=True, secure=secure, parameters=LinkParameters.of(information, window), fault=unharmed)
    session.connect()
    session.ask(session.client.associate())
    assert session.client.state is State.ASSOCIATED
    session.fault = fault
    told = session.ask(session.client.get(profile(96)))
    assert told == ([] if session.down else [Got((profile_octets(96),))])
