"""What retention waits for."""

from pathlib import Path

from captures_made import DEVICE, HOUSE, MIDNIGHT, SECOND, capture
from smgw.cosem import DeviceId
from smgw.profiles.toml_importer import parse
from smgw.services.retention import RetentionKeeper, next_amount
from smgw.store import paths
from smgw.store.lmn.store import LmnStore
from smgw.store.records import NOBODY_WAITS, Record, Source
from smgw.store.wan.copied import CopiedWan
from smgw.store.wan.store import WanStore

GAS = Source("house", DeviceId.parse("7GAS0000000001"))
ATTIC = Source("attic", DeviceId.parse("1ISK0071234567"))
SHED = Source("shed", DeviceId.parse("1ISK0071234568"))
CONFIGURATION = parse(
    """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/ttyUSB0"
[[emp]]
name = "lab"
url = "http://a"
insecure = true
[[emp]]
name = "utility"
url = "http://b"
insecure = true
""",
    "g.toml",
)


def test_a_device_waits_for_every_emp_and_for_who_had_begun_to_get_it(tmp_path: Path) -> None:
    with LmnStore.open(paths.lmn_directory(tmp_path), ballast_bytes=0) as store:
        sources = (HOUSE, GAS, ATTIC, SHED, Source("attic", DEVICE))
        store.append(
            [
                Record(capture(MIDNIGHT + n * SECOND, meter=source.meter, device=source.device))
                for n, source in enumerate(sources * 3)
            ]
        )
        keeper = RetentionKeeper(CONFIGURATION, store, tmp_path, CopiedWan(paths.wan_directory(tmp_path), tmp_path))
        assert keeper._delivered()[1] == {
            bytes(HOUSE.device): 0,
            bytes(GAS.device): 0,
            bytes(ATTIC.device): NOBODY_WAITS,
            bytes(SHED.device): NOBODY_WAITS,
        }
        with WanStore.open(paths.wan_directory(tmp_path)) as wan:
            for who, source, position in (
                ("lab", HOUSE, 11), ("utility", HOUSE, 6), ("lab", GAS, 7), ("lab", ATTIC, 8),
            ):  # fmt: skip
                wan.acknowledge(who, store.store_id, source, position, 1)
            wan.acknowledge("lab", "ab" * 16, SHED, 9, 1)  # of another store
            # The same device behind a meter that is named no more: lab had begun to get that meter.
            assert keeper._delivered()[1] == {
                bytes(HOUSE.device): 0,
                bytes(GAS.device): 0,
                bytes(ATTIC.device): 8,
                bytes(SHED.device): NOBODY_WAITS,
            }
            wan.acknowledge("utility", store.store_id, GAS, 2, 1)
            wan.acknowledge("lab", store.store_id, Source("attic", DEVICE), 15, 1)
            delivered = keeper._delivered()[1]
            assert (delivered[bytes(HOUSE.device)], delivered[bytes(GAS.device)]) == (6, 2)


def test_a_piece_of_retention_is_as_large_as_the_time_allows() -> None:
    assert next_amount(500, 500, 0.010) == 1000  # at most doubled
    assert next_amount(1000, 1000, 0.020) == 1500
    assert next_amount(1500, 1500, 0.150) == 300
    assert next_amount(300, 300, 3.0) == 50
    assert next_amount(2000, 2000, 0.001) == 2000
    assert next_amount(700, 0, 0.5) == 700  # a step that counts blocks says nothing of rows


def test_retention_goes_on_until_no_old_row_is_left(tmp_path: Path) -> None:
    with LmnStore.open(paths.lmn_directory(tmp_path), ballast_bytes=0) as store:
        store.append([Record(capture(MIDNIGHT + n * SECOND, meter="attic")) for n in range(3000)])
        keeper = RetentionKeeper(CONFIGURATION, store, tmp_path, CopiedWan(paths.wan_directory(tmp_path), tmp_path))
        pauses = []
        while sum(store.counts().values()) < 3000:
            keeper._due = 0
            pauses.append(keeper.tick(MIDNIGHT + 90 * 86_400 * SECOND))
        assert len(pauses) <= 1 + 3000 // 50
        assert max(pauses[:-1]) < 600
