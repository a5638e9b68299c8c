"""The log books tell which profiles are new, changed or gone since the process ran the last time."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from captures_made import BOOT
from smgw.cosem import ClockState, Stamp
from smgw.profiles.gateway import Configuration
from smgw.profiles.toml_importer import load
from smgw.reports.running import note_running
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView

STAMP = Stamp(BOOT, 0, 0, 0, ClockState.SYNCHRONISED)
METER = '[[meter]]\nname = "{}"\nprotocol = "sml-push"\nport = "/dev/{}"\n'
EVALUATION = '[[evaluation]]\nname = "bill"\ntaf = 1\nmeters = ["house"]\nconsumer = "anna"\n'


def configured(folder: Path, *meters: str, text: str = "") -> Configuration:
    file = folder / "gateway.toml"
    emp = '[[emp]]\nname = "north"\nurl = "http://127.0.0.1:9"\ninsecure = true\n'
    parts = [METER.format(name, name) for name in meters]
    file.write_text('[gateway]\ndevice_id = "EXXX0012345678"\n' + "".join(parts) + emp + text)
    return load(file)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmnStore]:
    with LmnStore.open(tmp_path, ballast_bytes=0) as opened:
        yield opened


def told(directory: Path, book: str = "system") -> list[tuple[str, str]]:
    with LmnView.open(directory) as view:
        return [(entry.event, entry.identity) for entry in view.log_entries(100, book)]


def test_new_changed_and_gone_profiles_are_told_once(tmp_path: Path, store: LmnStore) -> None:
    first = configured(tmp_path, "house", "yard")
    for _ in range(2):
        note_running(store, first, STAMP, ("gateway", "meter"))
    assert told(tmp_path) == [(("profile-installed"), name) for name in ("gateway", "house", "yard")]
    changed = configured(tmp_path, "house", text="").meters[0]._replace(silence=99)
    second = configured(tmp_path, "house")._replace(meters=(changed,))
    note_running(store, second, STAMP, ("gateway", "meter"))
    assert told(tmp_path)[3:] == [("profile-changed", "house"), ("profile-ended", "yard")]
    assert told(tmp_path, "calibration") == told(tmp_path)


def test_the_consumer_of_a_meter_gets_what_concerns_it(tmp_path: Path, store: LmnStore) -> None:
    configuration = configured(tmp_path, "house", "yard", text=EVALUATION)
    note_running(store, configuration, STAMP, ("meter",))
    assert told(tmp_path, "consumer anna") == [("profile-installed", "house")]


def test_another_process_tells_of_emps(tmp_path: Path, store: LmnStore) -> None:
    note_running(store, configured(tmp_path, "house"), STAMP, ("EMP",))
    assert told(tmp_path) == [("profile-installed", "north")]
