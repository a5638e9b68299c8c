"""Two real users, one group: the WAN's user reads lmn.db whatever became of its writer, and can never write it."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from smgw.store.errors import StoreError
from smgw.store.lmn.store import LmnStore
from smgw.store.wan.orders import place_order
from smgw.store.wan.records import OrderKind

if os.geteuid() != 0:
    pytest.skip("NEEDS ROOT: users are changed to see that one cannot write the other's store", allow_module_level=True)

LMN, WAN, STRANGER, GROUP = 61001, 61002, 61003, 61000
FIRMWARE = Path(__file__).parents[2] / "firmware"

PRELUDE = """
import os, sqlite3, sys, traceback
from pathlib import Path
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Capture, ClockState, Reading, Stamp
from smgw.store.errors import StoreError
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import Record, Source
from smgw.store.wan.store import WanStore
directory, user, group = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
# All is imported by now: the interpreter may lie where only root can read.
os.setgroups([])
os.setgid(group)
os.setuid(user)
os.umask(0o027)
HOUSE = Source("house", DeviceId.parse("1EMH0011802881"))
def record(number):
    reading = Reading(Obis.parse("1.8.0"), Data(DataType.LONG64, number), -1, 30)
    stamp = Stamp("boot", number, number, 1, ClockState.SYNCHRONISED)
    return Record(Capture("house", DeviceId.parse("1EMH0011802881"), stamp, None, (reading,)))
"""
WRITES = """
store = LmnStore.open(directory)
for number in range(1, 51):
    store.append([record(number)])
print("written", flush=True)
"""
WAITS = "sys.stdin.read()\nstore.close()\n"
READS = """
with LmnView.open(directory) as view:
    rows = view.records(HOUSE, 0, 100)
    print(len(rows), rows[-1].readings[0].value.value, view.changed())
"""


@pytest.fixture
def directory():
    """The state directory as tmpfiles.d makes it: of the LMN's user and the common group, 2750.

    Not below pytest's folder: each run of pytest as root closes that one to other users.
    """
    with tempfile.TemporaryDirectory(prefix="smgw-users-") as above:
        Path(above).chmod(0o711)
        state = Path(above) / "state"
        state.mkdir()
        os.chown(state, LMN, GROUP)
        state.chmod(0o2750)
        yield state


def start(user: int, script: str, directory: Path) -> subprocess.Popen:
    group = GROUP if user != STRANGER else STRANGER
    return subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-c", PRELUDE + script, str(directory), str(user), str(group)],
        env={"PYTHONPATH": str(FIRMWARE), "PYTHONDONTWRITEBYTECODE": "1"},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
    )


def run(user: int, script: str, directory: Path) -> str:
    with start(user, script, directory) as process:
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    return out.strip()


@pytest.fixture(params=["alive", "killed", "stopped"])
def written(request, directory):
    """lmn.db with 50 rows, its writer in one of three states."""
    with start(LMN, WRITES + WAITS, directory) as writer:
        if writer.stdout.readline() != "written\n":
            pytest.fail(writer.communicate(timeout=10)[1])
        if request.param == "killed":
            writer.send_signal(signal.SIGKILL)
            writer.wait(10)
        elif request.param == "stopped":
            writer.stdin.close()
            assert writer.wait(10) == 0
        yield directory
        if request.param == "alive":
            writer.kill()


def test_the_other_user_reads_all_rows(written):
    assert run(WAN, READS, written) == "50 50 False"


def test_the_other_user_cannot_write(written):
    script = """
for mode in ("rw", "rwc"):
    connection = sqlite3.connect(f"file:{directory}/lmn.db?mode={mode}", uri=True)
    for statement in ("DELETE FROM capture", "CREATE TABLE mine (x)", "PRAGMA user_version = 9"):
        try:
            connection.execute(statement)
            connection.commit()
            print("wrote", statement)
        except sqlite3.OperationalError as error:
            assert "readonly" in str(error), error
    connection.close()
