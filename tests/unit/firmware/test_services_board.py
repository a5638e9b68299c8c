"""LEDs, button and tamper contact at work: real threads, lines that are pipes."""

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_gpio import FakeKernel, Line
from gateway_state import CONFIGURATION
from line_meter import until
from smgw.board.codes import DONE, HELD, UNREACHABLE, WAITS, Facts, lights
from smgw.board.contacts import HOLD_NS, Change, Contact
from smgw.board.lamp_row import LampRow
from smgw.board.watching import Watched, watch
from smgw.cli import main
from smgw.cli.board import File
from smgw.ports import Wake
from smgw.ports.gpio import kernel
from smgw.profiles.board import BoardProfile, alone
from smgw.profiles.gateway import Configuration
from smgw.profiles.problems import ConfigurationError
from smgw.profiles.toml_importer import load, parse
from smgw.reports.health import Report
from smgw.services.board import BoardService, facts_of
from smgw.services.lmn import LmnService
from smgw.store import paths
from soon import LIMIT

CHIP = "expander"
BOARD = f"""
[board]
led_running = "gpio://{CHIP}/1"
led_reading = "gpio://{CHIP}/2"
led_delivered = "gpio://{CHIP}/3"
led_fault = "gpio://{CHIP}/4"
button = "gpio://{CHIP}/5?active=low&bias=pull-up"
tamper = "gpio://{CHIP}/6"
"""
WHOLE = CONFIGURATION.format(port="/nowhere/house") + BOARD


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeKernel:
    made = FakeKernel(CHIP)
    monkeypatch.setattr(kernel, "KERNEL", made)
    return made


@contextlib.contextmanager
def running(service: BoardService | LmnService) -> Iterator[None]:
    service.start()
    try:
        yield
    finally:
        assert service.stop() == []


def line(fake: FakeKernel, offset: int) -> Line:
    until(lambda: (CHIP, offset) in fake.lines)
    return fake.lines[CHIP, offset]


def test_lamps_show_that_no_process_runs_and_go_dark_at_the_end(tmp_path: Path, fake: FakeKernel) -> None:
    with running(BoardService(parse(WHOLE, "g.toml"), tmp_path)):
        blinking = line(fake, 1)  # slow: the LMN process does not run
        until(lambda: blinking.states[:2] == [True, False])
        until(lambda: line(fake, 4).states[:4] == [True, False, True, False])  # fast: there is no database
    assert [fake.lines[CHIP, offset].states[-1] for offset in (1, 4)] == [False, False]


def test_a_wrong_file_is_shown_until_it_is_right_again(tmp_path: Path) -> None:
    file = tmp_path / "g.toml"
    found, loads = [], []

    def counted(path: Path) -> Configuration:
        loads.append(path)
        return load(path)

    file.write_text(WHOLE)
    changed = File(file, counted, lambda: None)
    changed.read()
    for text in ("", WHOLE, WHOLE.replace("led_fault", "led_power"), WHOLE + "\n"):
        file.write_text(text)
        service = BoardService(parse(WHOLE, "g.toml"), tmp_path, changed.is_right)
        found.append((changed.is_right(), service.facts().usable))
    assert found == [(False, False), (True, False), (False, False), (True, False)], "there is no database"
    file.unlink()
    assert not changed.is_right()
    before = len(loads)
    file.write_text(WHOLE)
    assert [changed.is_right() for _ in range(5)] == [True] * 5
    assert len(loads) == before + 1


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(WHOLE.replace("sml-push", "sml-posh"), id="a value"),
        pytest.param(WHOLE + "[[emp]\n", id="no TOML"),
        pytest.param(WHOLE + '[board]\nled_fault = "gpio://x/9"\n', id="a table twice"),
    ],
)
def test_the_lamps_of_a_file_that_is_wrong_at_the_start_are_lit_until_it_is_right(tmp_path: Path, wrong: str) -> None:
    path, asked = tmp_path / "g.toml", []
    path.write_text(wrong)
    file = File(path, load, lambda: asked.append(1))
    service = BoardService(file.read(), tmp_path, file.is_right)
    assert service.ready_text() == "led_running, led_reading, led_delivered, led_fault, button"
    assert service.facts() == Facts(usable=False)
    assert asked == []
    path.write_text(WHOLE)
    assert not file.is_right(), "nobody has read the right one yet"
    assert asked == [1]
    service.take(file.read())
    assert file.is_right()
    assert asked == [1]


