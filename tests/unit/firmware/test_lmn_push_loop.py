"""Many lines with pushing meters in one loop: what one of them does costs the others nothing."""

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from line_meter import LIMIT, Clock, Head, Inbox, telegram, until
from memory_line import START_US, FakeTime, MemoryPoll, MemoryPort, in_the_loop
from smgw import patience
from smgw.cosem import Stamp
from smgw.lmn import listening
from smgw.lmn.contract import Heard, Surroundings
from smgw.lmn.push_line import PushLine
from smgw.lmn.push_loop import PushLoop
from smgw.lmn.sml.push import SmlPush
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.services.fleet import Words
from smgw.services.lines import Lines
from smgw.services.workers import Worker
from smgw.store.records import Condition

OCTET = 10 / 9600  # seconds on the wire


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(listening, "_TICK", 0.05)
    monkeypatch.setattr(patience, "_FIRST_RESTART", 0.05)
    caplog.set_level(logging.INFO)


class Memory:
    """Lines in memory, on fake time."""

    def __init__(self, number: int) -> None:
        self.time, self.inbox = FakeTime(), Inbox()
        self.ports = [MemoryPort(self.time) for _ in range(number)]
        around = Surroundings(self.time, now=self.time)
        lines = [
            PushLine(
                MeterProfile(name=f"m{place}", protocol="sml-push", port="/dev/null"),
                Secrets(), around, self.inbox, threading.Event(),
            )
            for place in range(number)
        ]  # fmt: skip
        self.loop = in_the_loop(self.time, list(zip(lines, self.ports, strict=True)))
        self.turns = 0

    def send(self, place: int, octets: bytes, second: float, size: int = 16) -> None:
        """A telegram at the speed of the line, in pieces as a UART gives them."""
        for start in range(0, len(octets), size):
            piece = octets[start : start + size]
            self.ports[place].say(piece, second + (start + len(piece)) * OCTET)

    def run(self, seconds: float) -> None:
        while self.time.passed < seconds:
            self.loop.turn()
            self.turns += 1

    def stamps(self, meter: str) -> list[float]:
        return [(one.stamp.utc_us - START_US) / 1e6 for one in self.inbox.captures if one.meter == meter]


def test_telegrams_of_64_lines_at_the_same_moment_are_read_and_have_the_time_of_their_first_octets() -> None:
    memory = Memory(64)
    for second in range(5):
        for place in range(64):
            memory.send(place, telegram(second), second + 0.2)
    memory.run(6)
    for place in range(64):
        found = memory.stamps(f"m{place}")
        assert found == pytest.approx([second + 0.2 + 16 * OCTET for second in range(5)], abs=0.001)


def test_a_telegram_takes_two_turns_and_telegrams_of_several_lines_are_read_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "_TICK", 10.0)
    memory, seconds = Memory(8), 20
    for second in range(seconds):
        for place in range(8):
            memory.send(place, telegram(second), second + place / 8)
    memory.run(2)
    memory.turns = 0
    memory.run(seconds)
    assert len(memory.inbox.captures) == 8 * seconds
    assert memory.turns < 13 * (seconds - 2), "8 beginnings a second, and at most 5 readings"


def test_telegrams_without_a_pause_between_them_have_each_their_own_time() -> None:
    memory, octets = Memory(1), telegram(1)
    long = len(octets) * OCTET
    memory.send(0, octets, 0.5)
    memory.send(0, telegram(2) + telegram(3), 2.0)
    memory.run(4)
    assert memory.inbox.values == [1, 2, 3]
    first = 2.0 + 16 * OCTET
    assert memory.stamps("m0")[1:] == pytest.approx([first, first + long], abs=0.03)


def test_a_line_that_never_pauses_keeps_no_other_line_waiting() -> None:
    memory = Memory(2)
    memory.send(0, b"\x55" * 9000, 0)
    for second in range(1, 8):
        memory.send(1, telegram(second), second)
    memory.run(9)
    assert memory.inbox.values == [1, 2, 3, 4, 5, 6, 7]
    assert memory.stamps("m1") == pytest.approx([second + 16 * OCTET for second in range(1, 8)], abs=0.02)


def profile(name: str, port: object, **changes: Any) -> MeterProfile:
    return MeterProfile(name=name, protocol="sml-push", port=str(port), **changes)


@pytest.fixture
def heads(tmp_path: Path) -> Iterator[list[Head]]:
    made = [Head(tmp_path / f"head{place}") for place in range(3)]
    yield made
    for head in made:
        head.unplug()


@contextlib.contextmanager
def lines_of(inbox: Inbox, profiles: Sequence[MeterProfile]) -> Iterator[Lines[MeterProfile]]:
    def make(order: MeterProfile) -> PushLine:
        return PushLine(order, Secrets(), Surroundings(Clock()), inbox, threading.Event())

    lines: Lines[MeterProfile] = Lines(Words("line of {}", "{} new", "{} anew", "{} gone"), make, LIMIT, 60)
    lines.apply({one.name: one for one in profiles})
    try:
        yield lines
    finally:
        assert lines.stop() == []


def opened(lines: Lines[MeterProfile], *names: str) -> None:
    until(lambda: all(lines.members[name].tried for name in names))


def of(inbox: Inbox, meter: str) -> list[object]:
    return [one.readings[0].value.value for one in inbox.captures if one.meter == meter]


