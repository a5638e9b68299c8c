"""Updates of the emulated board: cut off by a power cut, then kept. Readings and configuration stay.

The tests follow one board through its life, so they run in the order in which they stand here.
"""

import json
import shutil
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from board_machine import HOST, ROOT, BoardMachine, image
from emp.web.server import Settings
from emp_process import inside
from host_head import HostHead
from time_server import TimeServer

sys.path.insert(0, str(ROOT / "hw/image"))
import bundle
import debian

if why := debian.missing(bundle._TOOLS):
    pytest.skip(why, allow_module_level=True)

_GATEWAY = """
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
_ROWS = """
import json, sqlite3
store = sqlite3.connect("file:/var/lib/smgw/lmn/lmn.db?mode=ro", uri=True)
own = bytes(store.execute("SELECT store_id FROM store").fetchone()[0]).hex()
print(json.dumps([own, [number for number, in store.execute("SELECT number FROM capture")]]))
"""


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class Life:
    """A board with a meter and an EMP, and a web server that has bundles."""

    def __init__(self, folder: Path, emp: int) -> None:
        self.folder = folder
        source = image()
        self.root = source.parent / "root.ext4"
        self.board = BoardMachine(source, folder / "board")
        self.head = HostHead(5.0)
        self.time_server = TimeServer()
        self.web = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(folder)))
        threading.Thread(target=self.web.serve_forever, daemon=True).start()
        self.configuration = _GATEWAY.format(host=HOST, ntp=self.time_server.port, emp=emp)
        self.board.write_card({"gateway.toml": self.configuration, "authorized_keys": self.board.public_key})
        self.committed: set[int] = set()
        self.store = ""

    def close(self) -> None:
        self.board.cut_power()
        self.web.shutdown()
        self.web.server_close()
        self.head.close()
        self.time_server.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def bundle(self, version: str) -> str:
        """The URL of a bundle of this image."""
        url = f"http://{HOST}:{self.web.server_address[1]}/{version}.raucb"
        if (self.folder / f"{version}.raucb").exists():
            return url
        bundle.pack(self.root, self.folder / f"{version}.raucb", version, level=1)
        return url

    def boot(self) -> None:
        self.board.boot(*self.board.heads({"HEAD01": self.head.path}))

    def boot_id(self) -> str:
        return self.board.try_run("cat", "/proc/sys/kernel/random/boot_id").stdout

    def rows(self) -> tuple[str, set[int]]:
        """The id of the store, and the numbers of its rows."""
        store, numbers = json.loads(self.board.run("python3", "-", given=_ROWS))
        return store, set(numbers)

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.board.run("smgw", "update", "status", "--json")))

    def delivers(self) -> bool:
        """Whether the EMP took rows, and waits for none longer than usual."""
        (found,) = json.loads(self.board.try_run("smgw", "status", "--json").stdout or '{"emps": [{}]}')["emps"]
        return found.get("acknowledged", 0) > 0 and found["state"] in ("idle", "delivering")

    def settled(self) -> bool:
        """Whether the running slot is good, and no unit of an update does anything."""
        if self.board.try_run("systemctl", "is-active", "smgw-update-good", "smgw-update-mark").stdout.split() != [
            *("inactive", "inactive")
        ]:
            return False
        found = self.status()
        return found["trial"] is None and any(slot["booted"] and slot["good"] for slot in found["slots"])

    def everything_stays(self) -> None:
        """No row that was committed is gone, the store is the same, more is read, and so is the configuration."""
        store, numbers = self.rows()
        assert store == (self.store or store)
        assert not self.committed - numbers
        self.board.until(lambda: len(self.rows()[1]) > len(numbers))
        self.store, self.committed = self.rows()
        self.board.until(self.delivers)
        assert self.board.run("cat", "/etc/smgw/gateway.toml") == self.configuration


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    folder = tmp_path_factory.mktemp("update")
    with inside(folder / "emp.db", Settings(names=(HOST,))) as emp:
        running = Life(folder, emp.port)
        try:
            yield running
        finally:
            running.close()


def test_the_card_starts_from_slot_a_and_counts_it_as_good(life: Life) -> None:
    life.boot()
    life.board.until(life.settled)
    found = life.status()
    assert (found["booted"], found["next"], found["trial"], found["last"]) == ("A", "A", None, None)
    life.everything_stays()


def test_a_power_cut_in_the_middle_of_an_update_leaves_the_system_that_runs(life: Life) -> None:
    url = life.bundle("2.0.0")
    life.board.run("systemd-run", "--no-block", "--unit=order", "smgw", "update", "install", url)
    life.board.until(lambda: "Copying image" in life.board.try_run("cat", "/run/smgw-update/log").stdout)
    life.store, life.committed = life.rows()
    life.board.cut_power()
    life.boot()
    life.board.until(life.settled)
    found = life.status()
    assert (found["booted"], found["next"], found["last"]["result"]) == ("A", "A", "interrupted")
    life.everything_stays()


def test_an_update_is_installed_tried_and_kept(life: Life) -> None:
    url = life.bundle("2.0.0")
    life.board.run("smgw", "update", "install", url, seconds=3600)
    found = life.status()
    assert (found["booted"], found["next"], found["trial"]["phase"]) == ("A", "B", "installed")
    assert (found["trial"]["meters"], found["trial"]["emps"]) == (["house"], ["utility"])
    before = life.boot_id()
    life.store, life.committed = life.rows()
    life.board.try_run("systemctl", "reboot")
    life.board.until(lambda: life.boot_id() not in ("", before))
    life.board.until(life.settled)
    found = life.status()
    assert (found["booted"], found["next"], found["last"]["result"]) == ("B", "B", "kept")
    assert next(slot["version"] for slot in found["slots"] if slot["name"] == "B") == "2.0.0"
    life.everything_stays()
