"""The gateway's readers at smsim's meters while things go wrong: they survive, and lose only what was damaged."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from line_meter import Inbox, driver, running, until
from simulated import Running, simulated
from smgw.cosem import DeviceId
from smgw.lmn import listening
from smgw.profiles.meter import MeterProfile
from smgw.store.records import Condition
from smsim.ports import TcpPushPort
from smsim.sml.faults import counted

#: Its first register moves with every telegram, so that no two telegrams are alike.
PUSHING = """
[simulator]
seconds_per_quarter_hour = 1
resolution = 1
[[meter]]
name = "m"
style = "{style}"
port = "{port}"
push_interval = 0.05
baud = 1000000
seed = 3
"""
PATIENCE_S = 60


@pytest.fixture(autouse=True)
def quick_ticks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "_TICK", 0.05)


class Bench:
    """A pushing meter and its reader, both running."""

    def __init__(self, meter: Running, inbox: Inbox) -> None:
        self.meter = meter
        self.inbox = inbox
        self.cut = 0  # telegrams that a silence of the test damaged: they were on their way
        self._in_step = False  # all whole telegrams up to now were read

    def energies(self) -> list[int]:
        """The first register of each capture."""
        return [int(capture.readings[0].value.value) for capture in self.inbox.captures]  # type: ignore[call-overload]

    def silence(self) -> tuple[int, int]:
        """Silence the meter; its whole telegrams, and what it showed in the last of them."""
        damaged = self.meter.damaged()
        self.meter.order("m silence")
        until(lambda: not self.meter.sending(), PATIENCE_S)
        cut = self.meter.damaged() - damaged
        self.cut += cut
        return self.meter.whole(), self.meter.sent[-2 if cut else -1]

    def damaged(self) -> int:
        """Telegrams damaged by something else than a silence of the test."""
        return self.meter.damaged() - self.cut

    def through(self, order: str, enough: Callable[[], bool]) -> int:
        """Let something go wrong, until it is enough; how many telegrams came through, all of those that were whole."""
        whole, last = self.silence()
        if not self._in_step:  # nothing was damaged yet, so the last telegram came through
            until(lambda: self.energies()[-1] == last, PATIENCE_S)
        captures, sent = len(self.inbox.captures), len(self.meter.sent)
        self.meter.order(order)
        self.meter.order("m silence off")
        until(enough, PATIENCE_S)
        expected = self.silence()[0] - whole
        until(lambda: len(self.inbox.captures) - captures >= expected, PATIENCE_S)
        self._in_step = True
        read = self.energies()[captures:]
        assert len(read) == expected
        remaining = iter(self.meter.sent[sent:])
        assert all(energy in remaining for energy in read)  # each once and in order, nothing else
        return len(read)


@contextmanager
def bench(port: str, style: str = "ebz-dd3") -> Iterator[Bench]:
    """A meter at a port, and the gateway's reader of pushing meters."""
    inbox = Inbox()
    with simulated(PUSHING.format(style=style, port=port)) as meter:
        opened = meter.meter.port
        url = opened.removeprefix("pty:")
        if opened.startswith(str(TcpPushPort(0))[:8]):
            url = f"socket://{opened.removeprefix('tcp-push:')}"
        profile = MeterProfile(name="house", protocol="sml-push", port=url, silence=1)
        with running(driver(profile, inbox=inbox)):
            until(lambda: inbox.captures, PATIENCE_S)
            yield Bench(meter, inbox)


@pytest.fixture(params=["pty", "TCP"])
def pushed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """At a pseudo terminal, and over TCP."""
    with bench(f"pty:{tmp_path}/meter" if request.param == "pty" else "tcp-push:0") as made:
        yield made


@pytest.mark.parametrize("kind", ["loss", "noise"])
def test_only_damaged_telegrams_are_lost(pushed: Bench, kind: str) -> None:
    before = pushed.meter.damaged()

    def enough() -> bool:
        return pushed.meter.damaged() >= before + 10 and len(pushed.inbox.captures) >= 20

    assert pushed.through(f"m {kind} one_in=400", enough) > 0
    pushed.meter.order(f"m {kind} off")
    captures = len(pushed.inbox.captures)
    assert pushed.through("m loss one_in=1000000", lambda: len(pushed.inbox.captures) >= captures + 5) >= 5


