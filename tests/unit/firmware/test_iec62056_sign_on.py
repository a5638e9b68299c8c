"""Sign-on in mode E: our client and our meter wired in memory, and every habit of real meters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smgw.errors import LocalProtocolError
from smgw.iec62056.events import ChangeBaud, SignedOn, SignOnFailed
from smgw.iec62056.identification import BREAK, Identification, OptionSelect, find_identification, sign_on
from smgw.iec62056.responder import Confirmation, Responder
from smgw.iec62056.seven_bit import with_parity, without_parity
from smgw.iec62056.sign_on import Event, SignOn
from smgw.wire import Transmit

METER = Identification("EMH", "5", "2", "LZQJ-XC")


class Line:
    """Client and meter on a line, each at its rate: at different rates nothing is understood."""

    def __init__(self, client: SignOn, meter: Responder, *, echo: bool = False, piece: int = 0) -> None:
        self.client, self.meter = client, meter
        self.client_rate = self.meter_rate = 300
        self.now = 0.0
        self.seen: list[Event] = []
        self.answers: list[Event] = []  # of the meter, still to happen
        self.echo = echo
        self.piece = piece

    def run(self) -> Event:
        events = self.client.start(self.now)
        while True:
            self.handle(events)
            due = self.client.deadline(self.now)
            if due is None:
                return self.seen[-1]
            self.now = due
            events = self.client.expire(self.now)

    def handle(self, events: list[Event]) -> None:
        for event in events:
            self.seen.append(event)
            if isinstance(event, ChangeBaud):
                self.client_rate = event.baudrate
                self.later()
            elif isinstance(event, Transmit):
                if self.echo:
                    self.give(event.octets)
                if self.client_rate == self.meter_rate:
                    self.answers = list(self.meter.receive(event.octets))
                    self.later()

    def later(self) -> None:
        """What the meter does, as far as the client is at its rate by now."""
        while self.answers:
            event = self.answers[0]
            if isinstance(event, Transmit) and self.client_rate != self.meter_rate:
                return
            self.answers.pop(0)
            if isinstance(event, ChangeBaud):
                self.meter_rate = event.baudrate
            elif isinstance(event, Transmit):
                self.give(event.octets)

    def give(self, octets: bytes) -> None:
        size = self.piece or len(octets)
        for start in range(0, len(octets), size):
            self.handle(self.client.receive(octets[start : start + size], self.now))


@pytest.mark.parametrize("confirmation", Confirmation)
@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("piece", [0, 1])
def test_both_sides_meet_at_the_meters_rate_however_it_confirms(
    confirmation: Confirmation, echo: bool, piece: int
) -> None:
    """R2, R20: 7E1 in software, and all variants of the confirmation."""
    line = Line(SignOn(), Responder(METER, confirmation=confirmation), echo=echo, piece=piece)
    last = line.run()
    assert isinstance(last, SignedOn)
    assert (last.identification, last.baudrate) == (METER, 9600)
    assert line.client_rate == line.meter_rate == 9600
    assert line.meter.signed_on


def test_the_octets_are_those_seen_on_an_8n1_port() -> None:
    client = SignOn()
    assert client.start(0.0) == [Transmit(bytes.fromhex("af3f218d0a"))]
    (acknowledged,) = client.receive(with_parity(METER.encode()), 1.0)
    assert acknowledged == Transmit(bytes.fromhex("06b235b28d0a"))
    (changed,) = client.expire(1.25)
    assert changed == ChangeBaud(9600)
    assert client.receive(bytes.fromhex("06b235b28d0a"), 1.3) == [SignedOn(METER, 9600, True)]


def test_the_rate_changes_only_when_the_acknowledgement_is_on_the_wire_and_the_delay_is_over() -> None:
    """R22."""
    client = SignOn(switch_delay=0.4)
    client.start(0.0)
    client.receive(METER.encode(), 1.0)
    assert client.deadline(1.0) == pytest.approx(1.0 + 6 * 10 / 300 + 0.4)
    assert client.expire(1.5) == []
    assert client.expire(1.61) == [ChangeBaud(9600)]


def test_a_meter_that_announces_a_rate_and_does_not_switch_is_followed_nowhere() -> None:
    """R22."""
    client = SignOn(fixed_baud=True)
    client.start(0.0)
    (acknowledged,) = client.receive(METER.encode(), 1.0)
    assert isinstance(acknowledged, Transmit)
    assert without_parity(acknowledged.octets) == b"\x06252\r\n"
    assert client.expire(2.0) == []
    assert client.expire(4.0) == [SignedOn(METER, 300, False)]


@pytest.mark.parametrize(("most", "code", "rate"), [(19200, b"6", 19200), (9600, b"5", 9600), (5000, b"4", 4800)])
def test_no_higher_rate_is_asked_for_than_the_head_can_do(most: int, code: bytes, rate: int) -> None:
    client = SignOn(max_baud=most)
    client.start(0.0)
    (acknowledged,) = client.receive(b"/Kam6\\2x\r\n", 1.0)
    assert isinstance(acknowledged, Transmit)
    assert without_parity(acknowledged.octets)[2:3] == code
    assert client.expire(9.0) == [ChangeBaud(rate)]


def test_a_wrong_or_missing_answer_is_asked_again_after_a_break() -> None:
    """R25."""
    client = SignOn(attempts=2)
    client.start(0.0)
    client.receive(b"\x00garbage\r\n", 0.5)
    assert client.expire(client.deadline(0.5) or 0.0) == [Transmit(with_parity(BREAK))]
    (again,) = client.expire(client.deadline(0.0) or 0.0)
    assert again == Transmit(with_parity(sign_on()))
    (failed,) = client.expire(client.deadline(0.0) or 0.0)
    assert isinstance(failed, SignOnFailed)
    assert "no answer to the sign-on in 2 attempts" in failed.reason
    assert client.deadline(0.0) is None


def test_a_meter_on_a_battery_is_woken_with_two_seconds_of_nul() -> None:
    """R25."""
    client = SignOn(wake_up=b"\0", device_address="12345678")
    (nul,) = client.start(0.0)
    assert isinstance(nul, Transmit)
    assert set(nul.octets) == {0}
    assert 2.1 <= len(nul.octets) * 10 / 300 <= 2.3
    due = client.deadline(0.0)
    assert due is not None
    assert 1.5 <= due - len(nul.octets) * 10 / 300 <= 1.7
    assert client.expire(due) == [Transmit(with_parity(b"/?12345678!\r\n"))]


def test_a_line_that_never_falls_silent_does_not_keep_the_sign_on_waiting() -> None:
    """R3."""
    client = SignOn(attempts=1)
    client.start(0.0)
    now = 0.0
    while (due := client.deadline(now)) is not None and now < 60:
        now += 0.5
        client.receive(b"\x55" * 20, now)
        if due <= now:
            client.expire(now)
    assert client.deadline(now) is None
    assert now < 10


def test_a_meter_that_begins_a_read_out_instead_is_told_of() -> None:
    client = SignOn()
    client.start(0.0)
    client.receive(METER.encode(), 1.0)
    client.expire(2.0)
    client.receive(with_parity(b"\x021-0:1.8.0*255(000123.4*kWh)\r\n"), 2.2)
    (failed,) = client.expire(4.0)
    assert isinstance(failed, SignOnFailed)
    assert "read-out instead of HDLC" in failed.reason


def test_a_meter_of_mode_a_or_b_has_no_mode_e() -> None:
    for code, mode in (("E", "mode B"), ("@", "mode A")):
        client = SignOn()
        client.start(0.0)
        (failed,) = client.receive(Identification("LGZ", code, "", "x").encode(), 1.0)
        assert isinstance(failed, SignOnFailed)
        assert mode in failed.reason


def test_a_meter_answers_to_its_own_address_and_to_none() -> None:
    meter = Responder(METER, device_address="0047")
    assert meter.receive(sign_on("48")) == []
    assert meter.receive(sign_on("47")) == [Transmit(with_parity(METER.encode()))]
    assert meter.receive(BREAK + sign_on()) == [Transmit(with_parity(METER.encode()))]
    assert meter.receive(OptionSelect("0", "5", "0").encode()) == [], "read-out is not asked of this meter"


def test_after_its_session_a_meter_waits_at_300_baud_again() -> None:
    meter = Responder(METER)
    meter.receive(OptionSelect("2", "5", "2").encode())
    assert meter.signed_on
    assert meter.reset() == [ChangeBaud(300)]
    assert not meter.signed_on


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"/EMH5\\@01LZQJL0014E\r\n", Identification("EMH", "5", "@", "01LZQJL0014E")),
        (b"/LGZ5\\2ZMD3104107.B32\r\n", Identification("LGZ", "5", "2", "ZMD3104107.B32")),
        (b"/KFM5KAIFA-METER\r\n", Identification("KFM", "5", "", "KAIFA-METER")),
        (b"/ISk5\\2MT372-0103\n", Identification("ISk", "5", "2", "MT372-0103")),
        (b"/?!\r\n/ELS6\\2\\@V11\r\n", Identification("ELS", "6", "2@", "V11")),
    ],
)
def test_identifications_as_meters_send_them_are_read(message: bytes, expected: Identification) -> None:
    """R20: parity masked, an echo before it skipped."""
    assert find_identification(message) == expected
    assert find_identification(without_parity(with_parity(message))) == expected


def test_a_sign_on_is_no_identification_and_a_device_address_has_letters_and_digits() -> None:
    assert find_identification(b"/?!\r\n") is None
    with pytest.raises(LocalProtocolError, match="device address"):
        SignOn(device_address="1!")


@given(
    st.lists(st.binary(max_size=20) | st.sampled_from([METER.encode(), BREAK, sign_on(), b"\x06252\r\n"]), max_size=9)
)
def test_no_octets_make_either_side_raise(pieces: list[bytes]) -> None:
    client, meter = SignOn(), Responder(METER)
    client.start(0.0)
    now = 0.0
    for piece in pieces:
        meter.receive(piece)
        client.receive(piece, now)
        if (due := client.deadline(now)) is not None:
            now = due
            client.expire(now)
