"""Every protocol keeps one of the two contracts, on a line in memory and with a time that the test hands in."""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from dlms_line_meter import LOAD_PROFILE, NAME, QUARTER, _Station
from dlms_line_meter import Model as DlmsModel
from line_meter import Inbox, telegram
from memory_line import START_US, FakeTime, MemoryPort, Peer, in_the_loop
from profiled_model import ProfiledModel
from smgw.cosem import Data, DataType, DeviceId, Obis, octet_string
from smgw.dlms.apdus.notify import DataNotification
from smgw.dlms.data import encode
from smgw.dlms.meter.access import Admission
from smgw.errors import SmgwError
from smgw.hdlc import Address, Link, LinkParameters
from smgw.iec62056.d0.meter import D0Meter
from smgw.iec62056.d0.profile import bound
from smgw.iec62056.identification import Identification
from smgw.iec62056.seven_bit import with_parity
from smgw.lmn.contract import Heard, Patience, PolledMeter, PushedMeter, Surroundings, Values
from smgw.lmn.errors import NoAnswerError, StoppedError
from smgw.lmn.polling import PollingDriver
from smgw.lmn.push_line import PushLine
from smgw.mbus.radio.sending import by_imst, in_the_clear
from smgw.mbus.slave import Slave
from smgw.mbus.telegram import Identity
from smgw.profiles import protocols
from smgw.profiles.d0 import D0Profile
from smgw.profiles.dlms import DlmsProfile
from smgw.profiles.entries import resolve
from smgw.profiles.mbus import MBusProfile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.p1 import P1Profile
from smgw.profiles.s0 import S0Profile
from smgw.profiles.secrets import Secrets
from smgw.profiles.wmbus import WmbusProfile
from smgw.sml.profiles import LOAD_PROFILE as SML_LOAD_PROFILE
from smgw.sml.server import Reply, Server
from smgw.store.ranges import Range
from smgw.wire import Refused, Transmit
from smgw.wire.crc_arc import crc_arc

SECOND = 1_000_000
NOW_S = START_US // SECOND
ROWS = list(range(NOW_S - 20 * QUARTER, NOW_S + 1, QUARTER))
POLLED = [entry.name for entry in protocols.every() if entry.polled]
PUSHED = [entry.name for entry in protocols.every() if not entry.polled]


def sml_peer(_physical: int | None) -> Peer:
    server = Server(ProfiledModel(ROWS))
    return lambda octets: b"".join(one.octets for one in server.receive(octets) if isinstance(one, Reply))


def dlms_peer(physical: int | None) -> Peer:
    meter: Any = SimpleNamespace(links=0, ended=0, admissions={16: Admission()})
    address = Address(1) if physical is None else Address(1, physical)
    link = Link.server(address, LinkParameters.of(2030, 7), clients=meter.admissions, inactivity=None)
    return _Station(meter, link, DlmsModel(ROWS, NAME if physical is None else b"UTB%013d" % physical)).carry


def mbus_peer(_physical: int | None) -> Peer:
    return Slave(5, Identity("14839120", "KAM", 1, 7), lambda _: [b"\x04\x13\1\0\0\0"]).receive


def dlms_telegram(value: int) -> bytes:
    """A push over HDLC: an array of name, value."""
    name = Data(DataType.STRUCTURE, (octet_string(b"\1\0\1\x08\0\xff"), Data(DataType.DOUBLE_LONG_UNSIGNED, value)))
    apdu = DataNotification(1, b"", encode(Data(DataType.ARRAY, (name,)))).encode()
    sent = Link.server(Address(1, 17), client=Address(16)).send_unnumbered(apdu, 0.0)
    return b"".join(event.octets for event in sent if isinstance(event, Transmit))


def p1_telegram(value: int) -> bytes:
    """A telegram of P1 with a check sum."""
    text = f"/XXX5TEST\r\n\r\n1-0:1.7.0({value:06d}*W)\r\n0-0:96.1.1(4D)\r\n!".encode()
    return text + b"%04X\r\n" % crc_arc(text)


