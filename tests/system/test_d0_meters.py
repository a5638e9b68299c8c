"""Meters with D0, from smsim through the commands: asked over a line with its speeds, and pushed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from testbed import Chain, Program, push, surroundings, wait_until

PASSWORD = "12345678"


class House:
    """A running simulator, and a configuration of its meters."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def smgw(self, *arguments: str) -> list[dict[str, object]]:
        where = ["--config", str(self.folder / "gateway.toml"), "--state", str(self.folder / "state")]
        done = subprocess.run(
            [sys.executable, "-m", "smgw", *arguments, *where, "--json"],
            env=surroundings(), capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("d0")
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o600)
    meters, gateway = "[simulator]\nseconds_per_quarter_hour = 1\n", ""
    kinds = [
        ("c", "C", "d0", 'load_profile = ["1-0:99.1.0*255"]'),
        ("b", "B", "d0", ""),
        (
            "single", "C", "d0",
            'objects = ["1-0:1.8.0*255"]\npassword_file = "password"\nd0 = { read = "registers" }',
        ),
        ("push", "push", "d0-push", ""),
    ]  # fmt: skip
    for number, (name, mode, protocol, lines) in enumerate(kinds, 1):
        password = f'password = "{PASSWORD}"\n' if name == "single" else ""
        meters += (
            f'[[meter]]\nname = "{name}"\ndevice = "1LGZ000000000{number}"\nport = "pty:{folder / name}"\n'
            f'd0 = "{mode}"\n{password}'
        )
        gateway += f'[[meter]]\nname = "{name}"\nprotocol = "{protocol}"\nport = "{folder / name}"\n{lines}\n'
    (folder / "meters.toml").write_text(meters)
    (folder / "gateway.toml").write_text(f'[gateway]\ndevice_id = "ESMG0000000001"\n{gateway}')
    smsim = Program("smsim", ["-m", "smsim", "run", str(folder / "meters.toml")])
    try:
        smsim.start()
        smsim.wait_for("smsim: meter push")
        yield House(folder)
    finally:
        smsim.destroy()


def test_each_meter_is_read_in_its_way(house: House) -> None:
    told = {str(one["device"]) for one in house.smgw("read")}
    assert told == {f"1LGZ000000000{number}" for number in range(1, 5)}


def test_the_load_profile_is_complete_and_a_second_read_asks_for_nothing_new(house: House) -> None:
    # The two sign-ons at 300 Bd take more than 2 s: two quarter hours of the simulated time.
    wanted = ("profile", "c", "--from", "2025-12-31T23:00Z", "--to", "2025-12-31T23:30Z")
    rows = house.smgw(*wanted)
    assert [row["time"] for row in rows] == [f"2025-12-31T23:{minute}:00Z" for minute in ("00", "15", "30")]
    assert house.smgw(*wanted) == rows


def test_a_push_arrives_at_the_emp_under_the_id_of_its_meter(tmp_path: Path) -> None:
    with Chain(tmp_path, [push("house", interval=0.5)]) as chain:
        chain.meters_file.write_text(chain.meters_file.read_text() + 'd0 = "push"\n')
        chain.gateway_file.write_text(chain.gateway_file.read_text().replace('"sml-push"', '"d0-push"'))
        chain.start()
        wait_until(lambda: chain.get("/devices/1EMH0000000001.sm.json"), 60, "the device is missing")
        found = chain.get("/devices/1EMH0000000001.sm.json") or b""
        assert b"0100010800ff" in found or b"1-0:1.8.0" in found
        wait_until(
            lambda: [one["device"] for one in chain.status()["meters"]] == ["1EMH0000000001"], 60, "no state is told"
        )
        watched = chain.smgw("watch", "--once")
        assert watched.returncode == 0
        assert "1-0:1.8.0" in watched.stdout
