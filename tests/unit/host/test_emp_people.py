"""Who may look: this computer, or whoever knows the password; the password's file; metrics."""

import asyncio
import base64
import stat
import subprocess
import sys
from types import SimpleNamespace

import emp_process
import pytest
from emp.store.sqlite_storage import SqliteStorage
from emp.web import password
from emp.web.counters import Counters
from emp.web.guard import Guard, is_loopback
from emp.web.listener import Address, ListenError
from emp.web.password import PasswordError
from emp.web.server import HeadEnd, Settings
from emp_process import DEVICE, ENERGY, GATEWAY, POWER, content, row
from prometheus_client.parser import text_string_to_metric_families
from smgw.webservice.error import Forbidden, ServiceUnavailable, Unauthorized

SECRET = "correct horse"


def basic(secret, user="somebody"):
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


@pytest.fixture(scope="module")
def key_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("key") / "emp.password"
    password.write(file, SECRET)
    return file


@pytest.fixture(scope="module")
def locked(tmp_path_factory, key_file):
    database = tmp_path_factory.mktemp("emp") / "emp.db"
    with emp_process.inside(database, Settings(password=password.read(key_file))) as running:
        assert running.put(content(row(1, 10, -3), registers=(ENERGY, POWER))).status == 201
        yield running


def test_the_file_is_its_owners_and_holds_no_password(key_file):
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert SECRET not in key_file.read_text()
    known = password.read(key_file)
    assert not known.is_known(SECRET.encode())
    assert not known.check(b"wrong horse")
    assert known.check(SECRET.encode())
    assert known.is_known(SECRET.encode())
    assert not known.is_known(b"wrong horse")
    assert SECRET not in repr(known) + repr(vars(known))


def test_a_new_password_replaces_the_old_one(tmp_path):
    file = tmp_path / "emp.password"
    password.write(file, "first password")
    password.write(file, "second password")
    assert not password.read(file).check(b"first password")
    assert password.read(file).check(b"second password")
    assert [entry.name for entry in tmp_path.iterdir()] == ["emp.password"]


@pytest.mark.parametrize("wrong", ["", "short", "x" * 2000])
def test_a_password_too_short_or_too_long_is_refused(tmp_path, wrong):
    with pytest.raises(PasswordError, match="8 to 1024"):
        password.write(tmp_path / "emp.password", wrong)


def test_a_file_that_is_wrong_says_what_would_be_right(tmp_path, key_file):
    open_file, foreign, huge = tmp_path / "open", tmp_path / "foreign", tmp_path / "huge"
    open_file.write_text(key_file.read_text())
    open_file.chmod(0o640)
    foreign.write_text(SECRET)
    foreign.chmod(0o600)
    huge.write_text(f"scrypt$1048576$64$64${'0' * 32}${'0' * 64}")
    huge.chmod(0o600)
    for file, reason in (
        (tmp_path / "none", "emp password"),
        (open_file, "chmod 600"),
        (foreign, "holds no password's hash"),
        (huge, "scrypt numbers"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(PasswordError, match=reason) as caught:
            password.read(file)
        assert SECRET not in str(caught.value)
    with pytest.raises(PasswordError, match="No such file"):
        password.write(tmp_path / "none" / "emp.password", SECRET)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True),
        ("LOCALHOST", True), ("0.0.0.0", False), ("::", False), ("192.168.1.4", False),
        ("localhost.evil.example", False), ("", False),
    ],
)  # fmt: skip
def test_which_addresses_are_this_computers(host, expected):
    assert is_loopback(host) is expected


def asks(guard, host="127.0.0.1", local="127.0.0.1", header=None):
    headers = {"Host": host} | ({} if header is None else {"Authorization": header})
    request = SimpleNamespace(headers=headers, get_extra_info=lambda _: (local, 8081))
    asyncio.run(guard.admit(request))


def test_without_a_password_only_this_computer_reads_and_only_by_its_own_name():
    guard = Guard()
    for host in ("127.0.0.1:8081", "localhost:8081", "localhost", "[::1]:8081"):
        asks(guard, host)
    for host in ("evil.example", "evil.example:8081", "", "127.0.0.1.evil.example"):
        with pytest.raises(Forbidden, match="name"):
            asks(guard, host)
    with pytest.raises(Forbidden, match="emp password"):
        asks(guard, "192.0.2.7:8080", "192.0.2.7")


def test_with_a_password_everybody_needs_it(key_file):
    guard = Guard(password.read(key_file))
    asks(guard, "emp.example", "192.0.2.7", basic(SECRET))
    asks(guard, header=basic(SECRET, "another"))
    for header in (None, "", "Basic", "Basic !!!", "Bearer x", basic(""), basic(SECRET + "x"), "Basic " + "A" * 9000):
        with pytest.raises(Unauthorized):
            asks(guard, header=header)
    no_colon = "Basic " + base64.b64encode(SECRET.encode()).decode()
    with pytest.raises(Unauthorized):
        asks(guard, header=no_colon)
    guard.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
def test_a_page_of_another_site_changes_nothing(locked, headers):
    path = f"/cosem/ldevs/{DEVICE.uri}"
    for port in (locked.port, locked.people):
        for verb, target in (("DELETE", path), ("POST", path + "/objects/7-0100630100ff/methods/1")):
            answer = locked.ask(verb, target, b"", port=port, Authorization=basic(SECRET), **headers)
            assert answer.status == 403
    assert locked.ask("GET", path, Authorization=basic(SECRET)).status == 200