class D0Model:
    """Two registers, and a load profile with a row each quarter of an hour."""

    def read_out(self) -> str:
        return "C.1.0(4711)\r\n1.8.0(1.0*kWh)\r\n"

    def register(self, code: str) -> str | None:
        return {"1.8.0": "(1.0*kWh)", "C.1.0": "(4711)"}.get(code)

    def profile(self, code: str, since: str, until: str) -> str:
        zone = ZoneInfo("Europe/Berlin")
        rows = [row for row in ROWS if since <= bound(row, zone) <= until]
        if code != "P.01" or not rows:
            return "P.01(ERROR)"
        return f"P.01({bound(rows[0], zone)})(00)(15)(1)(1.5)(kW)\r\n" + "".join("(0.25)\r\n" for _ in rows)


def d0_peer(_physical: int | None) -> Peer:
    meter = D0Meter(Identification("XXX", "5", "", "T"), D0Model())
    return lambda octets: b"".join(one.octets for one in meter.receive(octets) if isinstance(one, Transmit))


def d0_telegram(value: int) -> bytes:
    """A read-out that a meter sends by itself, with parity."""
    return with_parity(f"/XXX5TEST\r\n\r\n1-0:1.7.0*255({value:06d}*W)\r\n!\r\n".encode())


def radio_telegram(value: int) -> bytes:
    """A telegram of a water meter, as an iM871A passes it on."""
    meter = Identity("14839120", "KAM", 1, 7)
    return by_imst(in_the_clear(meter, value, b"\x04\x13" + value.to_bytes(4, "little")), 100)


class Kind(NamedTuple):
    """What the suite needs to know of a protocol: its other end, and its load profile or telegram."""

    peer: Callable[[int | None], Peer] | None = None
    load_profile: Obis | None = None
    telegram: Callable[[int], bytes] | None = None
    options: Any = None


#: A protocol without a line here fails the suite: it has no other end to be tried against.
KINDS = {
    "dlms": Kind(dlms_peer, LOAD_PROFILE, options=DlmsProfile()),
    "mbus": Kind(mbus_peer, options=MBusProfile()),
    "sml-poll": Kind(sml_peer, SML_LOAD_PROFILE),
    "dlms-push": Kind(telegram=dlms_telegram, options=DlmsProfile()),
    "sml-push": Kind(telegram=telegram),
    "d0": Kind(d0_peer, Obis.parse("1-0:99.1.0"), options=D0Profile()),
    "d0-push": Kind(telegram=d0_telegram, options=D0Profile()),
    "dsmr-p1": Kind(telegram=p1_telegram, options=P1Profile()),
    "mbus-push": Kind(options=MBusProfile()),  # it calls by itself: test_lmn_mbus_push.py
    "wmbus": Kind(telegram=radio_telegram, options=WmbusProfile("14839120")),
    "s0": Kind(options=S0Profile()),  # nobody is asked: test_lmn_s0.py
}
#: Of the polled ones, those with somebody at the other end.
ASKED = [name for name in POLLED if KINDS[name].peer is not None]


def profile(protocol: str, **changes: object) -> MeterProfile:
    settings: dict[str, Any] = {"name": "house", "port": "/dev/null", "options": KINDS[protocol].options, **changes}
    return MeterProfile(protocol=protocol, **settings)


class Bench:
    """One polled meter on a line of its own."""

    def __init__(self, name: str, *, there: bool = True) -> None:
        kind = KINDS[name]
        assert kind.peer is not None
        self.time = FakeTime()
        self.stop = threading.Event()
        self.port: Any = MemoryPort(self.time, [kind.peer(None)] if there else [])
        surroundings = Surroundings(self.time, now=self.time, stopping=self.stop.is_set)
        made = profile(name, timeout=2, retries=1)
        self.meter: PolledMeter = resolve(made.entry.meter)(made, Secrets(), surroundings)


