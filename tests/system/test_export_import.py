"""The backlog carried by hand; the head-end's store copied and put back while it runs; what a supporter gets."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import testbed
from captures_made import BOOT, DEVICE, HOUSE, MIDNIGHT, SECOND, capture
from emp.store.sqlite_storage import SqliteView
from emp_process import Emp, content, row, running
from smgw.cosem import ClockState, Stamp
from smgw.store import paths
from smgw.store.file.log_book import Level
from smgw.store.lmn.store import LmnStore
from smgw.store.records import Record
from smgw.store.wan.store import WanStore
from smgw.trust.names import gateway as named
from trial_pki import EMT, OTHER_EMT, session_pki

ROWS = 1234
SECRET = "open sesame"
BARE = "not sealed: whoever has the file can read it"
CONFIGURATION = """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "sml-poll"
port = "/nowhere/head"
registration_period = 0
username = "reader"
password_file = "house.password"
[[emp]]
name = "lab"
url = "http://127.0.0.1:1"
insecure = true
"""


class Gateway:
    """A gateway with rows that nobody fetched."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config, self.state = folder / "gateway.toml", folder / "state"
        self.config.write_text(CONFIGURATION)
        (folder / "house.password").write_text(SECRET)
        (folder / "house.password").chmod(0o600)
        self.state.mkdir()
        with LmnStore.open(paths.lmn_directory(self.state)) as store:
            self.store_id = store.store_id
            store.append([Record(capture(MIDNIGHT + number * SECOND)) for number in range(ROWS)])
            stamp = Stamp(BOOT, 1, MIDNIGHT, 1, ClockState.INVALID)
            store.log("test", Level.INFO, f"the password is {SECRET}, the meter {DEVICE}", stamp)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return called(self.folder, "smgw", *arguments, "--config", str(self.config), "--state", str(self.state))

    def acknowledged(self, position: int) -> None:
        with WanStore.open(paths.wan_directory(self.state)) as store:
            store.acknowledge("lab", self.store_id, HOUSE, position, position)


def called(folder: Path, program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", program, *arguments]
    return subprocess.run(command, env=testbed.surroundings(), cwd=folder, capture_output=True, text=True, timeout=120)


def held(database: Path) -> dict[str, tuple[int, tuple[tuple[int, int], ...]]]:
    """Store id -> rows, ranges of their numbers."""
    view = SqliteView(database)
    try:
        return {found.store_id: (found.records, found.ranges) for found in view.keys()}  # noqa: SIM118 - not a dict
    finally:
        view.close()


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


def test_what_waits_goes_into_a_file_and_from_there_into_the_store(gateway: Gateway, tmp_path: Path) -> None:
    gateway.acknowledged(234)
    done = gateway.run("export", str(tmp_path / "stick.zip"))
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        f"{tmp_path}/stick.zip: 1000 rows for EMP lab, {BARE}\n",
        "",
    )
    for _ in range(2):  # the second time changes nothing
        done = called(tmp_path, "emp", "import", "stick.zip", "--db", "emp.db")
        assert done.returncode == 0, done.stderr
        assert held(tmp_path / "emp.db") == {gateway.store_id: (1000, ((235, ROWS),))}


def test_a_running_head_end_takes_the_parcel_over_http(gateway: Gateway, tmp_path: Path) -> None:
    gateway.run("export", "--all", "stick.zip")
    with running(tmp_path / "emp.db") as emp:
        done = called(tmp_path, "emp", "import", "stick.zip", "--db", "emp.db")
        assert done.returncode == 1
        assert "another emp serve uses it" in done.stderr
        done = called(tmp_path, "emp", "import", "stick.zip", "--url", f"http://127.0.0.1:{emp.port}")
        assert done.returncode == 0, done.stderr
        assert held(tmp_path / "emp.db") == {gateway.store_id: (ROWS, ((1, ROWS),))}


