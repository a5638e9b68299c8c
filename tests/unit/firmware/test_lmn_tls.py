"""Lines over TLS: a handshake that hangs delays nobody, and a session is renewed without losing a telegram."""

import contextlib
import itertools
import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from driven_line import Line
from line_meter import LIMIT, Clock, Head, Inbox, Model, telegram, until
from lmn_tls import NOW, WAIT_S, Lmn, Wire, meter, telling
from memory_line import MemoryPort
from smgw.cosem import ClockState, Stamp
from smgw.lmn import listening
from smgw.lmn.contract import Surroundings
from smgw.lmn.push_line import PushLine
from smgw.ports import tls
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.services.fleet import Words
from smgw.services.lines import Lines
from smgw.sml.server import Reply, Server
from smgw.store.records import Condition
from smgw.trust.meter_tls import SESSION_S


@pytest.fixture(autouse=True)
def quick_ticks(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(listening, "_TICK", 0.05)
    caplog.set_level(logging.INFO)


class Ageing(MemoryPort):
    """A port that wants to be renewed 100 s after each opening."""

    @property
    def outdated(self) -> bool:  # type: ignore[override]
        return self._time.now - (self.reopened[-1] if self.reopened else 1000) > 100


def test_a_pushing_line_is_renewed_between_telegrams(caplog: pytest.LogCaptureFixture) -> None:
    line = Line("sml-push")
    line.port = port = Ageing(line.time)
    octets = telegram(7)
    for second in range(5, 350, 2):
        for place in range(0, len(octets), 16):
            port.say(octets[place : place + 16], second + place / 960)
    line.run(350)
    assert [round(moment - 1000) // 10 for moment in port.reopened] == [10, 20, 30]
    assert len(line.inbox.captures) == len(range(5, 350, 2))
    assert "is opened again" not in caplog.text
    assert all(state.state is not Condition.ABSENT for state in line.inbox.states)


def test_a_polled_line_is_renewed_between_polls() -> None:
    server = Server(Model())

    def peer(octets: bytes) -> bytes:
        return b"".join(one.octets for one in server.receive(octets) if isinstance(one, Reply))

    line = Line("sml-poll", interval=2)
    line.port = port = Ageing(line.time, [peer])
    line.run(350)
    assert [round(moment - 1000) // 10 for moment in port.reopened] == [10, 20, 30]
    assert len(line.inbox.captures) >= 170


@contextlib.contextmanager
def lines_of(inbox: Inbox, trust: Path, profiles: Sequence[MeterProfile]) -> Iterator[Lines[MeterProfile]]:
    def make(order: MeterProfile) -> PushLine:
        return PushLine(order, Secrets(), Surroundings(RealClock(), trust=trust), inbox, threading.Event())

    lines: Lines[MeterProfile] = Lines(Words("line of {}", "{} new", "{} anew", "{} gone"), make, LIMIT, 60)
    lines.apply({one.name: one for one in profiles})
    try:
        yield lines
    finally:
        assert lines.stop() == []


class RealClock(Clock):
    def stamp(self) -> Stamp:
        return super().stamp()._replace(utc_us=NOW * 1_000_000, state=ClockState.SYNCHRONISED)


def pushing(name: str, port: str) -> MeterProfile:
    return MeterProfile(name=name, protocol="sml-push", port=port)


def test_a_handshake_that_hangs_delays_no_other_and_ends_with_the_line(tmp_path: Path) -> None:
    lmn, inbox, head = Lmn(tmp_path), Inbox(), Head(tmp_path / "head")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the system accepts, nobody answers
        hung = pushing("house", f"tls://127.0.0.1:{silent.getsockname()[1]}")
        with lines_of(inbox, lmn.trust, [hung, pushing("m0", str(head.link))]) as lines:
            until(lambda: lines.members["m0"].tried)
            head.send(telegram(1))
            until(lambda: inbox.captures)
            assert not lines.members["house"].tried, "the handshake hangs"
    head.unplug()


def test_a_pushing_meter_over_tls_is_read_in_the_loop_and_renewed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lmn, inbox, later, numbers = Lmn(tmp_path), Inbox(), [0.0], itertools.count(1)
    monkeypatch.setattr(tls, "_boottime", lambda: later[0])

    def serve(connection: socket.socket) -> object:
        return telling(lmn, telegram(next(numbers)))(connection)

    with meter(serve, 2) as url, lines_of(inbox, lmn.trust, [pushing("house", url)]):
        until(lambda: values(inbox) == [1], WAIT_S)
        later[0] = SESSION_S - 3600.0
        until(lambda: values(inbox) == [1, 2], WAIT_S)
    assert next(numbers) == 3


def values(inbox: Inbox) -> list[object]:
    return [one.readings[0].value.value for one in inbox.captures]


def test_a_meter_with_another_certificate_is_absent_with_the_reason(tmp_path: Path) -> None:
    lmn, inbox = Lmn(tmp_path), Inbox()
    stranger = Lmn(tmp_path / "stranger")
    lmn.pin("house", stranger.meter_certificate)
    with meter(lambda one: Wire(lmn.server(), one), 100) as url, lines_of(inbox, lmn.trust, [pushing("house", url)]):
        until(lambda: any(one.state is Condition.ABSENT for one in inbox.states), WAIT_S)
        note = next(one.note for one in inbox.states if one.state is Condition.ABSENT)
        assert lmn.meter_certificate.fingerprint in note
        assert "smgw keys meter" in note
        lmn.pin("house", lmn.meter_certificate)  # what a person does: the next try succeeds
        until(lambda: inbox.states[-1].state is Condition.WAITING, WAIT_S)
