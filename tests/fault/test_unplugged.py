"""Optical heads that are pulled out, meters that stop in mid-frame, head-ends that are down or slow."""

import contextlib
import os
import select
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed import Chain, Meter, frozen, poll, push, wait_until

START = bytes.fromhex("1b1b1b1b01010101")


def meter_is(chain: Chain, *states: str, name: str = "house") -> bool:
    """Whether `smgw status` says so."""
    found = {meter["name"]: meter["state"] for meter in chain.status()["meters"]}
    return found[name] in states


def test_an_optical_head_that_is_pulled_out_and_plugged_in_again_is_read_again(tmp_path: Path) -> None:
    with Chain(tmp_path, [push("house", silence=2), poll("solar")]) as chain:
        chain.start()
        wait_until(lambda: meter_is(chain, "reading"), 60, "not read")
        for hard in (True, False):
            before = len(chain.captures("house"))
            if hard:
                chain.smsim.kill()
                chain.link("house").unlink()  # as udev does; else it soon leads to somebody else's terminal
            else:
                chain.smsim.stop()
            wait_until(lambda: meter_is(chain, "absent"), 60, "`smgw status` does not say absent")
            report = chain.status()
            assert report["health"] == "degraded"
            assert any("house: absent: " in reason for reason in report["reasons"])
            assert report["processes"] == {"lmn": True, "wan": True}
            chain.smsim.start()
            wait_until(lambda: meter_is(chain, "reading"), 60, "not read again")
            wait_until(lambda known=before: len(chain.captures("house")) > known + 5, 60, "no new captures")
            wait_until(lambda: meter_is(chain, "reading", name="solar"), 60, "the meter behind TCP is not read again")
        chain.drain()
        assert set(chain.store_keys()) == set(chain.emp_keys())
        assert "Traceback" not in chain.lmn.text()


class Head:
    """An optical head as a pty in this process: what a test writes, the gateway reads."""

    def __init__(self, link: Path) -> None:
        self._link = link
        self._master, slave = os.openpty()
        tty.setraw(slave)
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(slave))
        os.close(slave)

    def write(self, octets: bytes) -> None:
        os.write(self._master, octets)

    def pull(self) -> None:
        os.close(self._master)
        self._link.unlink()


def listen(link: Path, count: int) -> list[bytes]:
    """The next whole telegrams of a simulated meter."""
    port = os.open(link, os.O_RDONLY | os.O_NOCTTY)
    octets = b""
    try:
        while octets.count(START) < count + 2:
            assert select.select([port], [], [], 5)[0], "the meter is silent"
            octets += os.read(port, 4096)
    finally:
        os.close(port)
    return [START + part for part in octets.split(START)[1 : count + 1]]


@pytest.fixture
def telegrams(tmp_path: Path) -> list[bytes]:
    bench = tmp_path / "bench"
    bench.mkdir()
    with Chain(bench, [push("house")]) as chain:
        chain.smsim.start()
        chain.smsim.wait_for("smsim: meter")
        return listen(chain.link("house"), 12)


@contextlib.contextmanager
def gateway_with_head(tmp_path: Path) -> Iterator[tuple[Chain, Head]]:
    with Chain(tmp_path, [push("house", silence=1)]) as chain:
        head = Head(chain.link("house"))
        chain.emp.start()
        chain.lmn.start()
        chain.wan.start()
        chain.lmn.wait_for("ready:")
        wait_until(lambda: meter_is(chain, "waiting"), 60, "the port is not open")
        yield chain, head


def written(chain: Chain, head: Head, telegram: bytes, count: int) -> None:
    """A telegram, which is the one of this number that is recorded."""
    head.write(telegram)
    wait_until(lambda: len(chain.captures("house")) == count, 60, f"telegram {count} was not recorded")


