"""When telegrams are stamped and taken, and when a line is silent: on a line in memory, on fake time."""

import logging

import pytest
from driven_line import Line
from line_meter import telegram
from smgw.store.records import Condition

OCTET = 10 / 9600  # s


@pytest.fixture(autouse=True)
def info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def said(caplog: pytest.LogCaptureFixture, text: str) -> int:
    return sum(text in record.getMessage() for record in caplog.records)


def in_chunks(line: Line, octets: bytes, at: float) -> float:
    """Octets at the speed of the line, as a UART hands them over; when the last of them are there."""
    for place in range(0, len(octets), 16):
        at += 16 * OCTET
        line.port.say(octets[place : place + 16], at)
    return at


def test_chunks_at_the_line_s_pace_make_one_capture_stamped_at_its_first_octets() -> None:
    line = Line("sml-push")
    for second in (1, 2, 3):
        in_chunks(line, telegram(second), second)
    line.run(5)
    assert line.inbox.values == [1, 2, 3]
    assert line.stamps == pytest.approx([second + 16 * OCTET for second in (1, 2, 3)], abs=0.001)


def test_a_capture_is_there_soon_after_its_last_octet() -> None:
    """The second telegram too, whose end is waited for as long as the first one took."""
    line, taken = Line("sml-push"), []
    keep = line.inbox.capture
    line.inbox.capture = lambda capture: (taken.append(line.time.passed), keep(capture))[-1]  # type: ignore[method-assign]
    ends = [in_chunks(line, telegram(second), second) for second in (1, 2, 3)]
    line.run(5)
    assert all(0 <= at - end < 0.1 for at, end in zip(taken, ends, strict=True))


def test_a_telegram_takes_few_wake_ups() -> None:
    line = Line("sml-push")
    for second in range(1, 11):
        in_chunks(line, telegram(second), second)
    reads = []
    read = line.port.read
    line.port.read = lambda: (reads.append(1), read())[-1]
    line.run(12)
    assert len(line.inbox.values) == 10
    assert len(reads) <= 10 * 3


def test_a_telegram_that_begins_in_the_octets_that_end_another_has_its_own_stamp() -> None:
    line, first, second = Line("sml-push"), telegram(1), telegram(2)
    line.port.say(first[:100], 1)
    line.port.say(first[100:] + second[:40], 1.4)
    line.port.say(second[40:], 1.6)
    line.run(5)
    assert line.inbox.values == [1, 2]
    assert line.stamps == pytest.approx([1, 1.4], abs=0.1)


def test_a_telegram_after_one_that_was_cut_off_is_not_stamped_with_the_time_of_that() -> None:
    line = Line("sml-push")
    line.port.say(telegram(1)[:90], 1)
    line.port.say(telegram(2), 1.5)
    line.run(5)
    assert line.inbox.values == [2]
    assert line.stamps == pytest.approx([1.5], abs=0.1)


@pytest.mark.parametrize("pause", [0.4, 3])
def test_a_telegram_that_pauses_in_the_middle_is_read(pause: float) -> None:
    line, octets = Line("sml-push"), telegram(7)
    line.port.say(octets[:77], 1)
    line.port.say(octets[77:], 1 + pause)
    line.run(10)
    assert line.inbox.values == [7]


def test_telegrams_that_stop_are_told_once_and_so_are_those_that_are_back(caplog: pytest.LogCaptureFixture) -> None:
    line = Line("sml-push", silence=10)
    for value, at in ((1, 1), (2, 30)):
        line.port.say(telegram(value), at)
    line.run(50)
    states = [state.state for state in line.inbox.states]
    assert [state for state, before in zip(states[1:], states, strict=False) if state != before] == [
        Condition.READING,
        Condition.SILENT,
        Condition.READING,
        Condition.SILENT,
    ]
    assert [said(caplog, f"m0: {state}") for state in (Condition.SILENT, Condition.READING)] == [2, 2]


def test_garbage_is_silence_and_the_state_says_what_was_refused() -> None:
    line, damaged = Line("sml-push", silence=10), bytearray(telegram(1))
    damaged[60] ^= 4
    for second in range(20):
        line.port.say(bytes(damaged), second)
    line.run(20)
    assert line.inbox.states[-1].state == Condition.SILENT
    assert "check sum" in line.inbox.states[-1].note
