"""Whose the files are, who holds the lock, and what the file system refuses."""

import errno
import fcntl
import os
import threading

import pytest
from captures_made import HOUSE
from delivered import reached
from smgw import flocks
from smgw.store import paths
from smgw.store.errors import StoreError, StoreFull, StoreOwned
from smgw.store.file import access, lock
from smgw.store.file.access import make_directory, refuse_blindness
from smgw.store.file.lock import OwnerLock, owner_pid, owner_running
from smgw.store.lmn.store import LmnStore
from smgw.store.wan.store import WanStore
from soon import soon


def test_a_store_makes_its_directory_below_the_state_directory(tmp_path):
    with LmnStore.open(paths.lmn_directory(tmp_path), ballast_bytes=0):
        assert (tmp_path / "lmn" / "lmn.db").exists()
    assert (tmp_path / "lmn").stat().st_mode & 0o777 == 0o750


def test_a_directory_that_is_there_keeps_its_mode(tmp_path):
    (tmp_path / "wan").mkdir(0o700)
    with WanStore.open(paths.wan_directory(tmp_path)):
        assert (tmp_path / "wan").stat().st_mode & 0o777 == 0o700


def test_the_state_directory_itself_must_exist(tmp_path):
    with pytest.raises(StoreError, match=r"there is no directory .*absent; make it"):
        LmnStore.open(tmp_path / "absent" / "lmn")


def test_a_file_in_the_place_of_the_directory_is_named(tmp_path):
    (tmp_path / "lmn").touch()
    with pytest.raises(StoreError, match="is no directory"):
        make_directory(tmp_path / "lmn")


@pytest.mark.parametrize("name", ["lmn.db", "lmn.db-wal", "lmn.db-shm", "lmn.db.lock", "lmn.ballast"])
def test_a_file_of_another_user_is_refused(tmp_path, monkeypatch, name):
    LmnStore.open(tmp_path, ballast_bytes=4096).close()
    for file in tmp_path.iterdir():
        if file.name != name:
            file.unlink()
    monkeypatch.setattr("os.geteuid", lambda: 4242)

    with pytest.raises(StoreError, match=rf"{name}: belongs to user .*, and this is user 4242; run it as user"):
        LmnStore.open(tmp_path)


@pytest.mark.parametrize("name", ["lmn.db", "lmn.db-wal", "lmn.db.lock", "lmn.ballast", "lmn.db.new"])
def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path, name):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("precious")
    (tmp_path / "lmn").mkdir()
    (tmp_path / "lmn" / name).symlink_to(elsewhere)

    with pytest.raises(StoreError, match="is no regular file"):
        LmnStore.open(tmp_path / "lmn")
    assert elsewhere.read_text() == "precious"


def test_it_shows_whether_the_owner_runs(tmp_path):
    path = tmp_path / "x.lock"
    assert not owner_running(path)
    owner = OwnerLock(path)
    assert owner_running(path)
    assert owner_pid(path) == os.getpid()
    owner.release()
    assert not owner_running(path)
    assert owner_pid(path) is None


def test_asking_whether_the_owner_runs_takes_no_lock(tmp_path, monkeypatch):
    path = tmp_path / "x.lock"
    OwnerLock(path).release()
    monkeypatch.setattr(lock.fcntl, "flock", lambda *_: pytest.fail("asked by locking"))

    assert not owner_running(path)


def test_without_proc_locks_it_asks_by_trying(tmp_path, monkeypatch):
    monkeypatch.setattr(flocks, "_LOCKS", tmp_path / "absent")
    path = tmp_path / "x.lock"
    owner = OwnerLock(path)
    assert owner_running(path)
    owner.release()
    assert not owner_running(path)


def test_an_owner_waits_for_somebody_who_only_asks(tmp_path):
    path = tmp_path / "x.lock"
    path.touch()
    with path.open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        threading.Timer(0.15, lambda: fcntl.flock(asking, fcntl.LOCK_UN)).start()
        OwnerLock(path).release()


def test_an_owner_does_not_wait_for_ever(tmp_path):
    owner = OwnerLock(tmp_path / "x.lock")
    owner.note("ab" * 16)
    with pytest.raises(StoreOwned, match=str(os.getpid())):
        soon(lambda: OwnerLock(tmp_path / "x.lock"))
    owner.release()


@pytest.mark.parametrize("call", ["_rename", "_sync"])
@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, StoreFull), (errno.EDQUOT, StoreFull), (errno.EIO, StoreError)]
)
def test_what_the_file_system_refuses_is_a_store_error(tmp_path, monkeypatch, call, number, kind):
    def refuses(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(f"smgw.store.file.owned.{call}", refuses)
    with pytest.raises(StoreError) as raised:
        LmnStore.open(tmp_path)
    assert type(raised.value) is kind


def test_a_replacement_that_failed_half_way_is_finished_by_the_next_commit(tmp_path, monkeypatch):
    from smgw.store.file import owned

    with WanStore.open(tmp_path) as store:
        store.acknowledge("north", "ab" * 16, HOUSE, 7, 5)
        rename = owned._rename
        calls = []

        def fails_once(source, target):
            calls.append(target)
            if len(calls) == 2:
                raise OSError(errno.EIO, "Input/output error")
            rename(source, target)

        monkeypatch.setattr(owned, "_rename", fails_once)
        store._file.condemn("a test says so")
        with pytest.raises(StoreError):
            store.acknowledge("north", "ab" * 16, HOUSE, 8, 1)

        store.acknowledge("north", "ab" * 16, HOUSE, 9, 1)
        assert reached(store, "north", "ab" * 16) == 9
        assert store.salvaged


@pytest.fixture
def state(tmp_path, monkeypatch):
    """A state directory that this user may not enter, of a group that is not root's."""
    made = tmp_path / "state"
    made.mkdir()
    if os.getegid() == 0:
        os.chown(made, -1, 65534)
    monkeypatch.setattr("os.access", lambda path, _: path != made)
    return made


@pytest.mark.parametrize("below", ["lmn.db", "lmn/lmn.db"])
def test_who_may_not_enter_a_directory_is_told_which_and_that_its_group_may(state, below):
    state.chmod(0o750)
    with pytest.raises(StoreError, match=rf"may not look into {state}; use sudo, or join the group: sudo adduser "):
        refuse_blindness(state / below)


def test_nobody_is_told_to_join_a_group_that_may_not_enter_or_is_roots(state, monkeypatch):
    state.chmod(0o700)
    with pytest.raises(StoreError, match=r"; use sudo, or be user [^ ]+$|; use sudo$"):
        refuse_blindness(state / "lmn.db")
    state.chmod(0o750)
    monkeypatch.setattr(access, "group_name", lambda _: pytest.fail("no group is named"))
    found = state.stat()
    of_root = os.stat_result((*found[:5], 0, *found[6:]))
    assert "adduser" not in access._remedy(of_root)


def test_a_store_that_is_not_there_is_no_question_of_rights(tmp_path):
    refuse_blindness(tmp_path / "none" / "lmn" / "lmn.db")