def test_a_silence_is_told_and_so_is_its_end(pushed: Bench) -> None:
    pushed.silence()
    until(lambda: pushed.inbox.states[-1].state == Condition.SILENT, PATIENCE_S)
    captures = len(pushed.inbox.captures)
    pushed.meter.order("m silence off")
    until(lambda: len(pushed.inbox.captures) > captures, PATIENCE_S)
    assert pushed.inbox.states[-1].state == Condition.READING


def test_a_reboot_in_the_middle_loses_one_telegram_and_the_meters_time_begins_anew(pushed: Bench) -> None:
    pushed.meter.order("m clock-jump by=1000")
    until(lambda: seconds(pushed) >= 1000, PATIENCE_S)
    before = pushed.damaged()
    pushed.through("m reboot for=0.5", lambda: seconds(pushed) < 1000)
    assert pushed.damaged() <= before + 1


def seconds(made: Bench) -> int:
    time = made.inbox.captures[-1].meter_time
    assert time is not None
    return time.seconds or 0


@pytest.mark.parametrize("jump", [86_400, -86_400])
def test_a_clock_that_jumps_costs_nothing(pushed: Bench, jump: int) -> None:
    before, damaged = seconds(pushed), pushed.damaged()
    pushed.through(f"m clock-jump by={jump}", lambda: abs(seconds(pushed) - before) > 80_000)
    assert pushed.damaged() == damaged


def test_an_exchanged_meter_is_read_on_under_its_own_id(pushed: Bench) -> None:
    old = pushed.inbox.captures[-1].device
    pushed.through("m exchange", lambda: pushed.inbox.captures[-1].device != old)
    assert {capture.device for capture in pushed.inbox.captures} == {old, counted(old, 50_000_000)}


def test_a_meter_that_waits_for_its_pin_is_told_and_read(tmp_path: Path) -> None:
    with bench(f"pty:{tmp_path}/meter", "itron-3hz") as made:
        made.meter.order("m pin-lock")
        until(lambda: made.inbox.states[-1].state == Condition.LOCKED, PATIENCE_S)
        made.meter.order("m pin-lock off")
        until(lambda: made.inbox.states[-1].state == Condition.READING, PATIENCE_S)
        assert {capture.readings[-1].scaler for capture in made.inbox.captures} == {0, 3}


@contextmanager
def polled(port: str, more: str = "") -> Iterator[tuple[Running, Inbox]]:
    """A meter that answers requests, and the gateway's reader of such meters."""
    inbox = Inbox()
    with simulated(PUSHING.format(style="iskra-mt631", port=port) + more) as meter:
        opened = meter.meter.port
        url = f"socket://{opened.removeprefix('tcp:')}" if port == "tcp:0" else opened.removeprefix("pty:")
        settings = {"interval": 0.1, "timeout": 0.5, "retries": 3}
        profile = MeterProfile(name="house", protocol="sml-poll", port=url, **settings)  # type: ignore[arg-type]
        with running(driver(profile, inbox=inbox)):
            until(lambda: inbox.captures, PATIENCE_S)
            yield meter, inbox


@pytest.mark.parametrize("order", ["m loss one_in=2000", "m noise one_in=2000", "m silence for=1", "m reboot for=1"])
def test_a_polled_meter_is_read_on_and_no_value_is_wrong(order: str) -> None:
    with polled("tcp:0") as (meter, inbox):
        before = len(inbox.captures)
        meter.order(order)
        until(lambda: len(inbox.captures) >= before + 10, PATIENCE_S)
        totals = [int(capture.readings[0].value.value) for capture in inbox.captures]  # type: ignore[call-overload]
        assert totals == sorted(totals)
        assert {capture.device for capture in inbox.captures} == {DeviceId.parse("0a0149534b00047b0001")}


def test_an_exchanged_meter_that_is_polled_is_read_on() -> None:
    with polled("tcp:0") as (meter, inbox):
        meter.order("m exchange device=1ISK0000000007")
        until(lambda: inbox.captures[-1].device == DeviceId.parse("1ISK0000000007"), PATIENCE_S)


@pytest.mark.parametrize("object_list", ["true", "false"])
def test_a_meter_that_is_polled_over_a_serial_line_is_read_on_through_damage(tmp_path: Path, object_list: str) -> None:
    with polled(f"pty:{tmp_path}/meter", f"answers = true\nobject_list = {object_list}\n") as (meter, inbox):
        before = len(inbox.captures)
        meter.order("m noise one_in=2000")
        until(lambda: len(inbox.captures) >= before + 10, PATIENCE_S)
        totals = [int(capture.readings[0].value.value) for capture in inbox.captures]  # type: ignore[call-overload]
        assert totals == sorted(totals)
