"""`smgw update` with RAUC itself, and with every kind of bundle that it must refuse."""

import io
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from rauc_bed import Bed, Signer, unavailable
from smgw.cli import main
from smgw.cli.update import prepare
from smgw.store.lmn.store import LmnStore
from smgw.store.wan.store import WanStore
from smgw.update import facts, fetch, rauc
from smgw.update.boot_state import BootState
from smgw.update.bundle import Store
from smgw.update.stores import of_this_program
from smgw.update.trial import Phase, Result, last, pending

if why := unavailable():
    pytest.skip(why, allow_module_level=True)

KNOWN = of_this_program()


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Bed:
    return Bed(tmp_path_factory.mktemp("rauc"))


@pytest.fixture(scope="module")
def good(bed: Bed) -> Path:
    return bed.signer.bundle(bed.folder / "good.raucb", "1.1", KNOWN, b"the new system")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A gateway's state with both stores."""
    (tmp_path / "state" / "update").mkdir(parents=True)
    LmnStore.open(tmp_path / "state" / "lmn", ballast_bytes=0).close()
    WanStore.open(tmp_path / "state" / "wan").close()
    return tmp_path / "state"


@pytest.fixture
def on_a(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bed]:
    bed.put(BootState())
    with bed.booted("A", monkeypatch):
        yield bed


Update = Callable[..., int]


