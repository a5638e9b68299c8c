"""Live values as a person sees them, from the start of the programs on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from testbed import Chain, poll, push, surroundings, wait_until

#: As configured by default: a value is stored each quarter of an hour.
METERS = [
    push("house", 1, 1, registration_period=900, silence=30),
    poll("solar", 2, 2, registration_period=900, silence=30),
]


def test_the_first_value_is_seen_long_before_it_is_stored(tmp_path: Path) -> None:
    """It would be stored after a quarter of an hour."""
    with Chain(tmp_path, METERS) as chain:
        before = chain.smgw("watch", "--once")
        assert before.returncode == 1
        assert "the LMN process does not run" in before.stderr
        chain.smsim.start()
        chain.both.start()
        wait_until(lambda: chain.smgw("watch", "--once", "house").returncode == 0, 60, "no live value of house")
        wait_until(lambda: len(chain.smgw("watch", "--once", "--json").stdout.splitlines()) == 2, 60, "none of solar")
        wait_until(lambda: "live value of" in chain.smgw("status").stdout, 60, "no live value in the status")
        status = chain.smgw("status").stdout
        assert "0 records" in status
        assert "the first value is stored within 15 min" in status
        table = chain.smgw("watch", "--once").stdout.splitlines()
        assert table[0].split() == ["meter", "register", "value", "meter", "time", "capture", "time"]
        assert [line.split()[0] for line in table if not line.startswith(" ")] == ["meter", "house", "solar"]


def test_watch_follows_the_meters_until_ctrl_c_and_says_when_the_daemon_ends(tmp_path: Path) -> None:
    with Chain(tmp_path, METERS[:1]) as chain:
        chain.smsim.start()
        chain.smsim.wait_for("smsim: meter")
        chain.lmn.start()
        chain.lmn.wait_for("ready:")
        watch = subprocess.Popen(
            [sys.executable, "-m", "smgw", "watch", *chain._where, "--json"],
            env=surroundings(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert watch.stdout is not None
            assert watch.stderr is not None
            told = [json.loads(watch.stdout.readline()) for _ in range(3)]
            assert [one["meter"] for one in told] == ["house"] * 3
            assert told[0]["capture_time_us"] < told[1]["capture_time_us"] < told[2]["capture_time_us"]
            chain.lmn.kill()
            while "the LMN process does not run" not in (line := watch.stderr.readline()):
                assert line
            watch.send_signal(signal.SIGINT)
            assert watch.wait(60) == 0
        finally:
            watch.kill()
            watch.communicate()


def test_commands_name_the_gateway_that_holds_a_port_and_show_its_value(tmp_path: Path) -> None:
    with Chain(tmp_path, METERS[:1]) as chain:
        chain.smsim.start()
        chain.smsim.wait_for("smsim: meter")
        chain.lmn.start()
        wait_until(lambda: chain.smgw("watch", "--once").returncode == 0, 60, "no live value")
        port = str(chain.link("house"))
        for command in (("read", "house"), ("dump", "sml", port), ("scan", port)):
            done = chain.smgw(*command)
            assert done.returncode == 0, done.stderr
            assert "smgw lmn (process " in done.stderr
            assert "live value of" in done.stdout
            assert "1-0:1.8.0*255" in done.stdout


def test_the_live_values_of_a_meter_go_when_the_configuration_no_longer_has_it(tmp_path: Path) -> None:
    with Chain(tmp_path, METERS) as chain:
        chain.smsim.start()
        chain.smsim.wait_for("smsim: meter solar")
        chain.lmn.start()
        live = chain.state / "run" / "live"
        wait_until(lambda: len(list(live.glob("*.json"))) == 2, 60, "no live values")
        text = chain.gateway_file.read_text()
        head, house, rest = text.split("[[meter]]")
        chain.gateway_file.write_text(f"{head}[[meter]]{house}{rest[rest.index('[[emp]]') :]}")
        chain.lmn.send(signal.SIGHUP)
        wait_until(lambda: [file.name.partition(".")[0] for file in live.glob("*.json")] == ["house"], 60, "it stays")


@pytest.mark.skipif(os.geteuid() != 0, reason="NEEDS ROOT: mounts a tmpfs")
def test_a_full_run_directory_costs_one_warning_and_no_reading(tmp_path: Path) -> None:
    with Chain(tmp_path, [push("house", 1, 0.2)]) as chain:
        run = chain.state / "run"
        run.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(run)], check=False)
        if mounted.returncode:
            pytest.skip("this computer lets nobody mount a tmpfs")
        try:
            (run / "filler").write_bytes(bytes(12 * 1024))
            chain.smsim.start()
            chain.lmn.start()
            chain.lmn.wait_for("live values cannot be written")
            wait_until(lambda: len(chain.captures("house")) > 10, 60, "readings are lost")
            warnings = [line for line in chain.lmn.text().splitlines() if "WARNING smgw.store.live" in line]
            assert len(warnings) == 1
            chain.lmn.stop()
        finally:
            subprocess.run(["umount", str(run)], check=True)
