"""How a session with a DLMS meter begins and ends, on a line in memory."""

import logging
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from captures import field_case
from dlms_line_meter import Model, _Station
from memory_line import FakeTime, MemoryPort
from smgw.cosem import AttributeName, Data, DataType, Obis
from smgw.dlms.apdus.acse import AARQ_TAG, RLRQ_TAG
from smgw.dlms.apdus.get import GetResponseBlock
from smgw.dlms.carriers.wrapper import Wrapper, encode_wrapper
from smgw.dlms.data import decode_all, encode
from smgw.dlms.meter.access import Admission
from smgw.dlms.security.hls import Password
from smgw.dlms.security.secret import Secret
from smgw.hdlc import Address, Link, LinkParameters
from smgw.hdlc.control import CONTROLS
from smgw.hdlc.frame import Frame, FrameDecoder
from smgw.lmn.contract import Surroundings
from smgw.lmn.dlms.security import Security
from smgw.lmn.dlms.session import DlmsSession
from smgw.lmn.errors import AccessRefusedError, NoAnswerError
from smgw.ports import LineSettings
from smgw.profiles.dlms import Authentication, DlmsProfile, Framing, Quirk
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets

GET = 0xC0
ENERGY = AttributeName(3, Obis.parse("1-0:1.8.0"), 2)
NOT_NOW = bytes.fromhex("d80101")
KEYS = {"encryption_key_file": Path("e"), "authentication_key_file": Path("a")}


class WrapperMeter:
    """A meter with one association a connection: another AARQ before RLRQ is refused."""

    def __init__(self, **admissions: Admission) -> None:
        clients = {int(name[1:]): admission for name, admission in admissions.items()}
        meter: Any = SimpleNamespace(links=0, ended=0, admissions=clients or {16: Admission()})
        self._station = _Station(meter, Wrapper.server(1), Model())
        self.tags: list[int] = []
        self.associated = False

    def __call__(self, octets: bytes) -> bytes:
        client, tag = octets[3], octets[8]
        self.tags.append(tag)
        if tag == AARQ_TAG and self.associated:
            return encode_wrapper(1, client, NOT_NOW)
        self.associated = tag != RLRQ_TAG
        return self._station.carry(octets)


class HdlcMeter:
    """A meter on HDLC. `deaf`: after a DISC that finds no link it hears no SNRM, as servers on TCP do."""

    def __init__(self, *, deaf: bool = False) -> None:
        meter: Any = SimpleNamespace(links=0, ended=0, admissions={16: Admission()})
        link = Link.server(Address(1), LinkParameters.of(2030, 7), clients=meter.admissions, inactivity=None)
        self._station = _Station(meter, link, Model())
        self._deaf = deaf
        self._connected = self._ignores = False
        self._frames = FrameDecoder()
        self.kinds: list[str] = []

    def __call__(self, octets: bytes) -> bytes:
        for frame in self._frames.receive(octets):
            assert isinstance(frame, Frame)
            self.kinds.append(_kind(frame))
            if self.kinds[-1] == "DISC":
                self._ignores = self._deaf and not self._connected
            self._connected = not self._ignores and self.kinds[-1] != "DISC"
        return b"" if self._ignores else self._station.carry(octets)


class Bench:
    """A session with one meter."""

    def __init__(self, peer: Any, url: str = "/dev/ttyUSB0", secrets: Secrets | None = None, **dlms: Any) -> None:
        self.time = FakeTime()
        self.stop = threading.Event()
        self._url, self._peer = url, peer
        self.port = self.opened()
        profile = MeterProfile(
            name="flat", protocol="dlms", port=url, timeout=2, retries=0, options=DlmsProfile(**dlms)
        )  # fmt: skip
        surroundings = Surroundings(self.time, now=self.time, stopping=self.stop.is_set)
        self.session = DlmsSession(profile, Security(profile, secrets or Secrets(), Keeper()), surroundings)

    def opened(self) -> Any:
        """The port, opened anew."""
        port = MemoryPort(self.time, [self._peer])
        port.url, port.settings = self._url, LineSettings(921_600)
        return port

    def open(self) -> None:
        self.session.open(self.port)


class Keeper:
    """Counts from where it is asked to."""

    def reserve(self, _kind: object, _scope: str, _holder: str, least: int, _amount: int) -> int:
        return least

    def skip(self, _scope: str, _holder: str, _step: int, _expected: int) -> bool:
        return True


def wrapped(meter: WrapperMeter, **options: Any) -> Bench:
    return Bench(meter, "socket://localhost:4059", framing=Framing.WRAPPER, **options)


def test_over_the_wrapper_the_public_client_releases_before_the_other_client_associates() -> None:
    """The meter would refuse the second AARQ, so that no encrypted meter could be read (R6, R7)."""
    meter = WrapperMeter(c16=Admission(), c1=Admission(Password(Secret(b"12345678"))))
    bench = wrapped(
        meter, client=1, authentication=Authentication.LOW,
        secrets=Secrets(password=b"12345678", encryption_key=bytes(16)), **KEYS,
    )  # fmt: skip
    bench.session._security.ciphering = lambda: None  # type: ignore[method-assign]  # the counter is asked, no more
    bench.open()
    assert meter.tags == [AARQ_TAG, GET, RLRQ_TAG, AARQ_TAG]
    assert bench.session.open_