def test_a_fault_in_the_code_of_one_meter_is_logged_and_costs_the_others_nothing(
    heads: list[Head], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    receive, failed = SmlPush.receive, []

    def fails_once(self: SmlPush, octets: bytes, stamp: Stamp) -> Sequence[Heard]:
        if b"\x55\x55" in octets:
            failed.append(octets)
            raise ZeroDivisionError("a fault of this meter")
        return receive(self, octets, stamp)

    monkeypatch.setattr(SmlPush, "receive", fails_once)
    inbox = Inbox()
    with lines_of(inbox, [profile(f"m{place}", head.link) for place, head in enumerate(heads)]) as lines:
        opened(lines, "m0", "m1", "m2")
        heads[0].send(b"\x55" * 8)
        until(lambda: failed)
        heads[1].send(telegram(1))
        heads[2].send(telegram(2))
        until(lambda: of(inbox, "m1") == [1] and of(inbox, "m2") == [2])

        def heard() -> bool:
            heads[0].send(telegram(3), pause=0.05)
            return 3 in of(inbox, "m0")

        until(heard)
        assert all(worker.sound for worker in lines.workers)
    assert caplog.text.count("line of m0 failed; it starts again in") == 1
    assert "a fault of this meter" in caplog.text


def test_a_meter_on_tcp_that_does_not_answer_delays_no_other(heads: list[Head]) -> None:
    inbox = Inbox()
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as stack:
        for _ in range(4):  # until the queue of the listening socket is full, so that a connection hangs
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        slow = profile("slow", f"socket://127.0.0.1:{full.getsockname()[1]}")
        with lines_of(inbox, [slow, profile("m0", heads[0].link)]) as lines:
            opened(lines, "m0")
            heads[0].send(telegram(1))
            until(lambda: of(inbox, "m0") == [1])
            assert not lines.members["slow"].tried, "the connection hangs"


def test_a_change_of_one_line_leaves_the_others_alone(heads: list[Head]) -> None:
    inbox = Inbox()
    before = [profile(f"m{place}", heads[place].link) for place in range(2)]
    with lines_of(inbox, before) as lines:
        opened(lines, "m0", "m1")
        heads[0].send(telegram(1)[:100])
        unchanged = lines.members["m0"]
        assert lines.apply({"m0": before[0], "m1": profile("m1", heads[2].link)}) == ["m1 anew"]
        opened(lines, "m1")
        assert lines.members["m0"] is unchanged
        heads[0].send(telegram(1)[100:])
        until(lambda: of(inbox, "m0") == [1])
        heads[2].send(telegram(2))
        until(lambda: of(inbox, "m1") == [2])


def test_two_lines_may_exchange_their_ports(heads: list[Head]) -> None:
    inbox = Inbox()
    with lines_of(inbox, [profile("m0", heads[0].link), profile("m1", heads[1].link)]) as lines:
        opened(lines, "m0", "m1")
        changed = [profile("m0", heads[1].link), profile("m1", heads[0].link)]
        lines.apply({one.name: one for one in changed})
        opened(lines, "m0", "m1")
        heads[1].send(telegram(1))
        until(lambda: of(inbox, "m0") == [1])
    assert Condition.ABSENT not in [one.state for one in inbox.states], "each port was free again"


def test_a_line_has_no_thread_while_its_port_is_open_and_leaves_no_descriptor(heads: list[Head]) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names
    with lines_of(Inbox(), [profile(f"m{place}", head.link) for place, head in enumerate(heads)]) as lines:
        opened(lines, "m0", "m1", "m2")
        until(lambda: not [one for one in threading.enumerate() if one.name.startswith("line of")])
        lines.apply({})
        left = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names
    assert left - before <= 3, "the descriptors of the loop itself"


def test_a_loop_that_fails_begins_again_with_its_lines(caplog: pytest.LogCaptureFixture) -> None:
    memory = Memory(1)
    memory.send(0, telegram(1), 0.1)
    stop = threading.Event()

    class Fails(MemoryPoll):
        calls = 0

        def wait(self, seconds: float) -> list[int]:
            self.calls += 1
            if self.calls == 3:
                raise OSError("a fault of the loop")
            if memory.inbox.captures:
                memory.loop.stop()
            return super().wait(seconds)

    poll = Fails(memory.time, memory.ports)
    memory.loop._poll = poll
    worker = Worker("push lines", memory.loop.run, stop)
    worker.start()
    until(lambda: not worker.alive)
    assert memory.inbox.values == [1]
    assert caplog.text.count("push lines failed") == 1


def test_a_loop_without_lines_ends_at_once() -> None:
    loop = PushLoop()
    thread = threading.Thread(target=loop.run, daemon=True)
    thread.start()
    loop.stop()
    thread.join(LIMIT)
    assert not thread.is_alive()


def test_many_lines_are_looked_at_20_times_a_second_and_their_telegrams_are_dated_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listening, "_TICK", 10.0)
    memory, seconds = Memory(64), 4
    begins = [place / 64 + 0.003 * (place % 5) for place in range(64)]
    for second in range(seconds):
        for place in range(64):
            memory.send(place, telegram(second), second + begins[place], size=1)
    memory.run(seconds + 1)
    assert memory.turns <= 22 * (seconds + 1)
    for place in range(64):
        found = memory.stamps(f"m{place}")[1:]  # the length of the first telegram is not known
        assert found == pytest.approx([second + begins[place] for second in range(1, seconds)], abs=0.003)