def test_an_export_counts_nothing_as_delivered(gateway: Gateway, tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        assert f"{ROWS} rows" in gateway.run("export", name).stdout


def test_a_parcel_that_is_not_whole_is_refused_before_anything_is_kept(gateway: Gateway, tmp_path: Path) -> None:
    gateway.run("export", "stick.zip")
    whole = (tmp_path / "stick.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("hello.txt", "no parcel")
    for name in ("cut.zip", "other.zip", "absent.zip"):
        done = called(tmp_path, "emp", "import", name, "--db", "emp.db")
        assert done.returncode == 1
        assert name in done.stderr
        assert "Traceback" not in done.stderr
        assert held(tmp_path / "emp.db") == {}


def test_an_export_that_finds_no_room_leaves_no_file(gateway: Gateway, tmp_path: Path) -> None:
    done = gateway.run("export", "/dev/full/stick.zip")
    assert done.returncode == 2
    assert "name a file where you may write" in done.stderr
    assert list(tmp_path.glob("*.part")) == []


def test_a_parcel_for_nobody_says_who_there_is(gateway: Gateway) -> None:
    done = gateway.run("export", "--emp", "utility", "stick.zip")
    assert (done.returncode, 'no EMP has the name "utility"; write --emp lab' in done.stderr) == (2, True)


def secured(gateway: Gateway, more: str = "") -> Path:
    """The same gateway with CMS for its EMP, whose trust folder is returned."""
    pki, own = session_pki(), named("ESMG0000000001")
    pki.write_gateway(gateway.state / "trust", own)
    text = CONFIGURATION.replace("insecure = true", f'participant = "{EMT.owner}"{more}').replace("http:", "https:")
    gateway.config.write_text(text)
    return pki.write_emp(gateway.folder / "trust", gateways=(own,))


def test_a_sealed_file_is_read_by_its_emp_only_and_each_row_once(gateway: Gateway, tmp_path: Path) -> None:
    trust = secured(gateway)
    other = session_pki().write_emp(tmp_path / "other", OTHER_EMT, gateways=(named("ESMG0000000001"),))
    done = gateway.run("export", "stick.zip")
    assert (done.returncode, done.stdout) == (0, f"stick.zip: {ROWS} rows for EMP lab, sealed: only lab can read it\n")
    assert DEVICE.uri.encode() not in (tmp_path / "stick.zip").read_bytes()
    done = called(tmp_path, "emp", "import", "stick.zip", "--db", "emp.db")
    assert (done.returncode, "is sealed; name the trust folder" in done.stderr) == (1, True)
    done = called(tmp_path, "emp", "import", "stick.zip", "--db", "emp.db", "--trust", str(other))
    assert (done.returncode, "0000001.p7m: CMS message: it is sealed for" in done.stderr) == (1, True)
    assert held(tmp_path / "emp.db") == {}
    for _ in range(2):
        done = called(tmp_path, "emp", "import", "stick.zip", "--db", "emp.db", "--trust", str(trust))
        assert done.returncode == 0, done.stderr
        assert held(tmp_path / "emp.db") == {gateway.store_id: (ROWS, ((1, ROWS),))}


def test_a_sealed_file_goes_under_pseudonyms_too(gateway: Gateway, tmp_path: Path) -> None:
    trust = secured(gateway, "\npseudonym_days = 30")
    gateway.acknowledged(234)
    done = gateway.run("export", "--all", "stick.zip")
    assert (done.returncode, "leave --all out" in done.stderr) == (2, True)
    for _ in range(2):
        assert gateway.run("export", "stick.zip").returncode == 0
        done = called(tmp_path, "emp", "import", "stick.zip", "--db", "emp.db", "--trust", str(trust))
        assert done.returncode == 0, done.stderr
    ((store_id, found),) = held(tmp_path / "emp.db").items()
    assert (store_id != gateway.store_id, found) == (True, (1000, ((1, 1000),)))


def put(emp: Emp, first: int, last: int) -> None:
    answer = emp.put(content(*(row(number, number) for number in range(first, last + 1))))
    assert answer.status in (200, 201), answer.text


def test_a_copy_made_while_the_server_writes_is_put_back_while_it_runs(tmp_path: Path) -> None:
    with running(tmp_path / "emp.db") as emp:
        put(emp, 1, 50)
        done = called(tmp_path, "emp", "backup", "copy.db", "--db", "emp.db")
        assert (done.returncode, done.stdout) == (0, "copy.db: 50 rows of emp.db\n"), done.stderr
        put(emp, 51, 100)
        done = called(tmp_path, "emp", "restore", "copy.db", "--db", "emp.db")
        assert done.returncode == 0, done.stderr
        assert "50 rows restored" in done.stdout
        ((records, ranges),) = held(tmp_path / "emp.db").values()
        assert (records, ranges) == (50, ((1, 50),))
        put(emp, 40, 60)  # the server goes on with what was restored, not with what it remembers
        ((records, ranges),) = held(tmp_path / "emp.db").values()
        assert (records, ranges) == (60, ((1, 60),))
    ((records, _),) = held(tmp_path / "emp.db.before-restore").values()
    assert records == 100


def test_a_copy_of_an_empty_store_makes_the_server_forget_gateways_and_devices(tmp_path: Path) -> None:
    with running(tmp_path / "emp.db") as emp:
        assert called(tmp_path, "emp", "backup", "empty.db", "--db", "emp.db").returncode == 0
        put(emp, 1, 10)
        assert called(tmp_path, "emp", "restore", "empty.db", "--db", "emp.db").returncode == 0
        assert held(tmp_path / "emp.db") == {}
        put(emp, 1, 10)
        ((records, _),) = held(tmp_path / "emp.db").values()
        assert records == 10


def test_a_damaged_copy_is_refused_and_the_store_stays(tmp_path: Path) -> None:
    with running(tmp_path / "emp.db") as emp:
        put(emp, 1, 50)
        called(tmp_path, "emp", "backup", "copy.db", "--db", "emp.db")
        damaged = bytearray((tmp_path / "copy.db").read_bytes())
        damaged[8192:30000] = bytes(30000 - 8192)
        (tmp_path / "copy.db").write_bytes(damaged)
        done = called(tmp_path, "emp", "restore", "copy.db", "--db", "emp.db")
        assert (done.returncode, "is damaged" in done.stderr) == (1, True)
        ((records, _),) = held(tmp_path / "emp.db").values()
        assert records == 50


def texts_of(bundle: Path) -> dict[str, str]:
    with tarfile.open(bundle) as archive:
        files = [(entry.name.partition("/")[2], archive.extractfile(entry)) for entry in archive]
        return {name: file.read().decode() for name, file in files if file is not None}


def test_a_support_bundle_tells_all_but_secrets(gateway: Gateway, tmp_path: Path) -> None:
    gateway.config.write_text(CONFIGURATION + '# password = "hunter2"\n# proxy = "http://me:mine@192.0.2.1"\n')
    done = gateway.run("support-bundle", "bundle.tar.gz")
    assert done.returncode == 0, done.stderr
    texts = texts_of(tmp_path / "bundle.tar.gz")
    everything = "\n".join(texts.values())
    for secret in (SECRET, SECRET.encode().hex(), "hunter2", "me:mine"):
        assert secret not in everything
    assert (tmp_path / "bundle.tar.gz").stat().st_mode & 0o777 == 0o600
    assert 'password_file = "house.password"' in texts["gateway.toml"]
    assert str(DEVICE) in texts["log.txt"]
    assert f"house record {ROWS} device {bytes(DEVICE).hex()}" in texts["captures.txt"]
    assert "1-0:1.8.0*255 scaler -1 unit 30 LONG64_UNSIGNED 00" in texts["captures.txt"]
    assert {"versions.txt", "status.json", "journal.txt", "check.txt", "devices.txt", "services.txt"} <= texts.keys()


def test_ids_are_left_out_on_request_and_still_told_apart(gateway: Gateway, tmp_path: Path) -> None:
    assert gateway.run("support-bundle", "--redact-ids", "bundle.tar.gz").returncode == 0
    texts = texts_of(tmp_path / "bundle.tar.gz")
    everything = "\n".join(texts.values())
    for name in (str(DEVICE), str(DEVICE).lower(), bytes(DEVICE).hex(), "ESMG0000000001"):
        assert name not in everything
    assert "device device-2" in texts["captures.txt"]
    assert 'device_id = "device-1"' in texts["gateway.toml"]


def test_a_support_bundle_of_a_broken_gateway_says_what_is_broken(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text("[gateway]\n")
    command = ["support-bundle", "b.tar.gz", "--config", "gateway.toml", "--state", "nowhere"]
    done = called(tmp_path, "smgw", *command)
    assert done.returncode == 0, done.stderr
    texts = texts_of(tmp_path / "b.tar.gz")
    assert "device_id" in texts["check.txt"]
    assert "there is no database" in texts["captures.txt"] or "nowhere" in texts["captures.txt"]
