"""Light codes, contacts, and the files of boards."""

import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from fake_gpio import FakeKernel
from smgw.board import codes
from smgw.board.codes import Facts, lights
from smgw.board.contacts import Change, Contact
from smgw.board.lamps import FAST, OFF, ON, SLOW, Pattern, flashes
from smgw.ports.gpio import GpioLine, kernel
from smgw.profiles.gpio_line import HEADERS
from smgw.s0.edges import Edge, Lost
from smgw.store.records import Condition

BOARDS = sorted((Path(__file__).resolve().parents[3] / "hw" / "boards").glob("*.toml"))
MS = 1_000_000


def seen(pattern: Pattern, seconds: float) -> list[tuple[bool, float]]:
    """(lit, how long) as a lamp shows it that is set at each change."""
    found, at = [], 0.0
    while at < seconds:
        lit, left = pattern.at(at)
        found.append((lit, round(left, 6)))
        at += left + 1e-9
    return found


def test_a_flash_code_can_be_counted() -> None:
    assert seen(flashes(3), 3.0) == [(True, 0.2), (False, 0.3), (True, 0.2), (False, 0.3), (True, 0.2), (False, 1.8)]


def test_steady_light_needs_no_wake_up() -> None:
    assert [one.at(5) for one in (ON, OFF)] == [(True, float("inf")), (False, float("inf"))]


@pytest.mark.parametrize("pattern", [SLOW, FAST, flashes(2)])
def test_a_pattern_repeats(pattern: Pattern) -> None:
    period = sum(pattern.steps)
    assert [pattern.at(0.05 + period * turn)[0] for turn in range(5)] == [True] * 5


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (Facts(), (ON, OFF, OFF, OFF)),
        (Facts(lmn=False, wan=False), (SLOW, OFF, OFF, OFF)),
        (Facts(wan=False), (flashes(2), OFF, OFF, OFF)),
        (Facts(meters=frozenset({"reading"}), emps=frozenset({"done"})), (ON, ON, ON, OFF)),
        (Facts(meters=frozenset({"reading", "waiting"}), emps=frozenset({"waits"})), (ON, SLOW, SLOW, OFF)),
        (Facts(meters=frozenset({"silent", "waiting"}), emps=frozenset({"waits", "unreachable"})),
         (ON, flashes(2), flashes(2), OFF)),
        (Facts(meters=frozenset({"absent", "silent"}), emps=frozenset({"held", "unreachable"})),
         (ON, flashes(3), flashes(3), OFF)),
        (Facts(meters=frozenset({"held", "absent"})), (ON, flashes(4), OFF, OFF)),
        (Facts(synchronised=False), (ON, OFF, OFF, flashes(2))),
        (Facts(synchronised=False, trusted=False), (ON, OFF, OFF, flashes(3))),
        (Facts(trusted=False, lost=True), (ON, OFF, OFF, flashes(4))),
        (Facts(lost=True, open=True), (ON, OFF, OFF, flashes(5))),
        (Facts(usable=False, open=True), (ON, OFF, OFF, FAST)),
    ],
    ids=[
        "all well", "starting", "no delivery process", "everything read and delivered", "waiting", "silent", "absent",
        "held", "no time", "certificates", "rows lost", "open", "unusable",
    ],
)  # fmt: skip
def test_a_lamp_shows_the_worst(facts: Facts, wanted: tuple[Pattern, ...]) -> None:
    assert lights(facts) == wanted


@pytest.mark.parametrize("condition", Condition)
def test_every_state_of_a_meter_has_a_light(condition: Condition) -> None:
    assert (lights(Facts(meters=frozenset({str(condition)}))).reading == ON) == (condition is Condition.READING)


def test_the_table_of_codes_names_every_lamp_and_pattern() -> None:
    assert codes.__doc__ is not None
    for word in ("running", "reading", "delivered", "fault", "fast", "slow", "5 flashes"):
        assert word in codes.__doc__


def changes(contact: Contact, edges: Sequence[tuple[int, bool]], until_ms: int) -> list[Change]:
    found = []
    for ms in range(until_ms + 1):
        for number, (at, active) in enumerate(edges, 1):
            if at == ms:
                contact.take(Edge(at * MS, active, number), ms * MS, active=active)
        if change := contact.settle(ms * MS):
            found.append(change)
    return found


def test_a_button_must_be_held_for_three_seconds() -> None:
    edges = [(10, True), (500, False), (1000, True), (1001, False), (1003, True)]
    assert changes(Contact.button(0, active=False), edges, 6000) == [Change(active=True, ns=1003 * MS)]


def test_a_button_that_is_pressed_at_the_start_does_nothing_until_it_was_released() -> None:
    edges = [(5000, False), (9000, True)]
    found = changes(Contact.button(0, active=True), edges, 13_000)
    assert [one.active for one in found] == [False, True]


def test_a_tamper_contact_is_reported_open_and_closed_and_not_for_a_bounce() -> None:
    edges = [(100, True), (101, False), (200, True), (210, False), (211, True), (900, False)]
    found = changes(Contact.tamper(0, active=False), edges, 2000)
    assert found == [Change(active=True, ns=211 * MS), Change(active=False, ns=900 * MS)]


def test_a_case_that_is_open_at_the_start_is_reported() -> None:
    assert changes(Contact.tamper(0, active=True), [], 100) == [Change(active=True, ns=0)]


def test_after_lost_edges_the_line_says_what_is() -> None:
    contact = Contact.tamper(0, active=False)
    contact.take(Lost(3), 10 * MS, active=True)
    assert contact.due == 60 * MS
    assert contact.settle(60 * MS) == Change(active=True, ns=10 * MS)


@pytest.mark.parametrize("file", BOARDS, ids=lambda file: file.stem)
def test_a_board_has_a_chip_that_the_gateway_knows_or_none(file: Path) -> None:
    board = tomllib.loads(file.read_text())
    assert set(board) == {"name", "model", "chip", "header", "rpi_gpio", "uart", "config", "rs485"}
    assert board["chip"] in ("", *HEADERS)
    assert set(board["rs485"]) <= {"kernel", "gpio", "rts", "none"}
    assert bool(board["chip"]) == ("gpio" in board["rs485"])


def test_the_boards_are_those_of_the_manual() -> None:
    assert {tomllib.loads(file.read_text())["chip"] for file in BOARDS} == {"", *HEADERS}
    assert len(BOARDS) == 5


@pytest.mark.parametrize("label", HEADERS)
def test_header_is_the_chip_of_the_header_whatever_its_number(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = FakeKernel("raspberrypi-exp-gpio", label, "other")
    monkeypatch.setattr(kernel, "KERNEL", made)
    GpioLine.with_edges("gpio://header/17").close()
    assert list(made.lines) == [(label, 17)]
