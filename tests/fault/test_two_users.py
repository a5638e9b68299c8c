"""The two processes under two real users of one group: each writes its own store and only reads the other's."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import testbed
from testbed import Chain, Program, push, wait_until

if os.geteuid() != 0:
    pytest.skip("NEEDS ROOT: the processes run under two users of their own", allow_module_level=True)

LMN, WAN, GROUP = 61001, 61002, 61000
METERS = [push("house", 1), push("roof", 2, 0.2)]

# Everything is imported while we are root: the interpreter may lie where only root can read.
PRELUDE = """
import encodings.ascii, encodings.idna, encodings.latin_1, importlib, os, pkgutil, sqlite3, sys, traceback
import serial, smgw
for found in pkgutil.walk_packages(smgw.__path__, "smgw."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)
user, group = int(sys.argv[1]), int(sys.argv[2])
os.setgroups([])
os.setgid(group)
os.setuid(user)
os.umask(0o027)
"""
AS_COMMAND = PRELUDE + "from smgw.cli import main\nsys.exit(main(sys.argv[3:]))\n"
# Tries whatever a foreign user could do to a store, and prints what he managed.
ATTACK = (
    PRELUDE
    + """
directory, name = sys.argv[3:]
with open(os.path.join(directory, name), "rb") as file:
    assert file.read(15) == b"SQLite format 3", "cannot even be read"
for mode in ("rw", "rwc"):
    connection = sqlite3.connect(f"file:{directory}/{name}?mode={mode}", uri=True)
    for statement in ("DELETE FROM log", "CREATE TABLE mine (x)", "PRAGMA user_version = 9"):
        try:
            connection.execute(statement)
            connection.commit()
            print("wrote:", statement)
        except sqlite3.OperationalError as error:
            assert "readonly" in str(error), error
    connection.close()
for part in ("", "-wal", "-shm", ".lock"):
    path = os.path.join(directory, name + part)
    for what, attempt in (
        ("opened", lambda: open(path, "r+b").close()),
        ("cut", lambda: os.truncate(path, 0)),
        ("moved", lambda: os.rename(path, path + ".away")),
        ("removed", lambda: os.unlink(path)),
    ):
        try:
            attempt()
            print(what, name + part)
        except PermissionError:
            pass
try:
    with open(os.path.join(directory, "mine"), "wb"):
        print("made a file of his own beside it")
except PermissionError:
    pass
"""
)


class TwoUsers(Chain):
    """A chain whose gateway processes run under two users."""

    def __init__(self, directory: Path) -> None:
        directory.chmod(0o755)
        state = directory / "state"
        state.mkdir()
        for name, user in (("lmn", LMN), ("wan", WAN)):
            own = state / name
            own.mkdir()
            os.chown(own, user, GROUP)
            own.chmod(0o2750)
        super().__init__(directory, METERS, state=state)
        for program, user in ((self.lmn, LMN), (self.wan, WAN)):
            program.arguments = ["-c", AS_COMMAND, str(user), str(GROUP), *program.arguments[2:]]

    def plug(self) -> None:
        """Start the meters; their terminals belong to us and are given to the LMN's user, as udev does."""
        self.smsim.start()
        for meter in self.meters:
            self.smsim.wait_for(f"meter {meter.name}")
            os.chown(self.link(meter.name).resolve(), LMN, GROUP)

    def attack(self, user: int, name: str) -> str:
        """What a user can do to a store that is not his."""
        done = subprocess.run(
            [sys.executable, "-c", ATTACK, str(user), str(GROUP), str(self.store(name).parent), name],
            env=testbed.surroundings(),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def chain() -> Iterator[TwoUsers]:
    # Not tmp_path: every start of pytest closes the directory above it to others.
    with tempfile.TemporaryDirectory() as directory, TwoUsers(Path(directory)) as chain:
        chain.plug()
        chain.emp.start()
        chain.lmn.start()
        chain.wan.start()
        for program, said in ((chain.emp, "listening"), (chain.lmn, "ready:"), (chain.wan, "ready:")):
            program.wait_for(said)
        wait_until(lambda: len(chain.store_keys()) > 10, 60, "nothing is recorded")
        yield chain


def uid_of(program: Program) -> int:
    return Path(f"/proc/{program.pid}").stat().st_uid


def test_the_chain_delivers_under_two_users(chain: TwoUsers) -> None:
    assert (uid_of(chain.lmn), uid_of(chain.wan)) == (LMN, WAN)
    owners = {name: chain.store(name).stat() for name in ("lmn.db", "lmn.db-wal", "wan.db", "wan.db-wal")}
    assert {name: (owner.st_uid, owner.st_gid) for name, owner in owners.items()} == {
        "lmn.db": (LMN, GROUP),
        "lmn.db-wal": (LMN, GROUP),
        "wan.db": (WAN, GROUP),
        "wan.db-wal": (WAN, GROUP),
    }
    assert {owner.st_mode & 0o777 for owner in owners.values()} == {0o640}
    chain.drain()
    assert len(chain.store_keys()) > 10
    assert set(chain.store_keys()) == set(chain.emp_keys())


@pytest.mark.parametrize("writer", ["alive", "killed", "stopped"])
def test_the_wan_user_reads_lmn_db_and_cannot_write_it(chain: TwoUsers, writer: str) -> None:
    if writer == "killed":
        chain.lmn.kill()
    elif writer == "stopped":
        assert chain.lmn.stop() == 0
    assert chain.attack(WAN, "lmn.db") == ""
    chain.wan.kill()  # a new one has to open the store afresh
    chain.wan.start()
    chain.wan.wait_for("ready:")
    chain.caught_up()
    if writer != "alive":
        chain.lmn.start()
        before = len(chain.store_keys())
        chain.lmn.wait_for("ready:")
        wait_until(lambda: len(chain.store_keys()) > before, 60, "nothing is recorded")
    chain.drain()
    assert set(chain.store_keys()) == set(chain.emp_keys())
    assert "Traceback" not in chain.wan.text() + chain.lmn.text()


@pytest.mark.parametrize("writer", ["alive", "killed", "stopped"])
def test_the_lmn_user_cannot_write_wan_db(chain: TwoUsers, writer: str) -> None:
    if writer == "killed":
        chain.wan.kill()
    elif writer == "stopped":
        assert chain.wan.stop() == 0
    assert chain.attack(LMN, "wan.db") == ""
