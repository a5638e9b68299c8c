"""Real edges on real lines: pulses, LEDs, button and tamper contact at the GPIO chip of the emulated board.

The tests follow one board through its life, so they run in the order in which they stand here.
"""

import json
import shutil
import time
from collections.abc import Iterator

import pytest
from board_machine import BoardMachine, image
from gpio_wires import LABEL, GpioWires, words

PULSES, TAMPER, BUTTON = 5, 6, 7
RUNNING, READING = 0, 1
#: A pulse and a pause are well above the shortest one of the configuration, and a bounce is well below it, also where a
#: busy computer emulates slowly.
LENGTH = 2.0
CONFIGURATION = f"""\
[gateway]
device_id = "ESMG0000000001"

[board]
led_running = "gpio://{LABEL}/{RUNNING}"
led_reading = "gpio://{LABEL}/{READING}"
tamper = "gpio://{LABEL}/{TAMPER}"
button = "gpio://{LABEL}/{BUTTON}"

[[meter]]
name = "house"
protocol = "s0"
port = "gpio://{LABEL}/{PULSES}"
registration_period = 0
s0 = {{ pulses = 1000, per = "kWh", shortest_pulse = 1000 }}
"""
#: With ACPI, QEMU's board has no GPIO chip. A busy computer emulates so slowly that the watchdog would bite.
MORE = ("-machine", "acpi=off", "-watchdog-action", "none")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardMachine]:
    folder = tmp_path_factory.mktemp("gpio")
    with BoardMachine(image(), folder) as board:
        board.write_card({"gateway.toml": CONFIGURATION, "authorized_keys": board.public_key})
        boot(board)
        taken = board.run("systemctl", "show", "--property=Result", "--value", "smgw-takeover").strip()
        assert taken == "success", board.run("journalctl", "--boot", "--unit=smgw-takeover")
        yield board
    shutil.rmtree(folder, ignore_errors=True)


def boot(board: BoardMachine) -> None:
    """Power on, and wait until commands are taken."""
    board.power_on(*MORE, *words(board.folder))
    board.until(board.answers, 900)


@pytest.fixture
def wires(board: BoardMachine) -> Iterator[GpioWires]:
    assert board.qmp is not None
    with GpioWires(board.folder, board.qmp) as wires:
        wires.wait_until_watched(PULSES)
        yield wires


STORED = """\
import sqlite3
rows = sqlite3.connect("file:/var/lib/smgw/lmn/lmn.db?mode=ro", uri=True).execute(
    "SELECT reserved FROM reserved_counter WHERE kind = 5 AND holder = 'house'")
print(*rows.fetchone())
"""


def stored(board: BoardMachine) -> int:
    """The count in the database; -1 if there is none yet."""
    return int(board.try_run("python3", "-", given=STORED).stdout or -1)


def count(board: BoardMachine) -> int:
    """The register in Wh, which is the number of pulses; -1 if there is none yet."""
    done = board.try_run("cat", "/run/smgw/live/house.*.json")
    return int(json.loads(done.stdout)["readings"][0]["value"]) if done.returncode == 0 and done.stdout else -1


def reaches(board: BoardMachine, pulses: int) -> None:
    """Wait until so many pulses are counted."""
    ends = time.monotonic() + 300
    while (found := count(board)) != pulses:
        assert found < pulses, f"{found} pulses are counted, and {pulses} came"
        assert time.monotonic() < ends, f"{found} pulses are counted after 300 s, and {pulses} came"
        time.sleep(0.5)


def test_the_service_may_use_the_chip_and_no_stranger_may(board: BoardMachine) -> None:
    found = board.run("stat", "-c", "'%U %G %a'", "/dev/gpiochip0").split()
    assert found == ["root", "gpio", "660"]


def test_pulses_are_counted(board: BoardMachine, wires: GpioWires) -> None:
    for _ in range(4):
        wires.pulse(PULSES, LENGTH)
    reaches(board, 4)


def test_bounces_are_not_counted(board: BoardMachine, wires: GpioWires) -> None:
    before = count(board)
    for _ in range(6):
        for active in (True, False, True):
            wires.set(PULSES, active=active)
        time.sleep(LENGTH)
        for active in (False, True, False):
            wires.set(PULSES, active=active)
        time.sleep(LENGTH)
    reaches(board, before + 6)


@pytest.mark.parametrize("how", ["kill -s KILL", "kill -s KILL --kill-who=main", "restart"])
def test_an_end_of_the_process_in_the_middle_of_a_pulse_loses_none(
    board: BoardMachine, wires: GpioWires, how: str
) -> None:
    before = count(board)
    wires.pulse(PULSES, LENGTH)
    wires.set(PULSES, active=True)
    pid = board.run("systemctl", "show", "--property=MainPID", "smgw-lmn")
    board.run("systemctl", *how.split(), "smgw-lmn")
    board.until(
        lambda: board.run("systemctl", "show", "--property=MainPID", "smgw-lmn") not in (pid, "MainPID=0\n"), 300
    )
    wires.wait_until_watched(PULSES)
    wires.set(PULSES, active=False)
    time.sleep(LENGTH)
    wires.pulse(PULSES, LENGTH)
    reaches(board, before + 3)


def test_a_power_cut_loses_no_pulse_that_is_stored(board: BoardMachine) -> None:
    """The database has a count after a minute at most. What came later is lost, as is what comes without power."""
    before = count(board)
    board.until(lambda: stored(board) == before > 1, 300)
    board.cut_power()
    boot(board)
    assert board.qmp is not None
    with GpioWires(board.folder, board.qmp) as wires:
        wires.wait_until_watched(PULSES)
        reaches(board, before)
        wires.pulse(PULSES, LENGTH)
    reaches(board, before + 1)


def test_an_opened_case_is_in_the_log_book(board: BoardMachine, wires: GpioWires) -> None:
    wires.wait_until_watched(TAMPER)
    wires.set(TAMPER, active=True)
    board.until(lambda: "the case was opened" in board.try_run("smgw", "log").stdout, 300)


def test_the_lamps_are_lit(board: BoardMachine, wires: GpioWires) -> None:
    def steady() -> bool:
        seen = []
        for _ in range(10):
            seen.append(wires.driven(RUNNING) and wires.driven(READING))
            time.sleep(0.3)
        return all(seen)

    board.until(steady, 900)


def test_a_button_that_is_held_switches_the_board_off(board: BoardMachine, wires: GpioWires) -> None:
    wires.wait_until_watched(BUTTON)
    wires.set(BUTTON, active=True)
    board.until(lambda: board.is_off, 600)
