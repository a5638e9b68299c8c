"""The SD-card image in an emulated board, from the blank card to readings at the EMP over TLS, through power cuts.

The tests follow one board through its life, so they run in the order in which they stand here. Each number is printed
beside its bar; none of them decides, because a busy computer emulates slowly.
"""

import shutil
from collections.abc import Iterator

import pytest
from board_machine import image
from board_trial import BoardTrial, numbers


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoardTrial]:
    """Steps 1 and 2 of the documentation: the image, and a card with it."""
    folder = tmp_path_factory.mktemp("board")
    with BoardTrial(image(), folder) as running:
        yield running
    shutil.rmtree(folder, ignore_errors=True)


def test_the_first_start_takes_over_what_a_person_wrote(trial: BoardTrial) -> None:
    trial.fill_in_card()
    trial.board.power_on()
    trial.board.until(trial.board.answers)
    assert "ESMG0012345678" in trial.board.run("cat", "/etc/smgw/gateway.toml")
    assert trial.board.try_run("cat", "/boot/firmware/smgw/ERROR.txt").stdout == ""


def test_the_root_is_read_only_and_the_data_partition_reaches_the_end_of_the_card(trial: BoardTrial) -> None:
    board = trial.board
    assert board.try_run("touch", "/etc/here").returncode != 0
    board.until(lambda: "active" in board.try_run("systemctl", "is-active", "smgw-image-grow").stdout.split())
    size = int(board.run("df", "--output=size", "-B1", "/data").split()[1])
    assert size > 400 * 1024**2, "the card has 2 GiB, the partition had 64 MiB"


def test_the_journal_stays_in_memory_and_the_watchdog_runs(trial: BoardTrial) -> None:
    board = trial.board
    assert board.run("find", "/var/log", "-name", "'*.journal'") == ""
    assert "14s" in board.run("systemctl", "show", "--property=RuntimeWatchdogUSec")
    assert "hardware timeout of 14s" in board.run("journalctl", "-b", "_PID=1", "--grep=Watchdog")


def test_the_first_head_of_a_board_is_read_when_it_is_plugged_in_long_after_the_start(trial: BoardTrial) -> None:
    board = trial.board
    board.until(lambda: board.try_run("systemctl", "is-active", "smgw-lmn").returncode == 0)
    plugged = trial.noticed(
        lambda: board.plug("HEAD01", trial.ptys["HEAD01"]), lambda entry: entry.get("EVENT") == "meter-reading"
    )
    numbers([f"the first head is read {plugged:.1f} s after it was plugged in"])


def test_readings_reach_the_emp_over_tls(trial: BoardTrial) -> None:
    trial.board.power_off()
    trial.make_certificates()
    trial.start_emp()
    trial.power_on()
    after = trial.wait_for_delivery(set())
    numbers([f"{after:.0f} s from power-on to the first reading at the EMP, certificates taken over (bar 60 s)"])


def test_both_services_are_ready_and_both_meters_are_read(trial: BoardTrial) -> None:
    board = trial.board
    board.until(lambda: board.try_run("systemctl", "is-active", "smgw-lmn", "smgw-wan").returncode == 0)
    for device in ("1emh0000000001.sm", "UTB00000071"):
        board.until(lambda device=device: trial.has_device(device))


def test_what_each_process_takes_is_told(trial: BoardTrial) -> None:
    used = trial.use()
    assert all(use.rss_kb > 0 for use in used)
    numbers([f"{use.unit}: RSS {use.rss_kb / 1024:.1f} MB, {use.cpu:.0%} of a core" for use in used])


def test_a_head_that_is_unplugged_and_plugged_in_again_is_noticed(trial: BoardTrial) -> None:
    board = trial.board
    gone = trial.noticed(lambda: board.unplug("HEAD01"), lambda entry: entry.get("EVENT") == "meter-absent")
    again = trial.noticed(
        lambda: board.plug("HEAD01", trial.ptys["HEAD01"]),
        lambda entry: entry.get("METER") == "house" and entry.get("EVENT") in ("meter-reading", "port-reopened"),
    )
    numbers([f"unplugging noticed after {gone:.1f} s (bar 2 s), plugging in after {again:.1f} s (bar 2 s)"])


CUTS = 5


@pytest.mark.parametrize("cut", range(1, CUTS + 1))
def test_a_power_cut_loses_no_acknowledged_reading(trial: BoardTrial, cut: int) -> None:
    delivered = trial.delivered()
    trial.wait_for_delivery(delivered, rows=cut)
    committed, delivered = trial.stored(), trial.delivered()
    trial.board.cut_power()
    known = trial.delivered()
    if cut == CUTS:  # the next test looks at what this start says about it
        trial.board.write_card({"gateway.toml": "[gateway\n"})
    trial.power_on()
    after = trial.wait_for_delivery(known)
    trial.board.until(trial.board.answers)
    left = trial.stored()
    assert not committed - left, "the gateway had committed these"
    assert not delivered - left, "the EMP had acknowledged these"
    trial.board.until(lambda: not committed - trial.delivered())
    numbers([f"power cut {cut}: {len(committed)} rows kept; {after:.0f} s to the first new reading (bar 60 s)"])


def test_a_mistake_on_the_card_is_told_on_the_card_and_the_gateway_goes_on(trial: BoardTrial) -> None:
    trial.wait_for_delivery(trial.delivered())
    trial.board.cut_power()
    assert "smgw/gateway.toml:1" in trial.board.read_card("ERROR.txt")