def test_a_meter_that_stops_in_mid_frame_is_silent_and_then_read_again(tmp_path: Path, telegrams: list[bytes]) -> None:
    with gateway_with_head(tmp_path) as (chain, head):
        for count, telegram in enumerate(telegrams[:3], start=1):
            written(chain, head, telegram, count)
        head.write(telegrams[3][: len(telegrams[3]) // 2])
        wait_until(lambda: meter_is(chain, "silent"), 60, "`smgw status` does not say silent")
        assert len(chain.captures("house")) == 3
        for count, telegram in enumerate(telegrams[4:8], start=4):
            written(chain, head, telegram, count)
        assert meter_is(chain, "reading", "silent")  # a second of silence comes soon
        head.pull()
        wait_until(lambda: meter_is(chain, "absent"), 60, "`smgw status` does not say absent")
        (meter,) = chain.status()["meters"]  # counts come with a state
        assert (meter["good"], meter["refused"]) == (7, 1), "the half telegram is refused, and only that"


def test_a_head_that_is_pulled_out_in_mid_frame_costs_that_telegram_only(
    tmp_path: Path, telegrams: list[bytes]
) -> None:
    with gateway_with_head(tmp_path) as (chain, head):
        head.write(telegrams[0])
        head.write(telegrams[1][:100])
        time.sleep(0.3)
        head.pull()
        wait_until(lambda: meter_is(chain, "absent"), 60, "`smgw status` does not say absent")
        again = Head(chain.link("house"))
        chain.lmn.wait_for("is open again")
        again.write(telegrams[1][100:])  # the rest of a telegram whose beginning is gone
        for count, telegram in enumerate(telegrams[2:5], start=2):
            written(chain, again, telegram, count)
        again.pull()


def in_order(chain: Chain, meters: list[Meter]) -> None:
    """Each meter's rows came to the head-end in the order in which they were recorded."""
    for meter in meters:
        numbers = chain.emp_numbers(meter)
        assert numbers == sorted(numbers)
        assert numbers == [number for number, _ in chain.captures(meter.name)]


def test_what_was_recorded_while_the_emp_was_down_comes_whole_and_in_order(tmp_path: Path) -> None:
    meters = [push("house", 1), push("roof", 2, 0.2), poll("solar")]
    with Chain(tmp_path, meters) as chain:
        chain.start()
        wait_until(chain.emp_keys, 60, "nothing is delivered")
        chain.emp.kill()
        wait_until(lambda: chain.status()["emps"][0]["state"] == "backing-off", 60, "status does not say backing-off")
        wait_until(lambda: chain.status()["emps"][0]["backlog"] > 40, 60, "no backlog grows")
        report = chain.status()
        assert report["health"] == "degraded"
        assert "no answer" in report["emps"][0]["detail"]
        assert meter_is(chain, "reading"), "a dead EMP must not stall the reading"
        chain.emp.start()
        chain.emp.wait_for("listening")
        chain.caught_up()
        chain.drain()
        assert set(chain.store_keys()) == set(chain.emp_keys())
        in_order(chain, meters)
        print(f"{len(chain.store_keys())} rows, all in order after an EMP that was down")


@pytest.mark.parametrize("timeout", [3, 30], ids=["the-gateway-gives-up", "the-gateway-waits"])
def test_an_emp_that_stands_still_stalls_nothing_and_gets_all(tmp_path: Path, timeout: int) -> None:
    meters = [push("house", 1), push("roof", 2, 0.2)]
    with Chain(tmp_path, meters, timeout=timeout) as chain:
        chain.start()
        wait_until(chain.emp_keys, 60, "the EMP has not begun to take rows")
        begins = len(chain.wan.lines)
        with frozen(chain.emp):
            before = len(chain.captures("house"))
            wait_until(lambda: len(chain.captures("house")) > before + 80, 120, "reading stands still, too")
        chain.caught_up()
        chain.drain()
        assert set(chain.store_keys()) == set(chain.emp_keys())
        in_order(chain, meters)
        given_up = any("no answer" in line.text for line in chain.wan.lines[begins:])
        assert given_up is (timeout == 3)