def test_of_a_wrong_table_what_is_right_is_used() -> None:
    found = alone(
        """
        [board]
        led_running = "gpio://header/5
        led_reading = "gpio://header/6"   # gpio://header/13
        led_delivered = 13
        led_fault = "gpio://header/19"
        led_power = "gpio://header/21"
        button = "gpio://header/26"
        [[meter]]
        port = "gpio://header/26?active=low"
        tamper = "gpio://header/20"
        """
    )
    assert found == BoardProfile(led_reading="gpio://header/6", led_fault="gpio://header/19")


def test_a_wrong_file_without_lamps_ends_the_process(tmp_path: Path) -> None:
    path = tmp_path / "g.toml"
    for text in ("", "[board]\n", WHOLE.replace(CHIP, "")):
        path.write_text(text)
        with pytest.raises(ConfigurationError):
            File(path, load, lambda: None).read()


def test_a_file_that_becomes_wrong_is_refused_by_a_reload(tmp_path: Path) -> None:
    path = tmp_path / "g.toml"
    path.write_text(WHOLE)
    file = File(path, load, lambda: None)
    file.read()
    path.write_text(WHOLE.replace("sml-push", "sml-posh"))
    with pytest.raises(ConfigurationError):
        file.read()


def test_a_button_that_is_held_orders_a_shutdown_once(tmp_path: Path, fake: FakeKernel) -> None:
    order = paths.shutdown_order(tmp_path)
    with running(BoardService(parse(WHOLE, "g.toml"), tmp_path)):
        button = line(fake, 5)
        now = time.monotonic_ns()
        button.edge(now, active=True)
        button.edge(now + 1, active=False)
        button.edge(now + 2, active=True)
        assert not order.exists()
        until(order.exists)
        assert time.monotonic_ns() - now >= HOLD_NS


def test_a_reload_takes_other_lines(tmp_path: Path, fake: FakeKernel) -> None:
    service = BoardService(parse(WHOLE, "g.toml"), tmp_path)
    with running(service):
        until(lambda: line(fake, 1).states)
        assert service.take(parse(WHOLE, "g.toml")) == "the board did not change"
        other = parse(
            CONFIGURATION.format(port="/nowhere/house") + f'[board]\nled_fault = "gpio://{CHIP}/9"\n', "g.toml"
        )
        assert service.take(other) == "the board has led_fault"
        until(lambda: line(fake, 9).states)
        assert fake.lines[CHIP, 1].states[-1] is False
    assert len(service.workers()) == 2


def test_an_opened_case_is_in_the_log_book_and_in_the_status(
    tmp_path: Path, fake: FakeKernel, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "g.toml").write_text(WHOLE)
    arguments = ["--config", str(tmp_path / "g.toml"), "--state", str(tmp_path / "state")]
    (tmp_path / "state").mkdir()

    def said(command: str) -> str:
        main([command, *arguments])
        return capsys.readouterr().out

    with running(LmnService(parse(WHOLE, "g.toml"), tmp_path / "state")):
        line(fake, 6).edge(time.monotonic_ns(), active=True)
        until(lambda: "the case was opened" in said("log"))
        assert "the case of the gateway is open" in said("status")
        line(fake, 6).edge(time.monotonic_ns(), active=False)
        until(lambda: "the case is closed" in said("log"))
        assert "the case of the gateway is open" not in said("status")


def test_a_case_that_is_closed_while_nobody_looks_is_logged_at_the_next_start(
    tmp_path: Path, fake: FakeKernel, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "g.toml").write_text(WHOLE)
    arguments = ["log", "--config", str(tmp_path / "g.toml"), "--state", str(tmp_path / "state")]
    (tmp_path / "state").mkdir()

    def events() -> list[str]:
        main(arguments)
        return re.findall("case-(opened|closed)", capsys.readouterr().out)

    with running(LmnService(parse(WHOLE, "g.toml"), tmp_path / "state")):
        line(fake, 6).edge(time.monotonic_ns(), active=True)
        until(lambda: events() == ["opened"])
    fake.lines.clear()
    with running(LmnService(parse(WHOLE, "g.toml"), tmp_path / "state")):
        until(lambda: events() == ["opened", "closed"])


