"""Export archives: under pseudonyms, sealed, and of quarantined rows."""

from pathlib import Path

import pytest
from captures_made import DEVICE, HOUSE, MIDNIGHT, SECOND, capture
from delivering import GATEWAY
from line_meter import Clock
from small_emp import SmallEmp
from smgw.cli import main
from smgw.cosemxml import document
from smgw.cosemxml.document import Document
from smgw.errors import SmgwError
from smgw.profiles.feed import grants
from smgw.profiles.gateway import Configuration
from smgw.profiles.toml_importer import load
from smgw.reports.export import Exported, Which, export
from smgw.store import paths
from smgw.store.errors import StoreAbsent
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import Record
from smgw.store.wan.records import SetAside
from smgw.store.wan.store import WanStore
from smgw.trust.errors import TrustError
from smgw.wan.dispatcher import Dispatcher
from smgw.wan.outlet import Surroundings, open_outlet
from smgw.webservice.parcel import unpack
from trusted_emp import GATEWAY_ID, Trial

DAY = 86_400 * SECOND
TEXT = """\
[gateway]
device_id = "{gateway}"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/null"
[[emp]]
name = "demo"
url = "{url}"
insecure = true
forward = "immediate"
pseudonym_days = 1
"""


def configured(state: Path, url: str = "http://127.0.0.1:9") -> Configuration:
    file = state / "gateway.toml"
    file.write_text(TEXT.format(gateway=GATEWAY, url=url))
    return load(file)


def fill(state: Path, first: int, count: int) -> None:
    with LmnStore.open(paths.lmn_directory(state), ballast_bytes=0) as store:
        store.append([
            Record(capture(MIDNIGHT + at * 900 * SECOND), MIDNIGHT + at * 900 * SECOND)
            for at in range(first, first + count)
        ])  # fmt: skip


def written(configuration: Configuration, state: Path) -> list[Document]:
    file = state / "stick.zip"
    export(configuration, state, configuration.emps[0], file, Surroundings())
    return [document.decode(one.octets) for one in unpack(file)]


def deliver(configuration: Configuration, state: Path) -> None:
    (profile,) = configuration.emps
    with WanStore.open(paths.wan_directory(state)) as store:
        dispatcher = Dispatcher(
            profile,
            grants(configuration),
            open_outlet(GATEWAY, profile),
            store,
            lambda: LmnView.open(paths.lmn_directory(state)),
            Clock().stamp,
        )
        dispatcher.deliver_once()


def keys(documents: list[Document]) -> list[tuple[str, int]]:
    return [(one.store_id, row.record_number) for one in documents for row in one.rows]


def test_exported_rows_have_the_names_and_numbers_of_their_delivery(tmp_path: Path) -> None:
    with SmallEmp() as emp:
        configuration = configured(tmp_path, emp.url)
        fill(tmp_path, 0, 50)
        deliver(configuration, tmp_path)
        fill(tmp_path, 50, 100)
        on_stick = written(configuration, tmp_path)
        assert all(one.device.is_pseudonym and one.gateway == one.device for one in on_stick)
        assert DEVICE not in {one.device for one in on_stick}
        fill(tmp_path, 150, 10)
        assert keys(written(configuration, tmp_path))[:100] == keys(on_stick)
        deliver(configuration, tmp_path)
        assert list(emp.kept)[50:150] == keys(on_stick)
        assert [number for _, number in list(emp.kept)[96:98]] == [1, 2]
        assert written(configuration, tmp_path) == []


def test_all_rows_are_not_exported_under_pseudonyms(tmp_path: Path) -> None:
    configuration = configured(tmp_path)
    fill(tmp_path, 0, 2)
    with pytest.raises(SmgwError, match="would get those rows a second time; leave --all out"):
        export(configuration, tmp_path, configuration.emps[0], tmp_path / "stick.zip", Surroundings(), Which.ALL)
    assert not (tmp_path / "stick.zip").exists()


def test_without_a_wan_db_no_number_can_be_noted(tmp_path: Path) -> None:
    configuration = configured(tmp_path)
    fill(tmp_path, 0, 2)
    with pytest.raises(StoreAbsent, match="smgw wan makes it"):
        export(configuration, tmp_path, configuration.emps[0], tmp_path / "stick.zip", Surroundings())
    assert [file.name for file in tmp_path.glob("stick*")] == []