def values(heard: list[Heard] | Any) -> list[Values]:
    return [one for group in heard if not isinstance(group, Refused) for one in group]


@pytest.mark.parametrize("name", ASKED)
def test_a_poll_gives_the_values_of_who_identifies_itself(name: str) -> None:
    bench = Bench(name)
    device = bench.meter.identify(bench.port)
    (found,) = values(bench.meter.poll(bench.port))
    assert found.device == device
    assert found.readings
    assert 0 < found.stamp.utc_us - START_US < 5 * SECOND


@pytest.mark.parametrize("name", ASKED)
def test_after_close_the_next_poll_begins_anew(name: str) -> None:
    bench = Bench(name)
    for _ in range(3):
        assert values(bench.meter.poll(bench.port))
        bench.meter.close(bench.port)


@pytest.mark.parametrize("name", ASKED)
def test_a_meter_that_is_not_there_is_given_up_when_the_patience_is_over(name: str) -> None:
    bench = Bench(name, there=False)
    for patience in (Patience(2, 1), Patience(0.5, 0)):
        bench.meter.patience = patience
        began = bench.time.now
        with pytest.raises(NoAnswerError):
            bench.meter.poll(bench.port)
        took = bench.time.now - began
        assert patience.timeout <= took <= (1 + patience.retries) * patience.timeout + 1.5


@pytest.mark.parametrize("name", ASKED)
def test_a_meter_that_comes_back_answers_the_next_poll(name: str) -> None:
    bench = Bench(name)
    peers, bench.port.peers = bench.port.peers, []
    with pytest.raises(NoAnswerError):
        bench.meter.poll(bench.port)
    bench.port.peers = peers
    assert values(bench.meter.poll(bench.port))


@pytest.mark.parametrize("name", ASKED)
def test_noise_before_an_answer_costs_nothing(name: str) -> None:
    bench = Bench(name)
    bench.port.say(b"\x00\xff\x55noise")
    assert values(bench.meter.poll(bench.port))


@pytest.mark.parametrize("name", ASKED)
def test_listening_lasts_until_the_moment_that_is_named(name: str) -> None:
    bench = Bench(name)
    bench.meter.poll(bench.port)
    until = bench.time.now + 30
    assert not values(bench.meter.listen(bench.port, until))
    assert bench.time.now == pytest.approx(until)


@pytest.mark.parametrize("name", ASKED)
def test_a_stop_ends_a_poll_and_the_meter_is_closed_quietly(name: str) -> None:
    bench = Bench(name, there=False)

    def stop() -> None:
        bench.stop.set()
        bench.port.woken = True

    bench.time.after(0.7, stop)
    with pytest.raises(StoppedError):
        bench.meter.poll(bench.port)
    bench.meter.close(bench.port)
    assert bench.time.passed < 1.5


