"""Repetitions are kept back; nothing new is."""

import logging
import re
import subprocess
import sys

import pytest
from smgw.board.collapse import FIRST_HUSH, LONGEST_HUSH, PASSED_AT_FIRST, Collapse


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


class Bench:
    def __init__(self) -> None:
        self.now = 0.0
        self.kept = Kept()
        self.handler = Collapse(self.kept, lambda: self.now)

    def say(self, text: str, level: int = logging.WARNING, **fields: str) -> None:
        record = logging.LogRecord("smgw", level, "", 0, "%s", (text,), None)
        vars(record).update(fields)
        self.handler.handle(record)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_first_few_pass_at_once(bench: Bench) -> None:
    for _ in range(PASSED_AT_FIRST):
        bench.say("the head is away")
    assert bench.kept.lines == ["the head is away"] * PASSED_AT_FIRST


def test_a_message_every_second_for_a_year_makes_a_few_thousand_lines(bench: Bench) -> None:
    for _ in range(86_400):
        bench.say("the head is away")
        bench.now += 1
    assert len(bench.kept.lines) < PASSED_AT_FIRST + 10 + 86_400 / LONGEST_HUSH + 1


def test_the_line_that_passes_tells_how_many_were_kept_back(bench: Bench) -> None:
    for _ in range(PASSED_AT_FIRST + 5):
        bench.say("the head is away")
    bench.now = FIRST_HUSH + 1
    bench.say("the head is away")
    assert bench.kept.lines[-1] == "the head is away (5 more like this were kept back)"


def test_what_was_kept_back_and_does_not_come_again_is_told_when_its_time_is_over(bench: Bench) -> None:
    for _ in range(PASSED_AT_FIRST + 2):
        bench.say("the head is away")
    bench.handler.tick()
    assert len(bench.kept.lines) == PASSED_AT_FIRST
    bench.now = FIRST_HUSH
    bench.handler.tick()
    bench.handler.tick()
    assert bench.kept.lines[PASSED_AT_FIRST:] == ["the head is away (1 more like this were kept back)"]


def test_figures_do_not_make_an_event_another_but_its_subject_does(bench: Bench) -> None:
    for number in range(10):
        bench.say(f"telegram {number} refused", event="telegram-refused", METER="house")
    assert len(bench.kept.lines) == PASSED_AT_FIRST
    bench.say("telegram 11 refused", event="telegram-refused", METER="roof")
    bench.say("silent", event="meter-silent", METER="house")
    assert bench.kept.lines[PASSED_AT_FIRST:] == ["telegram 11 refused", "silent"]


def test_a_message_that_stayed_away_is_new_again(bench: Bench) -> None:
    for _ in range(10):
        bench.say("the head is away")
    bench.now = 3 * FIRST_HUSH
    for _ in range(10):
        bench.say("the head is away")
    assert len(bench.kept.lines) == 2 * PASSED_AT_FIRST


def test_debug_messages_all_pass(bench: Bench) -> None:
    for _ in range(100):
        bench.say("octets", logging.DEBUG)
    assert len(bench.kept.lines) == 100


def test_the_memory_of_messages_is_bounded(bench: Bench) -> None:
    for number in range(5000):
        bench.say(f"message {number}")
    assert len(bench.kept.lines) == 5000
    assert len(bench.handler._seen) < 1000


def test_what_was_kept_back_is_told_at_the_end(bench: Bench) -> None:
    for _ in range(PASSED_AT_FIRST + 2):
        bench.say("the head is away")
    bench.handler.close()
    assert bench.kept.lines[PASSED_AT_FIRST:] == ["the head is away (1 more like this were kept back)"]


def test_repetitions_are_kept_back_on_standard_error_too() -> None:
    """As `smgw run` and its two processes write without a journal; the time is UTC."""
    program = (
        "import logging; from smgw.services.process import set_up_logging; set_up_logging('info')\n"
        "for _ in range(50): logging.warning('the head is away')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    lines = done.stderr.splitlines()
    assert len(lines) == PASSED_AT_FIRST + 1
    assert lines[-1].endswith("the head is away (46 more like this were kept back)")
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING", lines[0])