def test_a_row_that_was_delivered_in_the_meantime_is_left_out(tmp_path: Path) -> None:
    configuration = configured(tmp_path)
    fill(tmp_path, 0, 3)
    with WanStore.open(paths.wan_directory(tmp_path)) as store, LmnView.open(paths.lmn_directory(tmp_path)) as view:
        store.acknowledge("demo", view.store_id, HOUSE, 2, 2)
    assert [row.target_time_us for one in written(configuration, tmp_path) for row in one.rows] == [
        MIDNIGHT + 1800 * SECOND
    ]


SEALED = """\
[gateway]
device_id = "{gateway}"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/null"
[[emp]]
name = "demo"
participant = "Stadtwerke"
url = "https://emp.example.org"
cms = "{suite}"
"""


def sealed_for_emt(state: Path, suite: str = "aes-128-gcm") -> Configuration:
    file = state / "gateway.toml"
    file.write_text(SEALED.format(gateway=GATEWAY_ID, suite=suite))
    return load(file)


@pytest.mark.parametrize("suite", ["aes-128-gcm", "aes-128-cbc-cmac"])
def test_an_archive_for_an_emp_with_cms_is_sealed(tmp_path: Path, suite: str) -> None:
    trial = Trial(tmp_path)
    configuration = sealed_for_emt(tmp_path, suite)
    fill(tmp_path, 0, 1200)
    file = tmp_path / "stick.zip"
    done = export(configuration, tmp_path, configuration.emps[0], file, trial.surroundings())
    assert done == Exported(1200, 0, True)
    opened, opening = [], trial.opening()
    for packed in unpack(file):
        assert packed.sealed
        opened.append(document.decode(opening(packed.octets)))
    assert [len(one.rows) for one in opened] == [500, 500, 200]
    assert {one.gateway for one in opened} == {GATEWAY_ID}
    octets = file.read_bytes()
    for text in (
        b"ldev",
        bytes(DEVICE),
        DEVICE.uri.encode(),
        bytes(DEVICE).hex().encode(),
        opened[0].store_id.encode(),
    ):
        assert text not in octets