for name in ("lmn.db", "lmn.db-wal", "lmn.db-shm", "lmn.db.lock", "lmn.ballast", "new"):
    try:
        open(directory / name, "r+b" if name != "new" else "wb").close()
        print("opened", name)
    except PermissionError:
        pass
    try:
        (directory / name).unlink(missing_ok=True)
        if name != "new": print("removed", name)
    except PermissionError:
        pass
try:
    LmnStore.open(directory)
    print("owned")
except StoreError as error:
    print(error)
"""
    said = run(WAN, script, written)

    assert said.startswith(f"{written}/lmn.db: belongs to user {LMN}, and this is user {WAN}; run it as user {LMN}")
    assert len(said.splitlines()) == 1
    assert run(WAN, READS, written) == "50 50 False"


def test_the_other_user_can_tell_whether_the_owner_runs_without_a_right_to_the_lock(written, request):
    script = """
from smgw.store.file.lock import owner_running
print(owner_running(directory / "lmn.db.lock"))
"""
    alive = "alive" in request.node.name

    assert run(WAN, script, written) == str(alive)
    assert (written / "lmn.db.lock").stat().st_mode & 0o777 == 0o600


def test_root_is_told_whose_the_store_is_and_leaves_no_file_behind(written):
    before = {file.name: file.stat().st_uid for file in written.iterdir()}

    with pytest.raises(StoreError, match=rf"belongs to user {LMN}, and this is user root; run it as user {LMN}"):
        LmnStore.open(written)

    assert {file.name: file.stat().st_uid for file in written.iterdir()} == before


def test_an_order_of_root_leaves_the_files_to_their_owner(directory):
    run(LMN, "WanStore.open(directory).close()", directory)
    (directory / "wan.db-wal").unlink()

    place_order(directory, None, OrderKind.AGAIN)

    script = "with WanStore.open(directory) as store:\n    print(*store.take_orders('north'))"
    assert run(LMN, script, directory) == "again"


def test_a_reserve_that_another_user_laid_down_is_refused(directory):
    run(LMN, "LmnStore.open(directory).close()", directory)
    os.chown(directory / "lmn.ballast", WAN, GROUP)

    script = """
try:
    LmnStore.open(directory)
except StoreError as error:
    print(error)
"""
    assert run(LMN, script, directory).startswith(f"{directory}/lmn.ballast: belongs to user {WAN}")


def test_the_directory_is_made_for_its_owner_and_the_group_of_the_one_above(directory):
    run(LMN, "LmnStore.open(directory / 'lmn').close()", directory)

    made = (directory / "lmn").stat()
    assert (made.st_uid, made.st_gid, made.st_mode & 0o7777) == (LMN, GROUP, 0o2750)
    assert (directory / "lmn" / "lmn.db").stat().st_gid == GROUP


def test_a_stranger_cannot_even_read(written):
    script = """
try:
    LmnView.open(directory)
    print("read")
except StoreError as error:
    print(type(error).__name__)
"""
    assert run(STRANGER, script, written) != "read"


def test_a_reader_that_stays_sees_what_a_new_writer_writes(written):
    script = """
view = LmnView.open(directory)
print(view.last_position(HOUSE), flush=True)
view.changed()
sys.stdin.readline()
print(view.changed(), view.last_position(HOUSE))
view.close()
"""
    more = "store = LmnStore.open(directory)\nstore.append([record(51)])\nstore.close()\n"
    with start(WAN, script, written) as reader:
        assert reader.stdout.readline() == "50\n"
        with start(LMN, more, written) as second:
            _, said = second.communicate(timeout=30)
        out, err = reader.communicate("\n", timeout=30)
    # A first writer that is alive is the owner still.
    wanted = "False 50" if "already writes this store" in said else "True 51"
    assert (out.strip(), reader.returncode) == (wanted, 0), said + err
