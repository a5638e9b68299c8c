"""The commands as a person runs them: exit codes, shapes, plain words for every mistake, and a quick stop."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import testbed
from stub_emp import StubEmp
from testbed import EMP, Chain, Program, poll, push, wait_until

METERS = [push("house", 1), poll("solar")]


@pytest.fixture
def emp() -> Iterator[StubEmp]:
    with StubEmp() as stub:
        yield stub


def smgw(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """A command without a chain. A traceback fails at once."""
    done = subprocess.run(
        [sys.executable, "-m", "smgw", *arguments],
        env=testbed.surroundings(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done


# status


def test_status_goes_from_down_to_healthy_to_degraded_to_down(tmp_path: Path) -> None:
    with Chain(tmp_path, METERS, ntp=True) as chain:
        nothing = chain.smgw("status")
        assert nothing.returncode == 2
        assert "the LMN process is not running" in nothing.stdout

        chain.start()
        wait_until(lambda: chain.smgw("status").returncode == 0, 60, "not healthy")
        healthy = chain.smgw("status")
        assert healthy.stdout.startswith(f"gateway {testbed.GATEWAY}: healthy\n")
        assert "1-0:1.8.0*255" in healthy.stdout

        chain.emp.stop()
        wait_until(lambda: chain.smgw("status").returncode == 1, 60, "not degraded")
        assert "EMP lab: backing-off: no answer" in chain.smgw("status").stdout

        chain.wan.kill()
        without = chain.smgw("status")
        assert without.returncode == 1
        assert "the WAN process is not running" in without.stdout

        chain.lmn.kill()
        down = chain.smgw("status")
        assert down.returncode == 2
        assert "the LMN process is not running" in down.stdout


def test_status_as_json_has_its_shape_in_every_state(tmp_path: Path) -> None:
    top = {
        "health",
        "reasons",
        "gateway",
        "processes",
        "differences",
        "clock",
        "meters",
        "evaluations",
        "store",
        "emps",
        "trust",
        "han",
    }
    with Chain(tmp_path, METERS, ntp=True) as chain:
        absent = chain.status()
        assert absent.keys() == top
        assert absent["health"] == "down"
        assert absent["reasons"]

        chain.start()
        reports = []

        def well() -> bool:
            """Healthy, what was captured before the clock was set is not the latest, and all meters are delivered."""
            reports.append(chain.status())
            found = reports[-1]
            return (
                found["health"] == "healthy"
                and all((meter["latest"] or {}).get("time_valid") for meter in found["meters"])
                and all(feed["position"] > 0 for emp in found["emps"] for feed in emp["feeds"])
            )

        wait_until(well, 60, "not healthy")
        report = reports[-1]
        assert report.keys() == top
        assert report["reasons"] == []
        assert report["processes"] == {"lmn": True, "wan": True}
        assert report["clock"]["state"] == "synchronised"
        assert 0 < report["clock"]["dispersion_us"] < 1_000_000
        house, solar = report["meters"]
        for meter, profile in ((house, METERS[0]), (solar, METERS[1])):
            assert (meter["name"], meter["state"], meter["device"]) == (profile.name, "reading", profile.device)
            assert meter["good"] > 0  # may be five minutes old
            assert meter["records"] > 0
            assert meter["refused"] == 0
            assert abs(meter["last_capture_us"] / 1e6 - time.time()) < 10
            latest = meter["latest"]
            assert latest["time_valid"] is True
            assert latest["delivered"] in (True, False)
            assert latest["readings"][0].keys() >= {"obis", "value", "scaler", "unit", "text"}
        assert len(report["store"]["store_id"]) == 32
        assert report["store"]["lost"] == {}
        (emp,) = report["emps"]
        assert (emp["name"], emp["held"], emp["detail"], emp["set_aside"]) == (EMP, False, "", 0)
        assert [feed["device"] for feed in emp["feeds"]] == [profile.device for profile in METERS]
        assert all(feed["delivered_as"] == feed["device"] and feed["position"] > 0 for feed in emp["feeds"])
        assert emp["acknowledged"] > 0


# deliver


def test_one_refused_row_is_set_aside_and_delivered_again_when_it_is_ordered(tmp_path: Path, emp: StubEmp) -> None:
    emp.refused = {7}
    with Chain(tmp_path, METERS, emp_url=emp.url) as chain:
        chain.smsim.start()
        chain.smsim.wait_for("smsim: meter")
        chain.lmn.start()
        chain.wan.start()
        wait_until(lambda: len(emp.taken) > 20, 60, "nothing arrives")
        wait_until(lambda: chain.status()["emps"][0]["set_aside"] == 1, 60, "status does not count the row")
        status = chain.smgw("status")
        assert status.returncode == 1
        assert "EMP lab refused 1 records (smgw deliver --again)" in status.stdout

        still = chain.smgw("deliver", "--again", "--seconds", "10")
        assert still.returncode == 1, "the EMP still refuses it"
        assert "1 quarantined" in still.stdout
        assert 7 not in emp.taken

        emp.refused = set()
        plain = chain.smgw("deliver", "--seconds", "10")
        assert plain.returncode == 1, "quarantined rows stay until they are ordered again"
        assert 7 not in emp.taken

        chain.no_more_rows()
        again = chain.smgw("deliver", "--again", "--seconds", "10")
        assert again.returncode == 0, again.stdout
        assert "0 waiting, 0 quarantined" in again.stdout
        chain.wan.stop(signal.SIGUSR1)
        assert sorted(emp.taken) == list(range(1, len(chain.store_keys()) + 1)), "each once, the refused one too"


def test_deliver_does_it_itself_where_no_wan_process_runs(tmp_path: Path, emp: StubEmp) -> None:
    with Chain(tmp_path, METERS, emp_url=emp.url) as chain:
        chain.smsim.start()
        chain.smsim.wait_for("smsim: meter")
        chain.lmn.start()
        chain.lmn.wait_for("ready:")
        wait_until(chain.store_keys, 60, "nothing is recorded")
        chain.no_more_rows()
        done = chain.smgw("deliver", EMP)
        assert done.returncode == 0, done.stdout + done.stderr
        assert sorted(emp.taken) == list(range(1, len(chain.store_keys()) + 1))


def test_deliver_says_why_it_cannot(tmp_path: Path, emp: StubEmp) -> None:
    with Chain(tmp_path, METERS, emp_url=emp.url) as chain:
        stranger = chain.smgw("deliver", "nobody")
        assert stranger.returncode == 2
        assert "has no EMP 'nobody'; it has lab" in stranger.stderr

        emp.status = 503
        chain.smsim.start()
        chain.smsim.wait_for("smsim: meter")
        chain.lmn.start()
        chain.lmn.wait_for("ready:")
        wait_until(chain.store_keys, 60, "nothing is recorded")
        chain.smsim.stop()
        for running in (False, True):
            if running:
                chain.wan.start()
                chain.wan.wait_for("answers 503")
            done = chain.smgw("deliver", "--seconds", "5")
            assert done.returncode == 1
            assert "answers 503" in done.stdout, done.stdout


# read


def test_read_prints_each_meter_once(tmp_path: Path) -> None:
    with Chain(tmp_path, METERS) as chain:
        chain.smsim.start()
        chain.smsim.wait_for("smsim: meter solar")
        people = chain.smgw("read")
        assert people.returncode == 0, people.stderr
        assert len(re.findall("^meter ", people.stdout, re.MULTILINE)) == 2
        assert people.stdout.count("1-0:1.8.0*255") == 2
        programs = chain.smgw("read", "--json", "solar")
        assert programs.returncode == 0
        found = json.loads(programs.stdout)
        assert (found["meter"], found["device"]) == ("solar", METERS[1].device)
        assert not chain.store("lmn.db").exists(), "it stores nothing"


def test_read_says_which_meter_did_not_answer(tmp_path: Path) -> None:
    with Chain(tmp_path, METERS) as chain:
        nobody = chain.smgw("read", "--seconds", "2")
        assert nobody.returncode == 1
        assert "meter house: " in nobody.stderr
        assert str(chain.link("house")) in nobody.stderr
        assert "meter solar: " in nobody.stderr
        stranger = chain.smgw("read", "attic")
        assert stranger.returncode == 2
        assert "has no meter 'attic'; it has house, solar" in stranger.stderr


# check

GOOD = f"""\
[gateway]
device_id = "{testbed.GATEWAY}"