def test_many_guesses_at_once_are_put_off(key_file):
    guard = Guard(password.read(key_file))

    async def guess(number):
        request = SimpleNamespace(headers={"Authorization": basic(f"guess {number}")}, get_extra_info=lambda _: None)
        try:
            await guard.admit(request)
        except (Unauthorized, ServiceUnavailable) as error:
            return type(error)

    async def all_at_once():
        return await asyncio.gather(*[guess(number) for number in range(20)])

    outcomes = asyncio.run(all_at_once())
    assert outcomes.count(Unauthorized) == 4
    assert outcomes.count(ServiceUnavailable) == 16
    guard.close()


@pytest.mark.parametrize(
    "path",
    ["/", f"/devices/{DEVICE.uri}", f"/devices/{DEVICE.uri}.csv", "/api/keys", "/metrics", "/cosem", "/api/events"],
)
def test_people_are_asked_for_the_password(locked, path):
    answer = locked.ask("GET", path, port=locked.people)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Basic realm="EMP", charset="UTF-8"')
    assert locked.ask("GET", path, port=locked.people, Authorization=basic("wrong horse")).status == 401
    assert locked.ask("GET", path, port=locked.people, Authorization=basic(SECRET)).status == 200


def test_gateways_deliver_without_it_and_read_and_delete_with_it(locked):
    path = f"/cosem/ldevs/{DEVICE.uri}"
    assert locked.put(content(row(2, 11, -4), registers=(ENERGY, POWER))).status == 200
    assert locked.ask("GET", path).status == 401
    assert locked.ask("DELETE", path).status == 401
    assert locked.ask("POST", path + "/objects/7-0100630100ff/methods/1", b"").status == 401
    assert locked.ask("GET", path, Authorization=basic(SECRET)).status == 200


def test_a_sign_of_life_needs_no_password(locked):
    assert locked.ask("GET", "/healthz").status == 200
    assert locked.ask("GET", "/static/look.css").status == 200


def test_people_elsewhere_are_not_let_in_without_a_password(tmp_path):
    storage = SqliteStorage(tmp_path / "emp.db")

    async def start():
        head_end = HeadEnd(storage)
        try:
            await head_end.start(Address("127.0.0.1", 0), Address("0.0.0.0", 0))
        finally:
            await head_end.stop()

    try:
        with pytest.raises(ListenError, match="emp password"):
            asyncio.run(start())
    finally:
        storage.close()


def command(*arguments, **more):
    environment = {"PYTHONPATH": f"{emp_process.ROOT}/firmware:{emp_process.ROOT}/simulator-host", "PATH": ""}
    return subprocess.run(
        [sys.executable, "-m", "emp", *arguments], env=environment, capture_output=True, text=True, **more
    )


def test_the_command_takes_a_password_from_a_pipe(tmp_path):
    file = tmp_path / "emp.password"
    told = command("password", str(file), input=SECRET + "\n")
    assert told.returncode == 0
    assert SECRET not in told.stdout + told.stderr
    assert password.read(file).check(SECRET.encode())


def test_wrong_settings_are_told_without_traceback(tmp_path):
    serve = ("serve", "--listen", "127.0.0.1:0", "--db", f"{tmp_path}/emp.db")
    for arguments, reason in (
        ((*serve, "--people", "0.0.0.0:0"), "emp password FILE"),
        ((*serve, "--password", f"{tmp_path}/none"), "no such file"),
        ((*serve, "--zone", "Mars"), "is no time zone"),
        (("password", f"{tmp_path}/emp.password"), "8 to 1024"),
    ):
        told = command(*arguments, input="short\n")
        assert told.returncode == 1
        assert reason in told.stderr
        assert "Traceback" not in told.stderr


def families(emp, **headers):
    text = emp.ask("GET", "/metrics", **headers).text
    return {family.name: family for family in text_string_to_metric_families(text)}


def test_metrics_are_what_prometheus_reads(locked):
    locked.put(content(row(3, 12, -5, time_valid=False), registers=(ENERGY, POWER)))
    found = families(locked, Authorization=basic(SECRET))
    (last_seen,) = found["emp_gateway_last_seen_timestamp_seconds"].samples
    assert last_seen.labels == {"gateway": str(GATEWAY)}
    assert last_seen.value > 1_700_000_000
    assert found["emp_gateway_clock_valid"].samples[0].value == 0
    rows = {sample.labels["outcome"]: sample.value for sample in found["emp_rows_received"].samples}
    assert rows["stored"] >= 2
    assert found["emp_rows"].samples[0].value == rows["stored"]
    puts = [s for s in found["emp_http_requests"].samples if s.labels["method"] == "PUT" and s.labels["code"] == "201"]
    assert [sample.value for sample in puts] == [1]
    assert {family.type for family in found.values()} == {"counter", "gauge"}
    assert all(family.documentation for family in found.values())
    assert found["process_resident_memory_bytes"].samples[0].value > 1_000_000


def test_methods_nobody_knows_count_as_one():
    counters = Counters()
    for method in ("BREW", "WHEN", "GET"):
        counters.request("people", method, 405)
    assert counters.requests == {("people", "other", 405): 2, ("people", "GET", 405): 1}