@pytest.fixture
def update(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Update:
    """`smgw update ACTION`, with what smgw-update.service gives it."""
    monkeypatch.setattr(prepare, "ORDER", tmp_path / "order")

    def run(action: str, source: Path | str = "", *options: str) -> int:
        (tmp_path / "order").write_text(f"{source}\n")
        opened = source.open("rb") if isinstance(source, Path) else io.BytesIO()
        with opened, monkeypatch.context() as patch:
            patch.setattr("sys.stdin", SimpleNamespace(buffer=opened))
            return main(["update", action, "--state", str(state), *options])

    return run


def test_a_good_bundle_is_copied_checked_and_noted(
    on_a: Bed, good: Path, update: Update, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert update("prepare", good) == 0
    assert capsys.readouterr().out.splitlines() == [f"fetching {good}", "installing 1.1 into slot B"]
    assert (state / "update" / "bundle.raucb").read_bytes() == good.read_bytes()
    trial = pending(state / "update")
    assert trial is not None
    assert (trial.slot, trial.version, trial.phase) == ("B", "1.1", Phase.INSTALLING)


def test_a_bundle_is_installed_tried_and_kept(
    bed: Bed,
    good: Path,
    update: Update,
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if os.geteuid() != 0:
        pytest.skip("NEEDS ROOT: RAUC mounts the bundle")
    bed.put(BootState())
    bundle = str(state / "update" / "bundle.raucb")
    with monkeypatch.context() as patch, bed.booted("A", patch):
        assert update("prepare", good) == 0
        done = rauc.run("install", bundle)
        if "loop" in done.stderr or "mount" in done.stdout:
            pytest.skip(f"no loop devices here: {done.stdout}{done.stderr}")
        assert done.returncode == 0, done.stdout + done.stderr
        assert update("installed") == 0
        assert not Path(bundle).exists()
        assert bed.slot_files["B"].read_bytes().startswith(b"the new system")
        assert bed.state == BootState(("B", "A"), (9, 3))
        capsys.readouterr()
        assert update("status") == 0
        told = capsys.readouterr().out
        assert "slot A  as written with the card; good, runs" in told
        assert "slot B  1.1, installed 20" in told
        assert "next    slot B starts with the next boot" in told
        assert "trial   1.1 is in slot B: installed" in told

    bed.put(BootState(("B", "A"), (9, 2)))  # what U-Boot writes before it starts slot B
    monkeypatch.setattr(facts, "_ready", lambda: True)
    monkeypatch.setattr("smgw.cli.update.judge.boot_id", lambda: "the next boot")
    with bed.booted("B", monkeypatch):
        monkeypatch.setattr("smgw.update.trial.WITHOUT_EMP_S", 0.0)
        assert update("prepare", good) == 2
        assert "the running version 1.1 is on trial" in capsys.readouterr().err
        assert update("judge") == 0
        assert rauc.run("status", "mark-good").returncode == 0
        assert bed.state == BootState(("B", "A"), (9, 9))
        found = last(state / "update")
        assert found is not None
        assert found.result is Result.KEPT


def test_a_version_that_is_given_up_leaves_the_old_slot_first(
    bed: Bed, update: Update, state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bed.put(BootState(("B", "A"), (9, 2)))
    (state / "update" / "trial-B.json").write_text(
        '{"version": "1.1", "boot": "before", "meters": [], "emps": [], "phase": "installed", "waits": []}'
    )
    monkeypatch.setattr(facts, "_ready", lambda: False)
    with monkeypatch.context() as patch, bed.booted("B", patch):
        patch.setattr("smgw.cli.update.judge.GIVEN_UP_S", 0.0)
        assert update("judge") == 1
        assert rauc.run("status", "mark-bad").returncode == 0
    assert bed.state.primary == "A"

    monkeypatch.setattr(facts, "_ready", lambda: True)
    with bed.booted("A", monkeypatch):
        assert update("judge") == 0
        capsys.readouterr()
        assert update("status") == 0
    told = capsys.readouterr().out
    assert "last    1.1 in slot B did not come to work, and the old version started again" in told
    assert "smgw-lmn and smgw-wan are not both ready" in told


def test_a_foreign_signature_is_refused(
    on_a: Bed, update: Update, state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = Signer(tmp_path, "somebody").bundle(tmp_path / "foreign.raucb", "1.1", KNOWN)
    assert update("prepare", foreign) == 2
    assert "the bundle is refused: its signature is by nobody whom this gateway trusts" in capsys.readouterr().err
    assert not (state / "update" / "bundle.raucb").exists()
    assert pending(state / "update") is None


@pytest.mark.parametrize("kind", ["text", "cut-off", "empty"])
def test_what_is_no_whole_bundle_is_refused(
    on_a: Bed, good: Path, update: Update, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    octets = {"text": b"no bundle\n" * 999, "cut-off": good.read_bytes()[:-100], "empty": b""}[kind]
    (tmp_path / "odd").write_bytes(octets)
    assert update("prepare", tmp_path / "odd") == 2
    assert "smgw update: the bundle is refused: this is no bundle" in capsys.readouterr().err


def test_a_bundle_for_another_board_is_refused(
    on_a: Bed, update: Update, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = on_a.signer.bundle(tmp_path / "other.raucb", "1.1", KNOWN, compatible="smgw-other")
    assert update("prepare", other) == 2
    assert "the bundle 1.1 is refused: it is for 'smgw-other', and this gateway is 'smgw-test'" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("stores", "words"),
    [
        ({**KNOWN, "lmn": Store(4, 4)}, "up to schema version 4, and the file on this card needs"),
        ({**KNOWN, "lmn": Store(9, 9)}, "there would be no way back"),
        ({}, "its manifest does not say which stores it can use"),
    ],
    ids=["older", "no-way-back", "silent"],
)
def test_a_bundle_that_does_not_fit_the_stores_is_refused(
    on_a: Bed,
    update: Update,
    stores: dict[str, Store],
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bundle = on_a.signer.bundle(tmp_path / "bundle.raucb", "0.5", stores)
    assert update("prepare", bundle) == 2
    assert words in capsys.readouterr().err


def test_a_full_card_is_said_before_anything_is_copied(
    on_a: Bed, good: Path, update: Update, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fetch, "SPARE_OCTETS", 2**60)
    assert update("prepare", good) == 2
    assert "MB are free; use a larger card" in capsys.readouterr().err


class _Handler(BaseHTTPRequestHandler):
    content = b""
    missing = 0

    def do_GET(self) -> None:
        found = self.path == "/good.raucb"
        self.send_response(200 if found else 404)
        self.send_header("Content-Length", str(len(self.content) if found else 0))
        self.end_headers()
        if found:
            self.wfile.write(self.content[: len(self.content) - self.missing])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web(good: Path) -> Iterator[str]:
    """A web server that has the good bundle."""
    _Handler.content, _Handler.missing = good.read_bytes(), 0
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_bundle_comes_from_a_web_server(on_a: Bed, good: Path, update: Update, web: str, state: Path) -> None:
    assert update("prepare", f"{web}/good.raucb") == 0
    assert (state / "update" / "bundle.raucb").read_bytes() == good.read_bytes()


def test_a_web_server_that_fails_is_named(
    on_a: Bed, update: Update, web: str, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert update("prepare", f"{web}/none.raucb") == 2
    assert f"{web}/none.raucb: the server answers 404 Not Found" in capsys.readouterr().err
    _Handler.missing = 1000
    assert update("prepare", f"{web}/good.raucb") == 2
    assert f"{web}/good.raucb: cannot be fetched" in capsys.readouterr().err
    assert update("prepare", "http://127.0.0.1:1/good.raucb") == 2
    assert "http://127.0.0.1:1/good.raucb: cannot be fetched" in capsys.readouterr().err
    assert not list((state / "update").iterdir())


@pytest.mark.parametrize("action", ["install", "status", "accept", "prepare"])
def test_a_gateway_without_rauc_says_how_it_is_updated(
    action: str, update: Update, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rauc, "CONFIGURATION", tmp_path / "none.conf")
    assert update(action, "", *(["x.raucb"] if action == "install" else [])) == 2
    told = capsys.readouterr().err
    assert "this gateway has no second system to fall back to" in told
    assert "apt-get install smgw" in told


def test_a_card_with_one_slot_cannot_be_updated(
    bed: Bed, update: Update, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "one.conf").write_text(bed.configuration.read_text().split("[slot.rootfs.1]")[0])
    monkeypatch.setattr(rauc, "CONFIGURATION", tmp_path / "one.conf")
    assert update("status") == 2
    assert "one.conf: names 1 root slots; an update needs two" in capsys.readouterr().err


def test_a_rauc_service_that_does_not_answer_is_said(
    bed: Bed, update: Update, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rauc, "CONFIGURATION", bed.configuration)
    monkeypatch.setenv("DBUS_STARTER_BUS_TYPE", "session")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
    assert update("status") == 2
    assert "RAUC does not tell its slots" in capsys.readouterr().err


def test_an_order_for_a_missing_file_is_refused(
    bed: Bed, update: Update, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rauc, "CONFIGURATION", bed.configuration)
    assert update("install", "", "/nonexistent.raucb") == 2
    assert "/nonexistent.raucb: there is no such file" in capsys.readouterr().err