def test_a_case_that_stays_open_over_a_restart_is_told_once() -> None:
    contact = Contact.tamper(0, active=True, told=True)
    assert contact.due is None
    assert contact.settle(HOLD_NS) is None


def watching(contacts: dict[str, Watched]) -> tuple[list[tuple[str, Change]], Callable[[], None]]:
    """Changes as they come, and what ends it."""
    found: list[tuple[str, Change]] = []
    wake = Wake()
    thread = threading.Thread(
        target=watch, args=(contacts, lambda name, change: found.append((name, change)), wake, lambda: None)
    )
    thread.start()

    def end() -> None:
        wake.set()
        thread.join(LIMIT)
        assert not thread.is_alive()

    return found, end


def test_a_line_that_goes_away_is_requested_again(
    fake: FakeKernel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("smgw.board.watching._AGAIN_S", 0.0)
    found, end = watching({"case": Watched(f"gpio://{CHIP}/6", Contact.tamper)})
    try:
        first = line(fake, 6)
        first.unplug()
        until(lambda: fake.lines[CHIP, 6] is not first)
        fake.lines[CHIP, 6].edge(time.monotonic_ns(), active=True)
        until(lambda: found)
    finally:
        end()
    assert "the line is gone" in caplog.text


def test_what_changed_while_a_line_was_away_is_told(fake: FakeKernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smgw.board.watching._AGAIN_S", 0.0)
    found, end = watching({"case": Watched(f"gpio://{CHIP}/6", Contact.tamper)})
    try:
        first = line(fake, 6)
        fake.at_request = True
        first.unplug()
        until(lambda: found)
    finally:
        end()
    assert [change.active for _, change in found] == [True]


def test_a_line_that_is_taken_is_said_once(
    fake: FakeKernel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("smgw.board.watching._AGAIN_S", 0.0)
    monkeypatch.setattr("smgw.board.watching._LONGEST_S", 0.01)
    tries = []

    def busy(path: str) -> int:
        tries.append(path)
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(fake, "open", busy)
    _, end = watching({"case": Watched(f"gpio://{CHIP}/6", Contact.tamper)})
    try:
        until(lambda: len(tries) > 3)
    finally:
        end()
    assert [record.levelname for record in caplog.records if "gpio" in record.message].count("WARNING") == 1


def test_a_lamp_that_cannot_be_lit_is_said_once_and_the_others_shine(
    fake: FakeKernel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("smgw.board.lamp_row._AGAIN_S", 0.0)
    row = LampRow({"running": "gpio://absent/1", "reading": f"gpio://{CHIP}/2"})
    with contextlib.closing(Wake()) as wake:
        row.show(lights(Facts(meters=frozenset({"reading"}))), wake)
        row.turn(0.0)
        row.turn(1.0)
    assert fake.lines[CHIP, 2].states == [True]
    assert caplog.text.count("there is no chip absent") == 1


def test_a_report_is_what_the_lamps_know() -> None:
    report = Report()
    report.processes = {"lmn": True, "wan": False}
    report.store = {"lost": {"lost_live": 3}, "case_open": True}
    report.meters = [{"state": "reading"}, {"state": "silent"}]
    emp = {"held": False, "retry_at_us": None, "backlog": 0}
    report.emps = [emp, {**emp, "backlog": 5000}, {**emp, "retry_at_us": 5}, {**emp, "held": True}]
    report.clock, report.trust = {"state": "synchronised"}, {"faults": ["a key"]}
    assert facts_of(report) == Facts(
        wan=False,
        meters=frozenset({"reading", "silent"}),
        emps=frozenset({DONE, WAITS, UNREACHABLE, HELD}),
        trusted=False,
        lost=True,
        open=True,
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((f"{CHIP}/2", f"{CHIP}/1"), "is the line of led_running"),
        ((f'"gpio://{CHIP}/3"', '"/dev/ttyUSB0"'), "is no line of a GPIO chip"),
        (
            ('port = "/nowhere/house"', f'port = "/nowhere/house"\nrs485 = "gpio://{CHIP}/6"'),
            "is a line of meter house",
        ),
        (("[board]", "[[board]]"), "write [board] once"),
        (("led_running", "led_power"), "unknown key"),
    ],
)
def test_a_fault_of_the_board_is_told(change: tuple[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse(WHOLE.replace(*change), "g.toml")
    assert words in str(caught.value)
