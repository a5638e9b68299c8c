"""`smgw board` under its unit: LEDs that tell the state of the other services, and a button that switches off.

There is no GPIO chip in such a machine. The process has the stand-in of `fake_gpio`, and everything else is as
installed. The lines are tried with a real chip in the emulated board.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from host_head import HostHead
from machine import Machine
from smgw.s0.edges import Edge, event_octets

SUPPORT = Path(__file__).resolve().parents[1] / "support"
CONFIGURATION = """\
[gateway]
device_id = "ESMG0000000001"

[board]
led_running = "gpio://header/5"
led_reading = "gpio://header/6"
led_fault = "gpio://header/19"
button = "gpio://header/26"

[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/ttyUSB0"
"""
STAND_IN = """\
[Service]
LogRateLimitIntervalSec=0
ExecStart=
ExecStart=/usr/bin/python3 /srv/pulse_process.py /srv/button board
"""
RUNNING, READING, FAULT = 5, 6, 19


@pytest.fixture(scope="module")
def button(machine: Machine) -> Iterator[int]:
    """The far end of the button's line."""
    for name in ("pulse_process.py", "fake_gpio.py"):
        machine.copy(SUPPORT / name, f"/srv/{name}")
    fifo = machine.root / "srv/button"
    os.mkfifo(fifo)
    fifo.chmod(0o644)
    machine.write("/etc/systemd/system/smgw-board.service.d/stand-in.conf", STAND_IN)
    machine.run("systemctl", "daemon-reload")
    descriptor = os.open(fifo, os.O_RDWR)
    yield descriptor
    os.close(descriptor)


@pytest.fixture(autouse=True)
def _as_installed(machine: Machine, head: HostHead, button: int) -> None:
    head.speak()
    machine.write("/etc/smgw/gateway.toml", CONFIGURATION)
    machine.run("systemctl", "reset-failed")
    machine.run("systemctl", "restart", "smgw-lmn", "smgw-wan")
    machine.run("touch", "/dev/gpiochip0")  # the unit's condition


def start(machine: Machine) -> str:
    """Start it; what its entries in the journal match."""
    machine.run("systemctl", "restart", "smgw-board")
    return f"_SYSTEMD_INVOCATION_ID={machine.show('smgw-board', 'InvocationID')['InvocationID']}"


def lamps(machine: Machine, run: str, line: int) -> list[str]:
    """What a lamp was set to in a run, oldest first."""
    told = machine.journal(run)
    return [text.partition(": ")[2] for text in told if text.startswith(f"line {line}: ")]


def test_the_lamps_tell_what_the_other_services_do(machine: Machine) -> None:
    run = start(machine)
    machine.until(lambda: lamps(machine, run, RUNNING)[-1:] == ["on"])
    machine.until(lambda: lamps(machine, run, READING)[-1:] == ["on"])
    assert machine.show("smgw-board", "ActiveState", "User", "Group") == {
        "ActiveState": "active", "User": "smgw-board", "Group": "smgw",
    }  # fmt: skip
    before = len(lamps(machine, run, RUNNING))
    machine.run("systemctl", "stop", "smgw-lmn")
    machine.until(lambda: len(lamps(machine, run, RUNNING)) > before + 2)  # it blinks


def test_without_a_table_it_does_not_run_and_with_one_it_starts_with_the_gateway(machine: Machine) -> None:
    machine.run("systemctl", "stop", "smgw-board")
    machine.write(
        "/etc/smgw/gateway.toml",
        CONFIGURATION.replace("[board]", "# [board]").replace("led_", "# led_").replace("button", "# button"),
    )
    machine.run("systemctl", "start", "smgw.target", "smgw-board")
    assert machine.show("smgw-board", "ActiveState", "Result") == {
        "ActiveState": "inactive", "Result": "exec-condition",
    }  # fmt: skip
    machine.write("/etc/smgw/gateway.toml", CONFIGURATION)
    machine.run("systemctl", "start", "smgw.target")
    machine.until(lambda: machine.show("smgw-board", "ActiveState")["ActiveState"] == "active")


def test_its_user_sees_the_same_state_as_root(machine: Machine) -> None:
    def status(*before: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(machine.try_run(*before, "smgw", "status", "--json").stdout)
        return {name: found[name] for name in ("health", "processes", "trust")}

    machine.until(lambda: "1 reading" in machine.show("smgw-lmn", "StatusText")["StatusText"])
    assert status("runuser", "-u", "smgw-board", "-g", "smgw", "--") == status()


def test_a_file_that_is_wrong_at_the_start_lights_the_fault_lamp_until_it_is_right(machine: Machine) -> None:
    machine.write("/etc/smgw/gateway.toml", CONFIGURATION.replace("sml-push", "sml-posh"))
    run = start(machine)
    machine.until(lambda: lamps(machine, run, FAULT)[:4] == ["on", "off", "on", "off"])
    assert "only the table [board] is used" in "\n".join(machine.journal(run))
    assert lamps(machine, run, READING) == ["off"]
    machine.write("/etc/smgw/gateway.toml", CONFIGURATION)
    machine.until(lambda: lamps(machine, run, READING)[-1:] == ["on"])


def test_a_button_that_is_held_switches_the_machine_off_once(machine: Machine, button: int) -> None:
    start(machine)
    machine.until(lambda: "button" in machine.show("smgw-board", "StatusText")["StatusText"])
    os.write(button, event_octets(Edge(time.monotonic_ns(), active=True, number=1)))
    machine.until(lambda: machine.off)
    os.write(button, event_octets(Edge(time.monotonic_ns(), active=False, number=2)))
    machine.boot()
    assert machine.journal("EVENT=shutdown-asked") == ["the button was held: the board shuts down"]
    assert machine.try_run("test", "-e", "/run/smgw/board/poweroff").returncode != 0
    assert machine.journal("EVENT=stopping", "_SYSTEMD_UNIT=smgw-lmn.service"), "the readings were stored before"
