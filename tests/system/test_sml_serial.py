"""SML asked over a serial line at its speed: GetList (EMH DIZ and its like), object lists, load profiles."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from testbed import Program, surroundings, wait_until

ENERGY = "1-0:1.8.0*255"


class Line:
    """One simulated meter at the other end of a pty, and the gateway's configuration."""

    def __init__(self, directory: Path, baud: int, *, object_list: bool, more: str = "") -> None:
        self.directory = directory
        (directory / "state").mkdir()
        (directory / "meters.toml").write_text(
            '[simulator]\nstart = "now"\nseconds_per_quarter_hour = 1\n'
            f'[[meter]]\nname = "m"\ndevice = "1UTB0000000001"\nport = "pty:{directory / "head"}"\n'
            f"baud = {baud}\nanswers = true\nobject_list = {str(object_list).lower()}\n"
        )
        (directory / "gateway.toml").write_text(
            '[gateway]\ndevice_id = "ESMG0000000001"\n[[meter]]\nname = "house"\nprotocol = "sml-poll"\n'
            f'port = "{directory / "head"}"\nbaudrate = {baud}\nretries = 0\nregistration_period = 0\n{more}'
        )
        self.smsim = Program("smsim", ["-m", "smsim", "run", str(directory / "meters.toml")])
        self.where = ["--config", str(directory / "gateway.toml"), "--state", str(directory / "state")]
        self.lmn = Program("lmn", ["-m", "smgw", "lmn", *self.where], surroundings())

    def command(self, name: str, *arguments: str) -> Program:
        made = Program(name, ["-m", "smgw", name, *self.where, *arguments])
        made.start()
        return made

    def captures(self, origin: int = 1) -> int:
        with closing(sqlite3.connect(f"file:{self.directory}/state/lmn/lmn.db?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT count(*) FROM capture WHERE origin = ?", (origin,)).fetchone()[0])


@pytest.fixture
def lines() -> Iterator[list[Line]]:
    made: list[Line] = []
    yield made
    for line in made:
        line.lmn.destroy()
        line.smsim.destroy()


@pytest.mark.parametrize(
    ("baud", "object_list"), [(300, False), (2400, False), (9600, False), (9600, True), (38_400, True)]
)
def test_a_meter_is_read_once_at_the_speed_of_its_line(
    baud: int, object_list: bool, tmp_path: Path, lines: list[Line]
) -> None:
    """At 300 Bd an answer takes longer than the time-out of 5 s, which is for silence."""
    line = Line(tmp_path, baud, object_list=object_list)
    lines.append(line)
    line.smsim.start()
    line.smsim.wait_for("smsim: meter")
    read = line.command("read", "--json", "--seconds", "90")
    code = read.ended(100)
    assert code == 0, read.tail()
    (capture,) = [json.loads(one.text) for one in read.lines if one.text.startswith("{")]
    assert ENERGY in {reading["obis"] for reading in capture["readings"]}


def test_the_daemon_polls_at_2400_baud_and_fetches_a_load_profile_between(tmp_path: Path, lines: list[Line]) -> None:
    more = 'load_profile = ["1-0:99.1.0"]\nload_profile_days = 1\n'
    line = Line(tmp_path, 2400, object_list=True, more=more)
    lines.append(line)
    # The simulated past begins with the simulator, six hours ago, and runs 900 times as fast from there.
    begun = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 6 * 3600))
    meters = tmp_path / "meters.toml"
    meters.write_text(meters.read_text().replace('"now"', begun))
    line.smsim.start()
    line.smsim.wait_for("smsim: meter")
    line.lmn.start()
    wait_until(lambda: line.captures() >= 3, 60, "the meter was not polled")
    wait_until(lambda: line.captures(origin=2) >= 4, 60, "no rows of the load profile came")
    polls = line.captures()
    wait_until(lambda: line.captures() > polls, 60, "the meter is not polled any more")
