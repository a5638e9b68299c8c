"""`smgw watch`, in the process of the test."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from captures_made import DEVICE, ENERGY, MIDNIGHT, capture, energy
from gateway_state import GatewayState, gateway_state
from smgw.cli import main, watch
from smgw.cosem import ClockState, Data, DataType, DeviceId, MeterTime, MeterTimeKind, Reading
from smgw.profiles.toml_importer import load
from smgw.store.records import MeterState

OTHER = DeviceId.parse("1EMH0000000002")


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayState]:
    with gateway_state(tmp_path) as made:
        yield made


Shown = tuple[int, list[str], list[str]]


@pytest.fixture
def show(gateway: GatewayState, capsys: pytest.CaptureFixture[str]) -> Callable[..., Shown]:
    def run(*arguments: str) -> Shown:
        code = main(["watch", *arguments, *gateway.arguments])
        told = capsys.readouterr()
        return code, told.out.splitlines(), told.err.splitlines()

    return run


def test_the_newest_values_stand_in_a_table(gateway: GatewayState, show: Callable[..., Shown]) -> None:
    told = MeterTime(MeterTimeKind.SEC_INDEX, bytes.fromhex("00001267"))
    gateway.live.capture(capture(MIDNIGHT, energy(86_038_387), energy(5))._replace(meter_time=told))
    gateway.live.capture(capture(MIDNIGHT, energy(7), meter="roof", device=OTHER, synchronised=False))
    code, lines, _ = show("--once")
    assert code == 0
    assert lines == [
        "meter  register          value  meter time  capture time",
        "house  1-0:1.8.0  8603838.7 Wh      4711 s  2026-03-01T00:00:00Z",
        "       1-0:1.8.0        0.5 Wh      4711 s  2026-03-01T00:00:00Z",
        "roof   1-0:1.8.0        0.7 Wh              2026-03-01T00:00:00Z (?)",
    ]


def test_devices_behind_one_meter_are_named(gateway: GatewayState, show: Callable[..., Shown]) -> None:
    gateway.live.capture(capture(MIDNIGHT, energy(1)))
    gateway.live.capture(capture(MIDNIGHT, energy(2), device=OTHER))
    _, lines, _ = show("--once", "house")
    assert [line.split("  ")[0] for line in lines[1:]] == [f"house {OTHER}", f"house {DEVICE}"]


def test_only_the_meters_that_were_named(gateway: GatewayState, show: Callable[..., Shown]) -> None:
    gateway.live.capture(capture(MIDNIGHT))
    gateway.live.capture(capture(MIDNIGHT, meter="roof"))
    _, lines, _ = show("--once", "--json", "roof")
    assert [json.loads(line)["meter"] for line in lines] == ["roof"]
    code, _, said = show("--once", "attic")
    assert code == 2
    assert "has no meter 'attic'; it has house, roof" in said[0]


def test_json_is_one_object_a_device_with_exact_numbers(gateway: GatewayState, show: Callable[..., Shown]) -> None:
    gateway.live.capture(capture(MIDNIGHT, energy(2**64 - 1)))
    code, lines, _ = show("--once", "--json")
    assert code == 0
    assert [json.loads(line) for line in lines] == [
        {
            "meter": "house",
            "device": str(DEVICE),
            "port": "/nowhere/house",
            "capture_time_us": MIDNIGHT,
            "time_valid": True,
            "meter_time": None,
            "readings": [
                {"obis": str(ENERGY), "value": 2**64 - 1, "scaler": -1, "unit": 30, "text": "1844674407370955161.5 Wh"}
            ],
        }
    ]


def test_before_the_first_telegram_it_says_since_when_and_how_long(
    gateway: GatewayState, show: Callable[..., Shown]
) -> None:
    gateway.store.note_meter(MeterState("house", None, "waiting", MIDNIGHT, note="no telegram yet"))
    gateway.store.flush(now=True)
    code, lines, said = show("--once")
    assert (code, lines) == (1, [])
    assert said == [
        "smgw watch: time not synchronised: capture times are marked (?)",
        "smgw watch: meter house: waiting since 2026-03-01T00:00:00Z: no telegram yet",
        "smgw watch: meter house: no value yet; its first telegram is shown at once, "
        "and the first value is stored within 15 min",
        "smgw watch: meter roof: no value yet; its first telegram is shown at once, and every telegram is stored",
    ]


def test_a_meter_that_went_silent_is_told_beside_its_last_value(
    gateway: GatewayState, show: Callable[..., Shown]
) -> None:
    gateway.live.capture(capture(MIDNIGHT))
    gateway.live.capture(capture(MIDNIGHT, meter="roof"))
    gateway.store.note_meter(MeterState("house", DEVICE, "silent", MIDNIGHT, note="no good telegram for 30 s \x1b[2J"))
    gateway.store.note_meter(MeterState("roof", DEVICE, "reading", MIDNIGHT, note="device 1"))
    gateway.store.save_clock("boot", 0, 0, 5, ClockState.SYNCHRONISED)
    gateway.store.flush(now=True)
    code, lines, said = show("--once")
    assert (code, len(lines)) == (0, 3)
    assert said == ["smgw watch: meter house: silent since 2026-03-01T00:00:00Z: no good telegram for 30 s \\x1b[2J"]


def test_without_a_daemon_it_says_how_to_start_it_and_shows_what_is_left(
    gateway: GatewayState, show: Callable[..., Shown]
) -> None:
    gateway.live.capture(capture(MIDNIGHT))
    gateway.store.close()
    code, lines, said = show("--once")
    assert (code, len(lines)) == (1, 2)
    assert said == [
        "smgw watch: the LMN process does not run, no value is renewed; "
        "start it: sudo systemctl start smgw-lmn, or smgw run"
    ]


def test_what_a_meter_sends_moves_no_cursor(gateway: GatewayState, show: Callable[..., Shown]) -> None:
    evil = "\x1b[2J\x1b]0;pwned\x07\r\n\x9b"
    gateway.live.capture(capture(MIDNIGHT, Reading(ENERGY, Data(DataType.VISIBLE_STRING, evil))))
    for form in ((), ("--json",)):
        _, lines, _ = show("--once", *form)
        assert all(line.isprintable() for line in lines)
        assert "pwned" in lines[-1]


def turns(monkeypatch: pytest.MonkeyPatch, *between: Callable[[], object]) -> None:
    """Instead of each sleep do one of these, then press Ctrl-C."""
    steps = list(between)

    def sleep(_: float) -> None:
        if not steps:
            raise KeyboardInterrupt
        steps.pop(0)()

    monkeypatch.setattr(watch.time, "sleep", sleep)


def test_off_a_terminal_each_change_is_a_line_and_ctrl_c_is_no_failure(
    gateway: GatewayState, show: Callable[..., Shown], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns(
        monkeypatch,
        lambda: gateway.live.capture(capture(MIDNIGHT, energy(1), Reading(ENERGY, Data(DataType.UNSIGNED, 3)))),
        lambda: None,
        lambda: gateway.live.capture(
            capture(MIDNIGHT + 1_500_000, energy(2), Reading(ENERGY, Data(DataType.UNSIGNED, 3)))
        ),
    )
    code, lines, said = show("house")
    assert code == 0
    assert lines == [
        f"2026-03-01T00:00:00.000Z  house  {DEVICE}  1-0:1.8.0  0.1 Wh",
        f"2026-03-01T00:00:00.000Z  house  {DEVICE}  1-0:1.8.0  3",
        f"2026-03-01T00:00:01.500Z  house  {DEVICE}  1-0:1.8.0  0.2 Wh",
    ]
    assert len(said) == 2, "each remark once"


def test_off_a_terminal_as_json_each_telegram_is_an_object(
    gateway: GatewayState, show: Callable[..., Shown], monkeypatch: pytest.MonkeyPatch
) -> None:
    turns(
        monkeypatch,
        lambda: gateway.live.capture(capture(MIDNIGHT, energy(1))),
        lambda: None,
        lambda: gateway.live.capture(capture(MIDNIGHT + 1, energy(1))),
    )
    code, lines, _ = show("--json")
    assert code == 0
    assert [json.loads(line)["capture_time_us"] for line in lines] == [MIDNIGHT, MIDNIGHT + 1]


@pytest.fixture
def draw(
    gateway: GatewayState, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., list[str]]:
    """The screens of a terminal of 60 columns and 8 lines."""
    monkeypatch.setattr(watch, "_size", lambda: (60, 8))

    def run(*between: Callable[[], object]) -> list[str]:
        turns(monkeypatch, *between)
        with pytest.raises(KeyboardInterrupt):
            watch._screen(gateway.state, load(gateway.file).meters[:1])
        cleared, *screens = capsys.readouterr().out.split(watch._HOME)
        assert cleared == watch._CLEAR
        return screens

    return run


def test_on_a_terminal_the_table_is_drawn_in_place_with_changes_in_bold(
    gateway: GatewayState, draw: Callable[..., list[str]]
) -> None:
    gateway.live.capture(capture(MIDNIGHT, energy(1)))
    first, second = draw(lambda: gateway.live.capture(capture(MIDNIGHT + 1, energy(2))))
    assert "\x1b[1m" not in first
    assert "\x1b[1mhouse  1-0:1.8.0  0.2 Wh" in second
    assert "Ctrl-C ends it" in second


def test_no_line_is_wider_and_no_screen_higher_than_the_terminal(
    gateway: GatewayState, draw: Callable[..., list[str]]
) -> None:
    gateway.live.capture(capture(MIDNIGHT, *(energy(10**18 + number) for number in range(20))))
    lines = draw()[0].split("\n")
    assert len(lines) == 8
    assert "more lines: name meters as arguments" in lines[-1]
    assert all(len(line.partition(watch._PLAIN)[0]) <= 60 for line in lines)
