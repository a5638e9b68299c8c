"""The agent's socket: who may do what, and that nobody can hold up the others."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from keys_agent import NOBODY, as_user, needs_root, serving, short_directory
from smgw.errors import SmgwError
from smgw.services import keys_desk
from smgw.services.keys_desk import CLIENTS_OF_USER_MAX
from smgw.trust.errors import KeyMismatchError, KeysUnavailableError, TrustError
from smgw.trust.keys import key_name
from smgw.trust.keys.agent import AgentKeys
from smgw.trust.keys.calls import RANDOM, RANDOM_MAX, REQUEST_MAX, SOCKET, success
from smgw.trust.keys.folder import FolderKeys
from smgw.trust.keys.holder import open_keys
from soon import LIMIT, soon
from trial_pki import HeldTriple, session_pki

DIGEST = sha256(b"reading").digest()


@pytest.fixture
def run() -> Iterator[Path]:
    with short_directory() as made:
        yield made


@pytest.fixture
def triple(tmp_path: Path) -> HeldTriple:
    return session_pki().write_triple(tmp_path)


def client(run: Path) -> AgentKeys:
    return AgentKeys(run, patience_s=LIMIT)


def name(triple: HeldTriple) -> str:
    return key_name(triple.signature.key.public_key())


def connected(run: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    made.settimeout(LIMIT)
    made.connect(str(run / SOCKET))
    return made


def test_the_client_fulfils_the_interface(run: Path, tmp_path: Path, triple: HeldTriple) -> None:
    with serving(run, FolderKeys(tmp_path)) as desk:
        signature = client(run).sign(name(triple), DIGEST)
        assert len(client(run).random(3 * RANDOM_MAX + 1)) == 3 * RANDOM_MAX + 1
        assert desk.answered == 5
    triple.signature.key.public_key().verify(signature, DIGEST, ec.ECDSA(utils.Prehashed(SHA256())))


def test_the_holder_uses_the_agent_where_it_is_and_files_where_it_is_not(
    run: Path, tmp_path: Path, triple: HeldTriple
) -> None:
    keys = open_keys(run, tmp_path)
    with serving(run, FolderKeys(tmp_path)) as desk:
        keys.sign(name(triple), DIGEST)
        assert desk.answered == 1
    keys.sign(name(triple), DIGEST)
    assert desk.answered == 1


def test_an_error_of_the_holder_arrives_with_file_and_remedy(run: Path, tmp_path: Path) -> None:
    with serving(run, FolderKeys(tmp_path)), pytest.raises(KeyMismatchError, match="smgw keys request") as raised:
        client(run).sign("0" * 40, DIGEST)
    assert raised.value.file == tmp_path / "own"


def test_a_dead_agent_is_named_and_what_starts_it(run: Path, tmp_path: Path) -> None:
    with pytest.raises(KeysUnavailableError, match=r"keys\.sock.*systemctl start smgw-keys"):
        client(run).random(1)


def test_after_a_restart_of_the_agent_the_same_client_works(run: Path, tmp_path: Path, triple: HeldTriple) -> None:
    keys = client(run)
    for _ in range(2):
        with serving(run, FolderKeys(tmp_path)):
            keys.sign(name(triple), DIGEST)
        with pytest.raises(KeysUnavailableError):
            keys.sign(name(triple), DIGEST)


def test_the_socket_of_a_killed_agent_is_replaced(run: Path, tmp_path: Path) -> None:
    (run / SOCKET).parent.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as dead:
        dead.bind(str(run / SOCKET))
    with serving(run, FolderKeys(tmp_path)):
        assert client(run).random(8)


def test_a_second_agent_does_not_take_the_socket_of_the_first(run: Path, tmp_path: Path) -> None:
    with serving(run, FolderKeys(tmp_path)):
        with pytest.raises(SmgwError, match="another agent"), serving(run, FolderKeys(tmp_path)):
            pass
        assert client(run).random(8)


def test_only_the_group_may_connect(run: Path, tmp_path: Path) -> None:
    with serving(run, FolderKeys(tmp_path)):
        assert (run / SOCKET).stat().st_mode & 0o777 == 0o660
        assert (run / SOCKET).parent.stat().st_mode & 0o777 == 0o750


@contextmanager
def full_queue(run: Path) -> Iterator[socket.socket]:
    """An agent that others keep busy: no call has a place to wait any more."""
    (run / SOCKET).parent.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(run / SOCKET))
        listener.listen(1)
        with contextlib.suppress(BlockingIOError):
            while True:
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
                    asking.setblocking(False)
                    asking.connect(str(run / SOCKET))
        listener.settimeout(LIMIT)
        yield listener


def test_a_call_waits_for_a_place_in_a_full_queue(run: Path) -> None:
    found: list[bytes] = []
    asking = threading.Thread(target=lambda: found.append(client(run).random(8)))
    with full_queue(run) as listener:
        asking.start()
        asking.join(0.2)
        assert asking.is_alive()
        request = b""
        while not request:
            connection, _ = listener.accept()
            with connection:
                request = connection.recv(REQUEST_MAX)
                if request:
                    connection.send(success(b"8 octets"))
        asking.join(LIMIT)
    assert found == [b"8 octets"]


def test_a_queue_that_stays_full_is_named(run: Path) -> None:
    with full_queue(run), pytest.raises(KeysUnavailableError, match=r"keys\.sock: too many processes ask"):
        AgentKeys(run, patience_s=0.01).random(8)


@needs_root
def test_a_user_who_is_not_in_the_table_gets_nothing(run: Path, tmp_path: Path) -> None:
    with serving(run, FolderKeys(tmp_path)) as desk:
        (run / SOCKET).parent.chmod(0o755)
        (run / SOCKET).chmod(0o666)
        answer = as_user(NOBODY, run, b"R\x00\x08")
        assert answer.startswith(b"-KeysUnavailableError\nthe user nobody may not use the keys")
        assert desk.answered == 0


@needs_root
def test_a_user_may_do_what_the_table_says_and_no_more(
    run: Path, tmp_path: Path, triple: HeldTriple, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys_desk, "OPERATIONS", {"nobody": RANDOM})
    with serving(run, FolderKeys(tmp_path)):
        (run / SOCKET).parent.chmod(0o755)
        (run / SOCKET).chmod(0o666)
        assert as_user(NOBODY, run, b"R\x00\x08")[:1] == b"+"
        answer = as_user(NOBODY, run, b"S" + name(triple).encode() + DIGEST)
        assert answer.startswith(b"-KeysUnavailableError\nthe user nobody may not sign")


def test_clients_that_send_nothing_hold_up_nobody_of_another_user(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = iter([4711] * CLIENTS_OF_USER_MAX + [os.geteuid()] * 9)
    monkeypatch.setattr(keys_desk, "_user_of", lambda _: next(asking))
    monkeypatch.setattr(keys_desk, "_table", lambda: {4711: RANDOM, os.geteuid(): RANDOM})
    monkeypatch.setattr(keys_desk, "REQUEST_S", 600.0)
    with serving(run, FolderKeys(tmp_path)):
        silent = [connected(run) for _ in range(CLIENTS_OF_USER_MAX)]
        assert len(soon(lambda: client(run).random(8))) == 8
        for one in silent:
            one.close()


def test_more_clients_of_one_user_than_allowed_are_told_so(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys_desk, "REQUEST_S", 600.0)
    with serving(run, FolderKeys(tmp_path)):
        silent = [connected(run) for _ in range(CLIENTS_OF_USER_MAX)]
        with pytest.raises(KeysUnavailableError, match="too many calls"):
            client(run).random(8)
        silent.pop().close()
        while True:  # the agent notices the end a moment later
            try:
                assert len(client(run).random(8)) == 8
                break
            except KeysUnavailableError:
                continue
        for one in silent:
            one.close()


def test_a_client_that_sends_nothing_is_cut_off(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_desk, "REQUEST_S", 0.05)
    with serving(run, FolderKeys(tmp_path)), connected(run) as silent:
        assert silent.recv(100) == b""


def test_a_client_that_does_not_take_its_answer_loses_it(run: Path, tmp_path: Path) -> None:
    with serving(run, FolderKeys(tmp_path)):
        for _ in range(3):
            with connected(run) as one:
                one.send(b"R\x04\x00")
        assert len(client(run).random(8)) == 8


@pytest.mark.parametrize("octets", [b"\0", b"S" * 256, b"R" * 100_000], ids=["short", "long", "huge"])
def test_octets_that_are_no_call_get_an_error_and_the_next_is_served(
    run: Path, tmp_path: Path, octets: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(run, FolderKeys(tmp_path)):
        with connected(run) as one:
            one.send(octets)
            assert one.recv(4096).startswith(b"-KeysUnavailableError\nno request")
        assert len(client(run).random(8)) == 8
    assert "SSSS" not in caplog.text


def test_many_clients_at_once_are_all_served(run: Path, tmp_path: Path, triple: HeldTriple) -> None:
    results: list[bytes | TrustError] = []

    def ask() -> None:
        for _ in range(5):
            try:
                results.append(client(run).sign(name(triple), DIGEST))
            except TrustError as error:
                results.append(error)

    with serving(run, FolderKeys(tmp_path)):
        threads = [threading.Thread(target=ask) for _ in range(8)]
        for one in threads:
            one.start()
        for one in threads:
            one.join(LIMIT)
    assert [one for one in results if not isinstance(one, bytes)] == []
    assert len(results) == 40


def test_nothing_of_a_call_but_its_name_is_logged(
    run: Path, tmp_path: Path, triple: HeldTriple, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with serving(run, FolderKeys(tmp_path)):
        signature = client(run).sign(name(triple), DIGEST)
        secret = client(run).random(16)
    assert f"sign {name(triple)}" in caplog.text
    for octets in (signature, secret, DIGEST):
        assert octets.hex() not in caplog.text


def test_the_agent_needs_no_network_module() -> None:
    modules = ("ssl", "asyncio", "http", "urllib3", "lxml", "sqlite3")
    program = f"import sys, smgw.services.keys; print([one for one in {modules} if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=LIMIT)
    assert done.stdout.strip() == "[]", done.stderr