@pytest.mark.parametrize("name", [name for name in POLLED if KINDS[name].load_profile])
def test_a_load_profile_comes_in_pieces_that_cover_the_range_once(name: str) -> None:
    bench = Bench(name)
    bench.meter.identify(bench.port)
    obis = KINDS[name].load_profile
    assert obis is not None
    wanted = Range(ROWS[0] * SECOND, ROWS[-1] * SECOND)
    source = bench.meter.load_profile(obis, wanted)
    rows, at = [], wanted.since
    while not source.done:
        piece = source.step(bench.port)
        assert piece.since_us == at
        at = piece.until_us + 1
        rows += [row.target_time_us // SECOND for row in piece.rows]
    assert at > wanted.until
    assert rows == ROWS
    assert source.period_s == QUARTER


def drive(bench_time: FakeTime, made: Any, port: Any, stop: threading.Event, seconds: float) -> None:
    """Let a driver serve its open port for so much fake time."""

    def end() -> None:
        stop.set()
        port.woken = True

    bench_time.after(seconds, end)
    made._serve(port)


@pytest.mark.parametrize("name", ASKED)
def test_a_poll_every_2_s_for_10_minutes_does_not_drift(name: str) -> None:
    kind, time, stop, inbox = KINDS[name], FakeTime(), threading.Event(), Inbox()
    assert kind.peer is not None
    port: Any = MemoryPort(time, [kind.peer(None)])
    surroundings = Surroundings(time, now=time, stopping=stop.is_set)
    made = PollingDriver([(profile(name, interval=2), Secrets())], surroundings, inbox, None, stop)
    drive(time, made, port, stop, 600)
    moments = [(capture.stamp.utc_us - START_US) / SECOND for capture in inbox.captures]
    assert len(moments) == 300
    phases = [moment - 2 * place for place, moment in enumerate(moments)][1:]
    # Each answer takes equally long; the first poll alone asks for the object list, too.
    assert max(phases) - min(phases) < 0.001


class Bus(NamedTuple):
    inbox: Inbox
    time: FakeTime


@pytest.fixture(scope="module")
def bus() -> Bus:
    """An hour of a bus with an absent meter between two that answer; each registers every minute."""
    time, stop, inbox = FakeTime(), threading.Event(), Inbox()
    port: Any = MemoryPort(time, [dlms_peer(17), dlms_peer(18)])
    line = [
        (
            profile(
                "dlms", name=f"m{physical}", interval=2, registration_period=60, options=DlmsProfile(physical=physical)
            ),
            Secrets(),
        )
        for physical in (40, 17, 18)
    ]
    made = PollingDriver(line, Surroundings(time, now=time, stopping=stop.is_set), inbox, None, stop)
    drive(time, made, port, stop, 3600)
    return Bus(inbox, time)


def moments(bus: Bus, meter: str) -> list[float]:
    """Seconds since the start of each capture."""
    return [(one.stamp.utc_us - START_US) / SECOND for one in bus.inbox.captures if one.meter == meter]


@pytest.mark.parametrize("meter", ["m17", "m18"])
@pytest.mark.parametrize("seconds", [60, 600, 3600])
def test_an_absent_meter_leaves_its_neighbours_95_percent_of_their_polls(meter: str, seconds: int, bus: Bus) -> None:
    """From the first minute on; in any single minute it costs them three polls at most, those of one try."""
    found = moments(bus, meter)
    assert sum(one < seconds for one in found) >= 0.95 * seconds / 2
    for minute in range(0, 3600, 60):
        assert sum(minute <= one < minute + 60 for one in found) >= 27


@pytest.mark.parametrize("meter", ["m17", "m18"])
def test_an_absent_meter_costs_its_neighbours_no_grid_value(meter: str, bus: Bus) -> None:
    found = moments(bus, meter)
    for target in range(60, 3600, 60):
        assert any(abs(one - target) <= 2 for one in found), f"nothing within 2 s of {target} s"


@pytest.mark.parametrize("meter", ["m17", "m18"])
def test_a_meter_behind_an_absent_one_has_its_first_poll_within_10_s(meter: str, bus: Bus) -> None:
    assert moments(bus, meter)[0] <= 10


def test_an_absent_meter_is_tried_ever_more_rarely_and_for_ever(bus: Bus) -> None:
    refused = [state.refused for state in bus.inbox.states if state.meter == "m40"]
    assert 10 <= refused[-1] <= 60


class Broken:
    """A meter whose code has a fault: it leaves another speed, and raises what nobody expects."""

    idle_s = float("inf")
    unanswered = False
    patience = None

    def poll(self, port: Any) -> list[Heard]:
        port.change_baud(300)
        raise ValueError("nobody thought of that")

    def close(self, port: Any) -> None:
        """There is no session."""


def test_a_fault_in_the_code_of_one_meter_costs_its_neighbour_nothing() -> None:
    time, stop, inbox = FakeTime(), threading.Event(), Inbox()
    port: Any = MemoryPort(time, [dlms_peer(17)])
    line = [
        (profile("dlms", name=f"m{physical}", interval=2, options=DlmsProfile(physical=physical)), Secrets())
        for physical in (16, 17)
    ]
    made = PollingDriver(line, Surroundings(time, now=time, stopping=stop.is_set), inbox, None, stop)
    made._members[0].meter = Broken()  # type: ignore[assignment]
    drive(time, made, port, stop, 60)
    assert len(moments(Bus(inbox, time), "m17")) == 30
    assert made.watches["m16"].last_refusal.startswith("internal error: ValueError")
    assert port.settings.baudrate == 9600, "each session begins at the speed of the line"


# Meters that push.


def pushed(name: str) -> tuple[PushedMeter, FakeTime]:
    time, made = FakeTime(), profile(name)
    meter: PushedMeter = resolve(made.entry.meter)(made, Secrets(), Surroundings(time, now=time))
    return meter, time


@pytest.mark.parametrize("name", PUSHED)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_telegram_in_pieces_of_any_size_gives_the_same_values(name: str, size: int) -> None:
    meter, time = pushed(name)
    made = KINDS[name].telegram
    assert made is not None
    for value in (5, 6):
        octets, heard = made(value), []
        first = time.stamp()
        for start in range(0, len(octets), size):
            heard += meter.receive(octets[start : start + size], time.stamp())
            time.sleep(0.01)
        (found,) = values(heard)
        assert found.readings[0].value.value == value
        assert found.stamp.utc_us - first.utc_us <= (80_000 if size == 1 else 10_000)  # SML's start has 8 octets
        assert not meter.receiving


@pytest.mark.parametrize("name", PUSHED)
def test_what_is_cut_off_is_refused_and_the_next_telegram_is_read(name: str) -> None:
    meter, time = pushed(name)
    made = KINDS[name].telegram
    assert made is not None
    assert not meter.receive(made(5)[:-3], time.stamp())
    assert meter.receiving
    assert all(isinstance(one, Refused) for one in meter.finish())
    assert not meter.receiving
    (found,) = values(meter.receive(made(6), time.stamp()))
    assert found.readings[0].value.value == 6


@pytest.mark.parametrize("name", PUSHED)
def test_a_damaged_telegram_is_refused_and_costs_no_other(name: str) -> None:
    meter, time = pushed(name)
    made = KINDS[name].telegram
    assert made is not None
    damaged = bytearray(made(5))
    damaged[len(damaged) // 2] ^= 0x10
    heard = [*meter.receive(bytes(damaged), time.stamp()), *meter.receive(made(6), time.stamp())]
    heard += meter.receive(made(7), time.stamp())
    assert any(isinstance(one, Refused) for one in heard)
    assert [found.readings[0].value.value for found in values(heard)] == [6, 7]


@pytest.mark.parametrize("name", PUSHED)
def test_every_telegram_of_a_line_is_captured(name: str) -> None:
    time, stop, inbox, made = FakeTime(), threading.Event(), Inbox(), KINDS[name].telegram
    assert made is not None
    port: Any = MemoryPort(time)
    for second in range(60):
        port.say(made(second), second + 0.3)
    line = PushLine(profile(name), Secrets(), Surroundings(time, now=time, stopping=stop.is_set), inbox, stop)
    loop = in_the_loop(time, [(line, port)])
    while time.passed < 61:
        loop.turn()
    assert inbox.values == list(range(60))
    stamps = [(capture.stamp.utc_us - START_US) / SECOND for capture in inbox.captures]
    assert stamps == pytest.approx([second + 0.3 for second in range(60)], abs=0.001)


def test_every_protocol_is_tried_by_this_suite() -> None:
    assert sorted(KINDS) == protocols.names()


@pytest.mark.parametrize("name", protocols.names())
def test_what_an_entry_names_is_there(name: str) -> None:
    entry = protocols.entry(name)
    assert entry.name == name
    for reference in filter(None, (entry.meter, entry.scan, entry.printer)):
        assert resolve(reference) is not None


def test_an_error_of_a_meter_is_one_that_a_person_can_read() -> None:
    assert issubclass(NoAnswerError, SmgwError)
    assert DeviceId(NAME)