def test_without_a_certificate_of_the_emp_there_is_no_archive(tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    trial.forget_peer()
    configuration = sealed_for_emt(tmp_path)
    fill(tmp_path, 0, 2)
    with pytest.raises(TrustError, match=r"no certificate ENC of Stadtwerke\.EMT here"):
        export(configuration, tmp_path, configuration.emps[0], tmp_path / "stick.zip", trial.surroundings())
    assert list(tmp_path.glob("stick*")) == []


def test_with_cms_off_or_plain_http_the_archive_is_bare(tmp_path: Path) -> None:
    configuration = sealed_for_emt(tmp_path, "off")
    fill(tmp_path, 0, 2)
    done = export(configuration, tmp_path, configuration.emps[0], tmp_path / "stick.zip", Surroundings())
    assert done == Exported(2, 0, False)
    assert not any(packed.sealed for packed in unpack(tmp_path / "stick.zip"))


def test_quarantined_rows_go_one_by_one_and_sealed(tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    configuration = sealed_for_emt(tmp_path)
    fill(tmp_path, 0, 20)
    with WanStore.open(paths.wan_directory(tmp_path)) as store, LmnView.open(paths.lmn_directory(tmp_path)) as view:
        own = view.store_id
        rows = [SetAside("demo", own, "house", bytes(DEVICE), at, own, at, "answers 422", 1) for at in (7, 9)]
        store.acknowledge("demo", own, HOUSE, 20, 18, rows)
    file, opening = tmp_path / "stick.zip", trial.opening()
    done = export(configuration, tmp_path, configuration.emps[0], file, trial.surroundings(), Which.QUARANTINED)
    assert done == Exported(2, 0, True)
    documents = [document.decode(opening(packed.octets)) for packed in unpack(file)]
    assert [[row.record_number for row in one.rows] for one in documents] == [[7], [9]]


def test_check_and_status_tell_of_pseudonyms_and_name_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configuration = configured(tmp_path)
    fill(tmp_path, 0, 2)
    WanStore.open(paths.wan_directory(tmp_path)).close()
    written(configuration, tmp_path)
    where = ["--config", str(tmp_path / "gateway.toml"), "--state", str(tmp_path)]
    assert main(["check", *where]) == 0
    assert "  note: EMP demo: devices go under pseudonyms that change every day\n" in capsys.readouterr().out
    main(["status", *where])
    told = capsys.readouterr().out
    assert "        devices go under pseudonyms that change every day\n" in told
    main(["status", "--json", *where])
    told += capsys.readouterr().out
    assert '"delivered_as": "pseudonym"' in told
    assert "psn-" not in told


def test_check_tells_what_becomes_of_rows_of_every_telegram(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configured(tmp_path)
    file = tmp_path / "gateway.toml"
    file.write_text(file.read_text().replace('port = "/dev/null"', 'port = "/dev/null"\nregistration_period = 0'))
    assert main(["check", "--config", str(file)]) == 0
    assert (
        "rows of every telegram tell only their minute under a pseudonym; set registration_period of house for a curve"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize("days", ["0", "367", "1.5", '"7"', "true"])
def test_days_of_a_pseudonym_are_a_number_from_1_to_366(tmp_path: Path, days: str) -> None:
    file = tmp_path / "gateway.toml"
    configured(tmp_path)
    file.write_text(file.read_text().replace("pseudonym_days = 1", f"pseudonym_days = {days}"))
    with pytest.raises(SmgwError, match="pseudonym_days"):
        load(file)


def test_a_profile_without_pseudonyms_keeps_its_version(tmp_path: Path) -> None:
    (emp,) = configured(tmp_path).emps
    assert "pseudonym" in emp.content()
    assert "pseudonym" not in emp._replace(pseudonym_days=0).content()


def test_rows_to_be_signed_are_signed_in_an_archive_and_verified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trial = Trial(tmp_path)
    state = tmp_path / "state"
    file = state / "gateway.toml"
    file.write_text(TEXT.format(gateway=GATEWAY_ID, url="http://127.0.0.1:9").replace("pseudonym_days = 1", ""))
    configuration = load(file)
    with LmnStore.open(paths.lmn_directory(state), ballast_bytes=0) as store:
        store.append([Record(capture(MIDNIGHT), MIDNIGHT, to_sign=True), Record(capture(MIDNIGHT + DAY))])
    lent = trial.surroundings()
    archive = tmp_path / "backlog.zip"
    with pytest.raises(StoreAbsent):
        export(configuration, state, configuration.emps[0], archive, lent)
    with WanStore.open(paths.wan_directory(state)):
        pass
    assert export(configuration, state, configuration.emps[0], archive, lent).rows == 2
    first = [packed.octets for packed in unpack(archive)]
    assert main(["verify", str(archive), "--state", str(state)]) == 0
    assert "1 signed, 1 not signed, 0 wrong" in capsys.readouterr().out
    export(configuration, state, configuration.emps[0], archive, lent)
    assert [packed.octets for packed in unpack(archive)] == first


def test_an_export_without_the_key_marks_no_row_as_unsigned(tmp_path: Path) -> None:
    trial = Trial(tmp_path)
    state = tmp_path / "state"
    file = state / "gateway.toml"
    file.write_text(TEXT.format(gateway=GATEWAY_ID, url="http://127.0.0.1:9").replace("pseudonym_days = 1", ""))
    configuration = load(file)
    with LmnStore.open(paths.lmn_directory(state), ballast_bytes=0) as store:
        store.append([Record(capture(MIDNIGHT), MIDNIGHT, to_sign=True)])
    with WanStore.open(paths.wan_directory(state)):
        pass
    (key,) = (trial.gateway / "own").rglob("sig.key")
    key.rename(tmp_path / "away")
    with pytest.raises(SmgwError, match="its values cannot be signed now"):
        export(configuration, state, configuration.emps[0], tmp_path / "x.zip", trial.surroundings())
    (tmp_path / "away").rename(key)
    archive = tmp_path / "backlog.zip"
    assert export(configuration, state, configuration.emps[0], archive, trial.surroundings()).rows == 1
    assert main(["verify", str(archive), "--state", str(state)]) == 0
