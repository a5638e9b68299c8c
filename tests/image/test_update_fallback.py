"""A new version in the emulated board that does not work: it is given up by itself, and the one before runs again.

The new version extended both databases, and stored and delivered rows. All of them are there after the way back.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from board_machine import HOST, BoardMachine, image
from emp.web.server import Settings
from emp_process import inside
from host_head import HostHead
from smgw.store.lmn.schema import lmn_schema
from smgw.store.wan.schema import wan_schema
from smgw.update.boot_state import COPIES, BootState, encode
from smgw.update.trial import Phase, Trial, note
from time_server import TimeServer

MIB = 2**20
#: Where slot B and the data partition begin on the card.
SLOT_B, DATA = (4 + 256 + 640) * MIB, (4 + 256 + 640 + 640) * MIB
PACKAGE = "/usr/lib/python3/dist-packages/smgw/store"
CONFIGURATION = """
[gateway]
device_id = "ESMG0012345678"
ntp = ["{host}:{ntp}"]

[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/smgw/serial-ftdi-HEAD01"
registration_period = 0

[[emp]]
name = "utility"
url = "http://{host}:{emp}"
insecure = true
forward = "immediate"
"""
#: What the new version has in its schema.py: one step more, which only adds a table.
STEP = """

import sqlite3

_before = {name}_schema


def {name}_schema() -> Schema:
    def add(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE later (note TEXT)")

    now = _before()
    migrations = {{**now.migrations, now.version: add}}
    return now._replace(version=now.version + 1, migrations=migrations, oldest=now.version)
"""
FOUND = """
import json, sqlite3
def ask(name, query):
    return sqlite3.connect(f"file:/var/lib/smgw/{name}/{name}.db?mode=ro", uri=True).execute(query).fetchall()
print(json.dumps({
    "store": bytes(ask("lmn", "SELECT store_id FROM store")[0][0]).hex(),
    "rows": [number for number, in ask("lmn", "SELECT number FROM capture")],
    "acknowledged": ask("wan", "SELECT sum(acknowledged) FROM cursor")[0][0] or 0,
    "versions": [ask(name, "PRAGMA user_version")[0][0] for name in ("lmn", "wan")],
    "added": [ask(name, "SELECT count(*) FROM sqlite_master WHERE name = 'later'")[0][0] for name in ("lmn", "wan")],
}))
"""


def debugfs(file: str | Path, *orders: str) -> None:
    for order in orders:
        subprocess.run(["/usr/sbin/debugfs", "-w", "-R", order, file], check=True, capture_output=True, timeout=60)


def new_version(root: Path, folder: Path) -> Path:
    """A root slot whose program writes newer databases."""
    made = folder / "root"
    subprocess.run(["cp", "--sparse=always", root, made], check=True)
    for name in ("lmn", "wan"):
        place, own = f"{PACKAGE}/{name}", folder / f"{name}.py"
        debugfs(made, f"dump {place}/schema.py {own}")
        own.write_text(own.read_text() + STEP.format(name=name))
        # Byte code in a slot is never compared with its source.
        debugfs(made, f"rm {place}/__pycache__/schema.cpython-311.pyc", f"rm {place}/schema.py")
        debugfs(made, f"write {own} {place}/schema.py")
    return made


def put_on_trial(board: BoardMachine, root: Path, folder: Path) -> None:
    """As `smgw update install` leaves a card. Before, a second meter was read, which the new version does not find."""
    with board.card.open("r+b") as card:
        with root.open("rb") as new:
            card.seek(SLOT_B)
            while piece := new.read(MIB):
                card.write(piece)
        for at in COPIES:
            card.seek(at)
            card.write(encode(BootState(("B", "A"), (9, 3))))
    root.unlink()
    note(folder, Trial("B", "3.0.0", "the boot before", ("attic", "house"), ("utility",), phase=Phase.INSTALLED))
    data = f"{board.card}?offset={DATA}"
    debugfs(data, "mkdir smgw", "mkdir smgw/update", f"write {folder}/trial-B.json smgw/update/trial-B.json")


class Life:
    """A board with a new version in slot B, a meter, and an EMP."""

    def __init__(self, folder: Path, emp: int) -> None:
        source = image()
        self.board = BoardMachine(source, folder / "board")
        self.head = HostHead(1.0)
        self.time_server = TimeServer()
        self.configuration = CONFIGURATION.format(host=HOST, ntp=self.time_server.port, emp=emp)
        self.board.write_card({"gateway.toml": self.configuration, "authorized_keys": self.board.public_key})
        put_on_trial(self.board, new_version(source.parent / "root.ext4", folder), folder)
        self.board.power_on("-watchdog-action", "none", *self.board.heads({"HEAD01": self.head.path}))

    def close(self) -> None:
        self.board.cut_power()
        self.head.close()
        self.time_server.close()

    def runs(self, slot: str) -> bool:
        return f"slot={slot} " in self.board.try_run("cat", "/proc/cmdline").stdout

    def found(self) -> dict[str, Any]:
        """What the databases have."""
        empty = '{"rows": [], "acknowledged": 0}'
        return dict(json.loads(self.board.try_run("python3", "-", given=FOUND).stdout or empty))

    def waits(self) -> list[str]:
        """What the running version was not seen to do yet, as far as it was looked at."""
        return list((self.status().get("trial") or {}).get("waits", ()))

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.board.try_run("smgw", "update", "status", "--json").stdout or '{"last": null}'))


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    with inside(tmp_path / "emp.db", Settings(names=(HOST,))) as emp:
        running = Life(tmp_path, emp.port)
        try:
            yield running
        finally:
            running.close()


def test_a_version_that_breaks_is_given_up_and_what_it_stored_is_there_afterwards(life: Life) -> None:
    board = life.board
    board.until(lambda: life.runs("B"), 900)
    assert "smgw: slot B, tries left A 9, B 2" in board.console.read_text(errors="replace")
    board.until(lambda: len(life.found()["rows"]) >= 5 and life.found()["acknowledged"] >= 5, 600)
    board.until(lambda: "meter attic was not read" in life.waits(), 600)
    new = life.found()
    assert (new["versions"], new["added"]) == ([lmn_schema().version + 1, wan_schema().version + 1], [1, 1])

    # From now on its program does not even start.
    board.run("mount", "--bind", "/bin/false", "/usr/bin/smgw")
    board.try_run("systemctl", "restart", "smgw-update-good")
    board.until(lambda: life.runs("A"), 900)
    board.until(lambda: life.status()["last"], 600)
    status = life.status()
    assert (status["last"]["result"], status["trial"]) == ("fell-back", None)
    assert (status["booted"], status["next"]) == ("A", "A")
    assert "meter attic was not read" in status["last"]["why"]

    board.until(lambda: len(life.found()["rows"]) >= len(new["rows"]) + 3, 600)
    board.until(lambda: life.found()["acknowledged"] >= len(new["rows"]) + 3, 600)
    old = life.found()
    assert set(new["rows"]) <= set(old["rows"])
    assert [old[key] for key in ("store", "versions", "added")] == [new[key] for key in ("store", "versions", "added")]
    assert board.run("cat", "/etc/smgw/gateway.toml") == life.configuration
