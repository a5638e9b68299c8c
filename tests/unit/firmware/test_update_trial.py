"""When a version is good, what is noted of it, and how a trial ends."""

import logging
from collections.abc import Callable, Iterable
from itertools import chain, repeat
from pathlib import Path

import pytest
from smgw.cli.update.judge import judge, tell_end
from smgw.update import trial as trials
from smgw.update.trial import (
    GIVEN_UP_S,
    WITHOUT_EMP_S,
    Facts,
    Last,
    Phase,
    Result,
    Trial,
    end,
    last,
    missing,
    note,
    of_slot,
    outcome,
    pending,
)

TRIAL = Trial("B", "1.1", "boot-1", ("house", "roof"), ("grid",), Phase.INSTALLED)
WELL = Facts(True, frozenset({"house", "roof"}), frozenset({"grid"}), frozenset(), 60.0)


def test_all_seen_is_good() -> None:
    assert missing(TRIAL, WELL) == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (WELL._replace(ready=False), ["smgw-lmn and smgw-wan are not both ready"]),
        (WELL._replace(read=frozenset({"roof"})), ["meter house was not read"]),
        (WELL._replace(read=frozenset({"roof"}), uptime_s=1e6), ["meter house was not read"]),
        (WELL._replace(delivered=frozenset()), ["EMP grid took no rows"]),
        (WELL._replace(delivered=frozenset(), uptime_s=WITHOUT_EMP_S - 1), ["EMP grid took no rows"]),
        (WELL._replace(delivered=frozenset(), uptime_s=WITHOUT_EMP_S), []),
        (
            WELL._replace(delivered=frozenset(), refusing=frozenset({"grid"}), uptime_s=WITHOUT_EMP_S),
            ["EMP grid refuses this gateway"],
        ),
        (WELL._replace(refusing=frozenset({"grid"}), uptime_s=WITHOUT_EMP_S), []),
    ],
    ids=["not-ready", "meter", "meter-late", "emp", "emp-soon", "emp-away", "emp-refuses", "emp-took-some"],
)
def test_what_was_not_seen_is_missing(facts: Facts, words: list[str]) -> None:
    assert missing(TRIAL, facts) == words


def test_a_gateway_without_an_emp_waits_for_two_hours() -> None:
    alone = TRIAL._replace(emps=())
    nobody = WELL._replace(delivered=frozenset())
    assert missing(alone, nobody) == ["no EMP took rows, and two hours have not passed"]
    assert missing(alone, nobody._replace(uptime_s=WITHOUT_EMP_S)) == []
    assert missing(alone, WELL) == []


def test_a_slot_without_a_trial_needs_its_services_alone() -> None:
    assert missing(None, Facts(True, frozenset(), frozenset(), frozenset(), 1.0)) == []
    assert missing(None, WELL._replace(ready=False)) != []


def test_a_trial_is_noted_and_comes_back(tmp_path: Path) -> None:
    assert (of_slot(tmp_path, "B"), pending(tmp_path), last(tmp_path)) == (None, None, None)
    note(tmp_path, TRIAL)
    assert (of_slot(tmp_path, "A"), of_slot(tmp_path, "B"), pending(tmp_path)) == (None, TRIAL, TRIAL)
    other = TRIAL._replace(slot="A")
    note(tmp_path, other)
    assert (of_slot(tmp_path, "B"), pending(tmp_path)) == (None, other)
    end(tmp_path, other, Result.FELL_BACK, ["why"], 7)
    assert (pending(tmp_path), last(tmp_path)) == (None, Last("1.1", "A", Result.FELL_BACK, ("why",), 7))


def test_a_kept_version_stays_on_trial_until_rauc_marked_its_slot(tmp_path: Path) -> None:
    note(tmp_path, TRIAL)
    end(tmp_path, TRIAL, Result.KEPT, [], 7)
    assert pending(tmp_path) == TRIAL


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}'], ids=["empty", "list", "nothing", "part"])
def test_a_note_that_makes_no_sense_is_still_a_trial(tmp_path: Path, text: str) -> None:
    (tmp_path / "trial-B.json").write_text(text)
    (tmp_path / "last.json").write_text(text)
    assert of_slot(tmp_path, "B") == Trial("B", "", "", phase=Phase.INSTALLED)
    assert last(tmp_path) is None


@pytest.mark.parametrize(
    ("phase", "booted", "boot", "result"),
    [
        (Phase.INSTALLED, "B", "boot-2", None),
        (Phase.INSTALLED, "A", "boot-1", None),
        (Phase.INSTALLED, "A", "boot-2", Result.FELL_BACK),
        (Phase.INSTALLING, "B", "boot-2", None),
        (Phase.INSTALLING, "A", "boot-1", None),
        (Phase.INSTALLING, "A", "boot-2", Result.INTERRUPTED),
    ],
    ids=["runs", "waits", "fell-back", "runs-unnoted", "writes", "interrupted"],
)
def test_a_trial_ends_when_another_slot_runs_after_a_start(
    phase: Phase, booted: str, boot: str, result: Result | None
) -> None:
    assert outcome(TRIAL._replace(phase=phase), booted, boot) is result


def looking(facts: Iterable[Facts]) -> Callable[[], Facts]:
    return iter(facts).__next__


def test_the_judge_waits_until_everything_was_seen(tmp_path: Path) -> None:
    note(tmp_path, TRIAL)
    pauses: list[float] = []
    late = [WELL._replace(ready=False), WELL._replace(read=frozenset()), WELL]
    assert judge(tmp_path, TRIAL, looking(late), pauses.append) == 0
    assert len(pauses) == 2
    found = last(tmp_path)
    assert found is not None
    assert (found.result, found.version) == (Result.KEPT, "1.1")


def test_the_judge_gives_a_version_up_and_notes_why(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    note(tmp_path, TRIAL)
    dark = WELL._replace(read=frozenset({"house"}))
    course = chain(repeat(dark, 3), [dark._replace(uptime_s=GIVEN_UP_S)])
    assert judge(tmp_path, TRIAL, looking(course), lambda _: None) == 1
    assert [record.event for record in caplog.records if hasattr(record, "event")] == ["update-given-up"]

    with caplog.at_level(logging.ERROR):
        tell_end(tmp_path, "A", "boot-2")
    assert "version 1.1 in slot B did not come to work, and slot A runs again: meter roof was not read" in caplog.text
    found = last(tmp_path)
    assert found is not None
    assert (found.result, found.why) == (Result.FELL_BACK, ("meter roof was not read",))
    assert pending(tmp_path) is None


def test_the_judge_never_gives_up_a_slot_that_was_good_before(tmp_path: Path) -> None:
    facts = WELL._replace(ready=False, uptime_s=1e9)
    assert judge(tmp_path, None, looking([facts, facts, WELL]), lambda _: None) == 0
    assert last(tmp_path) is None


def test_a_write_that_fails_leaves_the_note_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note(tmp_path, TRIAL)

    def fails(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trials.os, "fsync", fails)
    with pytest.raises(Exception, match=r"trial-B\.json: cannot be written: No space left"):
        note(tmp_path, TRIAL._replace(phase=Phase.INSTALLING))
    assert pending(tmp_path) == TRIAL
