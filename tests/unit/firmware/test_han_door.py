"""Who may ask: logins by password and by certificate, replays, locks."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from han_login import FakeClock, add_certificate, add_consumer, authorization, challenge_of, door_of
from han_server import ECHO, Running, echo, serving, status
from smgw.clock import GatewayClock
from smgw.han.exchange import Role, View
from smgw.han.locks import FIRST_S, OF_ACCOUNT, OF_ADDRESS, Locks
from smgw.store.han.accounts import remove_account
from smgw.trust.han_tls import learn, own_files, server_context
from smgw.trust.self_signed import write_self_signed

_OWN = View("own", ("/",), Role.CONSUMER, echo, "")
_SERVICE = View("service", ("/service/",), Role.TECHNICIAN, echo, "")
_BEGINS_S = 1_780_000_000


@pytest.fixture
def notes() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server(tmp_path: Path, notes: list[tuple[str, str]], clock: FakeClock) -> Iterator[Running]:
    """With a consumer anna."""
    add_consumer(tmp_path, "anna", "right")
    with door_of(tmp_path, notes, clock) as door, serving([_OWN, _SERVICE], door) as running:
        yield running


def _login(server: Running, password: str, name: str = "anna", algorithm: str = "SHA-256", target: str = "/") -> bytes:
    challenge = challenge_of(server.get(target), algorithm)
    return server.get(target, authorization(challenge, name, password, target))


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_the_right_password_opens(server: Running, algorithm: str) -> None:
    told = _login(server, "right", algorithm=algorithm)
    assert status(told) == 200
    assert told.endswith(b"Who(role=<Role.CONSUMER: 'con'>, name='anna')")


def test_a_login_is_noted_once(server: Running, notes: list[tuple[str, str]]) -> None:
    for _ in range(3):
        _login(server, "right")
    assert notes == [("login-made", "anna logged in from 127.0.0.1 (password, SHA-256)")]


@pytest.mark.parametrize(("name", "password"), [("anna", "wrong"), ("berta", "right"), ("anna", "")])
def test_a_wrong_login_gets_a_new_challenge_in_the_same_words(server: Running, name: str, password: str) -> None:
    first = server.get("/")
    told = _login(server, password, name)
    assert told.partition(b"\r\n\r\n")[2] == first.partition(b"\r\n\r\n")[2]
    assert challenge_of(told).get("stale") is None


def test_a_login_cannot_be_replayed(server: Running) -> None:
    line = authorization(challenge_of(server.get("/")), "anna", "right")
    assert status(server.get("/", line)) == 200
    told = server.get("/", line)
    assert status(told) == 401
    assert challenge_of(told)["stale"] == "true"


def test_a_login_is_for_its_address_and_method_alone(server: Running) -> None:
    line = authorization(challenge_of(server.get("/")), "anna", "right", "/one")
    assert status(server.get("/two", line)) == 401
    assert status(server.get("/one", line, method="POST")) == 401
    assert status(server.get("/one", line)) == 200


def test_an_old_nonce_gets_a_fresh_one_without_asking_the_person(server: Running, clock: FakeClock) -> None:
    line = authorization(challenge_of(server.get("/")), "anna", "right")
    clock.pass_(301)
    told = server.get("/", line)
    assert challenge_of(told)["stale"] == "true"
    assert status(server.get("/", authorization(challenge_of(told), "anna", "right"))) == 200


def test_wrong_logins_lock_and_the_answer_says_when_it_opens(
    server: Running, notes: list[tuple[str, str]], clock: FakeClock
) -> None:
    for _ in range(OF_ACCOUNT - 1):
        assert status(_login(server, "wrong")) == 401
    locking = _login(server, "wrong")
    assert status(locking) == 403
    assert b"\r\nRetry-After: 300\r\n" in locking
    assert b"opens again at " in locking
    assert status(_login(server, "right")) == 403
    assert [event for event, _ in notes] == ["login-failed"] * (OF_ACCOUNT - 1) + ["login-locked"]
    clock.pass_(FIRST_S)
    assert status(_login(server, "right")) == 200


def test_a_lock_is_for_the_account_and_the_address() -> None:
    locks = Locks(clock := FakeClock())
    assert [locks.failed("anna", "a") for _ in range(OF_ACCOUNT)][-1] == FIRST_S
    assert locks.seconds("anna", "a") == FIRST_S
    assert locks.seconds("anna", "b") == locks.seconds("berta", "a") == 0
    clock.pass_(FIRST_S)
    assert [locks.failed("anna", "a") for _ in range(OF_ACCOUNT)][-1] == 2 * FIRST_S


def test_an_address_that_tries_many_names_is_locked() -> None:
    locks = Locks(FakeClock())
    for number in range(OF_ADDRESS):
        locks.failed(f"name{number}", "a")
    assert locks.seconds("anna", "a") == FIRST_S
    assert locks.seconds("anna", "b") == 0


def test_what_is_remembered_of_wrong_logins_is_bounded() -> None:
    locks = Locks(FakeClock())
    for number in range(5000):
        locks.failed("anna", f"peer{number}")
    assert len(locks._wrong) <= 4097


def test_a_removed_account_ends_at_once(server: Running, tmp_path: Path) -> None:
    assert status(_login(server, "right")) == 200
    remove_account(tmp_path, "con", "anna", "removed", GatewayClock().stamp())
    assert status(_login(server, "right")) == 401


def test_an_account_of_another_gateway_id_does_not_open(tmp_path: Path) -> None:
    """The realm is part of the hash, so the password must be made anew."""
    add_consumer(tmp_path, "anna", "right")
    with door_of(tmp_path) as door:
        assert door._accounts.secret("anna", "MD5")
        door._accounts._realm = "esmg0000000002"
        door._accounts._read()
        assert not door._accounts.secret("anna", "MD5")


def test_a_technician_needs_a_certificate_and_no_password_helps(server: Running) -> None:
    told = server.get("/service/x")
    assert status(told) == 403
    assert b"WWW-Authenticate" not in told
    line = authorization(challenge_of(server.get("/")), "anna", "right", "/service/x")
    assert status(server.get("/service/x", line)) == 403


def _certificate(folder: Path, name: str) -> bytes:
    return write_self_signed(own_files(folder), name, "p256", _BEGINS_S).der


_NEEDS_CURL = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed: tests/system-packages.sh")


def _curl(server: Running, path: str, *arguments: str) -> int:
    command = [
        "curl",
        "-sk",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        f"https://127.0.0.1:{server.port}{path}",
        *arguments,
    ]
    return int(subprocess.run(command, capture_output=True, text=True, check=False).stdout)


def _as(folder: Path) -> tuple[str, ...]:
    return "--cert", str(folder / "tls.crt"), "--key", str(folder / "tls.key")


@_NEEDS_CURL
def test_certificates_open_what_is_theirs(tmp_path: Path) -> None:
    """By curl: the technician's part with a technician's certificate, the consumer's with a consumer's."""
    _certificate(tmp_path / "own", "esmg0000000001.smgw")
    for role, name in ((Role.TECHNICIAN, "theo"), (Role.CONSUMER, "anna")):
        add_certificate(tmp_path, role, name, _certificate(tmp_path / name, name))
    _certificate(tmp_path / "stranger", "theo")
    context = server_context(own_files(tmp_path / "own"))
    with (
        door_of(tmp_path, pinned=lambda ders: learn(context, ders)) as door,
        serving([_OWN, _SERVICE, ECHO._replace(prefixes=("/open/",))], door, context) as server,
    ):
        assert _curl(server, "/service/", *_as(tmp_path / "theo")) == 200
        assert _curl(server, "/", *_as(tmp_path / "anna")) == 200
        assert _curl(server, "/service/", *_as(tmp_path / "anna")) == 403
        assert _curl(server, "/", *_as(tmp_path / "theo")) == 403
        assert _curl(server, "/open/", *_as(tmp_path / "stranger")) == 0  # no connection
        assert _curl(server, "/open/") == 200


@_NEEDS_CURL
@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_curl_logs_in_with_either_algorithm(tmp_path: Path, algorithm: str) -> None:
    """An independent client; it takes SHA-256 by itself, and MD5 where it is offered alone."""
    add_consumer(tmp_path, "anna", "right-pass")
    _certificate(tmp_path / "own", "esmg0000000001.smgw")
    notes: list[tuple[str, str]] = []
    with door_of(tmp_path, notes) as door:
        if algorithm == "MD5":
            whole = door._challenge
            door._challenge = lambda *a, **k: (one := whole(*a, **k))._replace(lines=one.lines[1:])  # type: ignore[method-assign]
        with serving([_OWN], door, server_context(own_files(tmp_path / "own"))) as server:
            assert _curl(server, "/a?b=1", "--digest", "-u", "anna:right-pass") == 200
            assert _curl(server, "/a?b=1", "--digest", "-u", "anna:right-pass", "-d", "x=1") == 200
            assert _curl(server, "/a", "--digest", "-u", "anna:wrong") == 401
    assert notes[0] == ("login-made", f"anna logged in from 127.0.0.1 (password, {algorithm})")
