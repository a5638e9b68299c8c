"""A port that the gateway holds is named with its holder and what was read there last."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from captures_made import MIDNIGHT, capture
from gateway_state import GatewayState, gateway_state
from line_meter import Head
from smgw.cli import main
from smgw.ports import LineSettings, Port, open_port
from smgw.reports.held_port import held_by_gateway


@pytest.fixture
def head(tmp_path: Path) -> Iterator[Head]:
    made = Head(tmp_path / "head")
    yield made
    made.unplug()


@pytest.fixture
def gateway(tmp_path: Path, head: Head) -> Iterator[GatewayState]:
    with gateway_state(tmp_path, str(head.link)) as made:
        yield made


@pytest.fixture
def held(head: Head) -> Iterator[Port]:
    """This process is the LMN process, and reads there."""
    with open_port(str(head.link), LineSettings()) as port:
        yield port


@pytest.mark.usefixtures("held")
def test_holder_and_live_values_are_found_by_any_name_of_the_device(gateway: GatewayState, head: Head) -> None:
    assert held_by_gateway(str(head.link), gateway.state) is None, "nothing was read yet"
    gateway.live.capture(capture(MIDNIGHT))
    gateway.live.capture(capture(MIDNIGHT, meter="roof"))
    for url in (str(head.link), os.path.realpath(head.link), f"spy://{head.link}"):
        found = held_by_gateway(url, gateway.state)
        assert found is not None
        assert found.holder.pid == os.getpid()
        assert [live.capture.meter for live in found.lives] == ["house"]
    assert held_by_gateway(str(head.link), gateway.state, "roof") is None


def test_a_port_that_nobody_holds_has_no_holder(gateway: GatewayState, head: Head) -> None:
    gateway.live.capture(capture(MIDNIGHT))
    assert held_by_gateway(str(head.link), gateway.state) is None


@pytest.mark.usefixtures("held")
def test_without_a_running_gateway_there_is_no_live_value(gateway: GatewayState, head: Head) -> None:
    gateway.live.capture(capture(MIDNIGHT))
    gateway.store.close()
    assert held_by_gateway(str(head.link), gateway.state) is None


@pytest.mark.parametrize("url", ["socket://127.0.0.1:4059", "rfc2217://127.0.0.1:2217"])
def test_on_the_network_only_a_fresh_value_counts(gateway: GatewayState, url: str) -> None:
    gateway.live.configure({"house": url})
    made = capture(MIDNIGHT)
    for age, found in ((0, True), (3600, False)):
        boottime_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - age * 1_000_000_000
        gateway.live.capture(made._replace(stamp=made.stamp._replace(boottime_ns=boottime_ns)))
        assert (held_by_gateway(url, gateway.state) is not None) is found


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("command", [("read", "house"), ("dump", "sml", "PORT"), ("scan", "PORT")])
def test_commands_show_the_live_value_of_a_port_that_the_gateway_holds(
    command: tuple[str, ...], gateway: GatewayState, head: Head, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.live.capture(capture(MIDNIGHT))
    words = [str(head.link) if word == "PORT" else word for word in command]
    assert main([*words, *gateway.arguments]) == 0
    told = capsys.readouterr()
    assert told.out.splitlines()[0] == "meter house, device 1EMH0011802881, live value of 2026-03-01T00:00:00.000Z"
    assert "1-0:1.8.0*255" in told.out
    assert f"(process {os.getpid()}) reads it" in told.err


@pytest.mark.usefixtures("held")
def test_a_port_that_is_held_without_a_live_value_is_an_error_that_names_the_holder(
    gateway: GatewayState, head: Head, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["dump", "sml", str(head.link), *gateway.arguments]) == 2
    assert "has claimed it" in capsys.readouterr().err