def test_a_refused_password_stays_one_where_the_counter_is_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the meter would not be held."""
    meter = WrapperMeter(c1=Admission(Password(Secret(b"12345678"))))
    bench = wrapped(
        meter, client=1, authentication=Authentication.LOW,
        secrets=Secrets(password=b"hunter22", encryption_key=bytes(16)), **KEYS,
    )  # fmt: skip
    monkeypatch.setattr(bench.session, "_learn_counter", lambda *_: "its counter makes no sense")
    monkeypatch.setattr(bench.session._security, "ciphering", lambda: None)
    with pytest.raises(AccessRefusedError):
        bench.open()


def test_over_the_wrapper_each_session_ends_with_a_release() -> None:
    meter = WrapperMeter()
    bench = wrapped(meter)
    for _ in range(2):
        bench.open()
        bench.session.close(bench.port)
    assert meter.tags == [AARQ_TAG, RLRQ_TAG] * 2


def test_a_stop_releases_over_the_wrapper_and_waits_for_nothing() -> None:
    meter = WrapperMeter()
    bench = wrapped(meter)
    bench.open()
    bench.stop.set()
    before = bench.time.now
    bench.session.close(bench.port)
    assert meter.tags[-1] == RLRQ_TAG
    assert bench.time.now == before


def test_a_meter_that_stumbles_over_a_release_gets_none() -> None:
    """R8."""
    meter = WrapperMeter()
    bench = wrapped(meter, quirks=(Quirk.NO_RELEASE,))
    bench.open()
    bench.stop.set()
    bench.session.close(bench.port)
    assert RLRQ_TAG not in meter.tags


def test_on_a_serial_line_a_disc_goes_before_the_first_snrm() -> None:
    """R6."""
    meter = HdlcMeter()
    Bench(meter).open()
    assert meter.kinds[:2] == ["DISC", "SNRM"]


def test_on_a_fresh_tcp_connection_no_disc_goes_first() -> None:
    meter = HdlcMeter(deaf=True)
    bench = Bench(meter, "socket://localhost:4061")
    bench.open()
    assert meter.kinds[0] == "SNRM"
    assert bench.session.open_


def test_a_second_session_on_the_connection_comes_after_the_disc_of_the_first() -> None:
    meter = HdlcMeter()
    bench = Bench(meter, "socket://localhost:4061")
    bench.open()
    bench.session.close(bench.port)
    bench.open()
    assert [kind for kind in meter.kinds if kind != "I"] == ["SNRM", "DISC", "SNRM"]


def test_where_snrm_is_not_answered_after_disc_the_next_try_is_without_disc() -> None:
    meter = HdlcMeter(deaf=True)
    bench = Bench(meter)
    with pytest.raises(NoAnswerError):
        bench.open()
    meter._ignores = False  # the other side has closed and opened the line meanwhile
    bench.port = bench.opened()
    bench.open()
    assert meter.kinds[:3] == ["DISC", "SNRM", "SNRM"]


def test_where_snrm_is_not_answered_on_a_fresh_tcp_connection_the_next_try_begins_with_disc() -> None:
    """A bridge to a serial line: behind it an older session may be open."""
    meter = HdlcMeter()
    occupied = [True]

    def bridge(octets: bytes) -> bytes:
        if _kind(FrameDecoder().receive(octets)[0]) == "DISC":
            occupied.clear()
        return b"" if occupied else meter(octets)

    bench = Bench(bridge, "socket://localhost:4061")
    with pytest.raises(NoAnswerError):
        bench.open()
    bench.port = bench.opened()
    bench.open()
    assert meter.kinds[:2] == ["DISC", "SNRM"]


def _kind(frame: Any) -> str:
    control = CONTROLS[frame.control]
    assert control is not None
    return control.kind.name


def with_stray(octets: bytes) -> bytes:
    """Gurux's server in C: behind the last block it sends a part of it once more."""
    if octets[8:10] == b"\xc4\x02" and octets[11]:
        return encode_wrapper(1, octets[5], octets[8:] + octets[10:])
    return octets


def test_octets_behind_the_last_block_are_ignored_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    meter = WrapperMeter(c16=Admission(max_pdu_size=128))
    model = meter._station._model
    model.extra[ENERGY] = encode(Data(DataType.VISIBLE_STRING, "x" * 66_000))
    bench = wrapped(lambda octets: with_stray(meter(octets)))  # type: ignore[arg-type]
    bench.open()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            result = bench.session.get(bench.port, ENERGY)
            assert isinstance(result, bytes)
            assert decode_all(result).value == "x" * 66_000
    told = [record.message for record in caplog.records]
    assert len(told) == 1
    assert "octets behind the last block of an answer are ignored" in told[0]


def test_the_blocks_of_gurux_give_their_five_rows() -> None:
    frames = [
        one
        for one in FrameDecoder().receive(field_case("dlms/gurux_c_stray_behind_last_block"))
        if isinstance(one, Frame)
    ]
    blocks = [GetResponseBlock.read(_cursor(frame.information[3:])) for frame in frames]
    rows = decode_all(b"".join(block.result for block in blocks if isinstance(block.result, bytes)))
    assert isinstance(rows.value, tuple)
    assert len(rows.value) == 5
    assert blocks[-1].stray == 11


def _cursor(octets: bytes) -> Any:
    from smgw.dlms.apdus.cursor import Cursor

    return Cursor(octets, 2)
