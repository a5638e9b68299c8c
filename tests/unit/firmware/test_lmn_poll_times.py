"""When a polled meter is asked, and how long for: on a line in memory, on fake time."""

import itertools
import logging
from collections.abc import Callable

import pytest
from driven_line import Line
from line_meter import Model
from memory_line import Peer
from smgw.sml.server import Reply, Server


@pytest.fixture(autouse=True)
def info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def said(caplog: pytest.LogCaptureFixture, text: str) -> int:
    return sum(text in record.getMessage() for record in caplog.records)


def sml_peer(**options: bytes) -> Peer:
    server = Server(Model(), **options)  # type: ignore[arg-type]
    return lambda octets: b"".join(one.octets for one in server.receive(octets) if isinstance(one, Reply))


def polled(peer: Peer | None, **changes: object) -> Line:
    settings = {"interval": 1, "timeout": 2, "retries": 2, **changes}
    return Line("sml-poll", peers=[peer] if peer else [], **settings)  # type: ignore[arg-type]


def test_a_meter_that_never_answers_is_told_once_and_asked_ever_more_rarely(caplog: pytest.LogCaptureFixture) -> None:
    line = polled(None)
    line.run(600)
    assert said(caplog, "no answer within") >= 1
    assert said(caplog, "telegram refused") == 1
    assert said(caplog, "m0: silent") == 1
    assert not line.inbox.captures
    per_minute = [sum(minute <= asked < minute + 60 for asked in line.asked) for minute in range(0, 600, 60)]
    assert per_minute[0] > 2 * per_minute[-1] > 0


def test_a_meter_that_answers_again_is_polled_at_its_interval_again() -> None:
    line = polled(sml_peer())
    peers = line.port.peers
    line.time.after(60, lambda: setattr(line.port, "peers", []))
    line.time.after(660, lambda: setattr(line.port, "peers", peers))
    line.run(900)
    assert not [at for at in line.stamps if 70 < at < 660]
    back = min(at for at in line.stamps if at > 660)
    assert back < 760
    last_minute = [at for at in line.stamps if at >= 840]
    assert [later - earlier for earlier, later in itertools.pairwise(last_minute)] == pytest.approx(
        [1] * (len(last_minute) - 1), abs=0.01
    )
    assert len(last_minute) >= 59


def in_drops(line: Line, peer: Peer, seconds: float) -> Peer:
    """Answers come in drops of 40 octets, so many seconds apart."""

    def answer(octets: bytes) -> bytes:
        whole = peer(octets)
        for place in range(40, len(whole), 40):
            line.port.say(whole[place : place + 40], 0.1 + place / 40 * seconds)
        return whole[:40]

    return answer


def test_an_answer_in_drops_is_read_and_stamped_at_its_first_octets() -> None:
    line = polled(None, interval=10)
    line.port.peers = [in_drops(line, sml_peer(), 0.3)]
    line.run(100)
    assert len(line.inbox.captures) >= 9
    for stamp in line.stamps[1:]:
        asked = max(moment for moment in line.asked if moment <= stamp)
        assert stamp - asked < 0.4  # the last drop comes after 1.8 s


def endless(line: Line) -> Callable[[bytes], bytes]:
    def answer(_: bytes) -> bytes:
        for place in range(1000):
            line.port.say(b"\x1b" * 16, place * 0.01)
        return b""

    return answer


def test_octets_without_end_do_not_hold_a_poll_up() -> None:
    line = polled(None, timeout=2, retries=0, interval=60)
    line.port.peers = [endless(line)]
    line.run(8)
    (watch,) = line.driver.watches.values()
    assert "no answer" in watch.last_refusal


@pytest.mark.parametrize("seconds", [1, 2, 10])
def test_the_interval_is_kept_without_drift(seconds: float) -> None:
    """What an answer takes is not added to it."""
    line = polled(sml_peer(), interval=seconds)
    line.run(60)
    phases = [stamp - place * seconds for place, stamp in enumerate(line.stamps)][2:]
    assert len(phases) == pytest.approx(60 / seconds, abs=3)
    assert max(phases) - min(phases) < 0.01


def test_a_slow_interval_does_not_miss_the_target_times_of_the_grid() -> None:
    line = polled(sml_peer(), interval=60, registration_period=15)
    line.run(600)
    assert len(line.stamps) >= 40
    assert max(stamp % 15 for stamp in line.stamps[1:]) < 1