[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/ttyUSB0"

[[emp]]
name = "lab"
url = "http://127.0.0.1:8080"
insecure = true
"""


@pytest.mark.parametrize(
    ("wrong", "line", "words"),
    [
        (GOOD.replace("protocol", "protokol"), 6, ["protokol", "protocol"]),
        (GOOD.replace('"sml-push"', '"sml-pusch"'), 6, ["protocol", "sml-pusch", "sml-push"]),
        (GOOD.replace('"/dev/ttyUSB0"', "9"), 7, ["port"]),
        (GOOD.replace('name = "lab"', 'name = "lab"\nmeters = ["hose"]'), 11, ["meters", "hose", "house"]),
        (GOOD.replace("[[emp]]", "[[epm]]"), 9, ["epm", "emp"]),
        (GOOD.replace(testbed.GATEWAY, "ESMG1"), 2, ["device_id", "ESMG1"]),
        (GOOD.replace("[[meter]]", "[[meter"), 4, ["TOML"]),
        (GOOD.replace("8080", "808080"), 11, ["url", "808080"]),
    ],
)
def test_check_names_file_line_and_key_and_what_would_be_right(
    tmp_path: Path, wrong: str, line: int, words: list[str]
) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(wrong)
    done = smgw("check", "--config", str(file))
    assert done.returncode == 2
    assert f"{file}:{line}" in done.stderr, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def test_check_names_all_mistakes_at_once(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(GOOD.replace("sml-push", "sml").replace("8080", "x").replace(testbed.GATEWAY, "?"))
    said = smgw("check", "--config", str(file)).stderr
    assert [f"{file}:{line}" in said for line in (2, 6, 11)] == [True] * 3, said


def test_check_of_a_good_file_says_what_it_means(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(GOOD)
    done = smgw("check", "--config", str(file))
    assert done.returncode == 0
    assert done.stdout.startswith(f"{file}: good\n")
    assert "EMP lab at http://127.0.0.1:8080 gets house every 5 s" in done.stdout
    assert "note: EMP lab: plain HTTP, as insecure = true permits: " in done.stdout


def test_check_notes_what_is_wrong_with_the_files_of_secrets(tmp_path: Path) -> None:
    key = tmp_path / "flat.enc"
    key.write_text("xyz\n")
    key.chmod(0o600)
    file = tmp_path / "gateway.toml"
    keys = 'encryption_key_file = "flat.enc", authentication_key_file = "flat.enc"'
    dlms = f'protocol = "dlms"\npassword_file = "none.pw"\ndlms = {{ authentication = "lls", {keys} }}'
    file.write_text(GOOD.replace('protocol = "sml-push"', dlms))
    done = smgw("check", "--config", str(file))
    assert done.returncode == 0
    assert "note: meter house: " in done.stdout
    assert "none.pw" in done.stdout
    unread = dlms.replace('password_file = "none.pw"\n', "").replace('authentication = "lls", ', "")
    file.write_text(GOOD.replace('protocol = "sml-push"', unread))
    assert "flat.enc: holds no key; write 32 hex digits" in smgw("check", "--config", str(file)).stdout


@pytest.mark.parametrize("command", ["check", "lmn", "wan", "run", "read", "status", "deliver"])
@pytest.mark.parametrize("kind", ["missing", "directory", "not UTF-8", "empty", "closed"])
def test_no_command_ends_in_a_traceback_over_its_configuration(tmp_path: Path, command: str, kind: str) -> None:
    file = tmp_path / "gateway.toml"
    if kind == "directory":
        file.mkdir()
    elif kind == "not UTF-8":
        file.write_bytes(b"[gateway]\n# \xff\n")
    elif kind == "empty":
        file.write_text("")
    elif kind == "closed":
        file.write_text(GOOD)
        file.chmod(0)
        if os.geteuid() == 0:
            pytest.skip("root reads every file")
    done = smgw(command, "--config", str(file), "--state", str(tmp_path / "state"))
    assert done.returncode == 2
    assert str(file) in done.stderr


@pytest.mark.parametrize("command", ["lmn", "wan", "deliver"])
def test_a_state_directory_that_is_not_there_is_one_line(tmp_path: Path, command: str) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(GOOD)
    done = smgw(command, "--config", str(file), "--state", str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert str(tmp_path / "nowhere") in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_second_gateway_on_the_same_state_is_refused_in_one_line(tmp_path: Path) -> None:
    with Chain(tmp_path, METERS) as chain:
        chain.lmn.start()
        chain.wan.start()
        chain.lmn.wait_for("ready:")
        chain.wan.wait_for("ready:")
        for command in ("lmn", "wan"):
            done = chain.smgw(command, "--log-level", "error")
            assert done.returncode == 2
            assert "already writes this store" in done.stderr
            assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        both = chain.smgw("run", "--log-level", "error")
        assert both.returncode == 2, "nothing is tried again that only a person can mend"
        assert "already writes this store" in both.stderr


# SIGTERM


def stops(program: Program) -> None:
    assert program.stop() == 0, program.tail()
    assert "did not stop in time" not in program.text(), program.tail()
    assert "Traceback" not in program.text(), program.tail()


@pytest.mark.parametrize("load", ["idle", "loaded", "no-answer"])
@pytest.mark.parametrize("which", ["lmn and wan", "run"])
def test_sigterm_stops_every_process(tmp_path: Path, emp: StubEmp, load: str, which: str) -> None:
    """The EMP's timeout is longer than the limit, so waiting for it would fail. Seconds: tests/bench/bench_stop.py."""
    emp.silent = load == "no-answer"
    meters = [push(f"push-{number}", number, 0.1) for number in range(1, 6)] + [poll("solar")]
    with Chain(tmp_path, meters, emp_url=emp.url, timeout=300) as chain:
        if load != "idle":
            chain.smsim.start()
            chain.smsim.wait_for("smsim: meter solar")
        programs = [chain.both] if which == "run" else [chain.lmn, chain.wan]
        for program in programs:
            program.start()
        for _ in programs:
            chain.both.wait_for("LMN|lmn: ready") if which == "run" else None
        for program in programs:
            program.wait_for("services.lmn: ready" if program is not chain.wan else "services.wan: ready")
            if program is chain.both:
                program.wait_for("services.wan: ready")
        if load != "idle":
            wait_until(lambda: emp.puts > 0, 60, "nothing is delivered")
        for program in programs:
            stops(program)
