import pytest
from smgw.cosem.data import Data, DataType
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Capture, ClockState, Reading, Stamp
from smgw.store.lmn import retention
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import NOBODY_WAITS, ListKind, Record, Retention
from stored import append

DEVICE = DeviceId.parse("1EMH0011802881")
OTHER = DeviceId.parse("1EMH0011802882")
DAY = 86_400
START = 1_700_000_000
LIMITS = Retention(700 * DAY, 42 * DAY, 7 * DAY, 2**40, derived_s=800 * DAY, period_end_s=900 * DAY)
ALL = {DEVICE: NOBODY_WAITS, OTHER: NOBODY_WAITS}


def record(day: float, *, grid=False, kind=ListKind.ORIGINAL, device=DEVICE, valid=True) -> Record:
    utc_us = (START + int(day * DAY)) * 10**6
    stamp = Stamp("boot", int(day * DAY), utc_us if valid else 0, 5, ClockState(valid))
    reading = Reading(Obis.parse("1.8.0"), Data(DataType.LONG64, int(day)))
    return Record(Capture("house", device, stamp, None, (reading,)), utc_us if grid else None, list=kind)


@pytest.fixture
def store(tmp_path):
    with LmnStore.open(tmp_path, ballast_bytes=0) as opened:
        yield opened


@pytest.fixture
def left(store, tmp_path):
    """Record numbers that are still there."""
    with LmnView.open(tmp_path) as view:
        yield lambda: sorted(row.position for source in view.sources() for row in view.records(source, 0, 10**6))


def retain(store, day, limits=LIMITS, delivered=ALL):
    reports = [store.retain((START + day * DAY) * 10**6, limits, delivered)]
    while reports[-1].more:
        reports.append(store.retain((START + day * DAY) * 10**6, limits, delivered))
        assert len(reports) < 100
    return tuple(sum(column) for column in list(zip(*reports, strict=True))[:4])


def test_each_list_has_its_own_age(store, left):
    store.append(
        [
            record(0),
            record(0, grid=True),
            record(0, grid=True, kind=ListKind.DAILY),
            record(0, grid=True, kind=ListKind.DERIVED),
            record(9),
            record(0, grid=True, kind=ListKind.CALCULATED),
            record(0, grid=True, kind=ListKind.PERIOD_END),
        ]
    )

    assert retain(store, 6) == (0, 0, 0, 0)
    assert retain(store, 8) == (1, 0, 0, 0)
    assert left() == [2, 3, 4, 5, 6, 7]
    assert retain(store, 43) == (1, 0, 1, 0)
    assert left() == [2, 4, 6, 7]
    assert retain(store, 701) == (0, 1, 0, 0)
    assert left() == [4, 6, 7]
    retain(store, 801)
    assert left() == [7]
    retain(store, 901)
    assert left() == []
    counted = {"retired_live": 2, "retired_grid": 1, "retired_daily": 1, "retired_derived": 2, "retired_period_end": 1}
    assert store.counts() == counted


def test_readings_go_with_their_capture(store):
    store.append([record(0), record(1)])
    retain(store, 8)

    assert store._file.writer.execute("SELECT DISTINCT capture FROM reading").fetchall() == [(2,)]


def test_rows_not_delivered_stay(store, left):
    store.append([record(day) for day in range(6)] + [record(0, device=OTHER)])

    assert retain(store, 30, delivered={DEVICE: 3, OTHER: NOBODY_WAITS}) == (4, 0, 0, 0)
    assert left() == [4, 5, 6]
    assert retain(store, 30, delivered={DEVICE: 5}) == (2, 0, 0, 0)
    assert left() == [6]


def test_a_device_of_which_nothing_is_known_has_delivered_nothing(store, left):
    store.append([record(0)])

    assert retain(store, 30, delivered={}) == (0, 0, 0, 0)
    assert left() == [1]


def test_beyond_the_bound_in_bytes_the_oldest_undelivered_go_and_are_counted(store, left):
    store.append([record(day / 1000) for day in range(20_000)])
    used = 20_000 * 90

    removed = retain(store, 1000, LIMITS._replace(undelivered_bytes=used // 2), {})

    assert removed[0] == removed[3] == store.counts()["lost_undelivered"]
    assert 5_000 < removed[0] < 19_000
    assert left() == list(range(removed[0] + 1, 20_001))


def test_rows_that_are_young_stay_beyond_any_bound(store, left):
    store.append([record(day / 1000) for day in range(2_000)])

    assert retain(store, 3, LIMITS._replace(undelivered_bytes=0), {}) == (0, 0, 0, 0)
    assert len(left()) == 2_000


def test_a_row_with_an_invalid_time_is_as_old_as_the_next_with_a_valid_one(store, left):
    store.append([record(0), record(1, valid=False), record(5), record(6, valid=False)])

    retain(store, 8)
    assert left() == [2, 3, 4]
    retain(store, 13)
    assert left() == [4]


def test_one_call_removes_a_bounded_number_of_rows_and_says_that_there_is_more(store, left):
    store.append([record(day / 1000) for day in range(2_000)])

    report = store.retain((START + 100 * DAY) * 10**6, LIMITS, ALL)

    assert (report.live, report.more) == (500, True)
    assert left()[0] == 501


def test_many_rows_that_wait_do_not_hide_the_ones_behind_them(store, left):
    store.append([record(day / 10_000) for day in range(9_000)] + [record(1, device=OTHER)])

    assert retain(store, 30, delivered={OTHER: NOBODY_WAITS}) == (1, 0, 0, 0)
    assert len(left()) == 9_000


def test_numbers_are_not_given_again_after_all_rows_were_retired(tmp_path):
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        store.append([record(0), record(1)])
        retain(store, 100)
    with LmnStore.open(tmp_path, ballast_bytes=0) as store:
        assert append(store, [record(100)]) == [3]


def test_room_of_retired_rows_is_used_again(store, tmp_path):
    def size():
        return store._file.writer.execute("PRAGMA page_count").fetchone()[0]

    for day in range(10):
        store.append([record(day + n / 1000) for n in range(1000)])
    retain(store, 100)
    before = size()
    for day in range(100, 109):
        store.append([record(day + n / 1000) for n in range(1000)])
    assert size() <= before


def of(meter: str, second: int, device: DeviceId = DEVICE) -> Record:
    made = record(second / DAY, device=device)
    return made._replace(capture=made.capture._replace(meter=meter))


def live_rows(store) -> dict[str, list[int]]:
    """Meter -> numbers of its rows."""
    query = "SELECT octets, number FROM capture JOIN word ON word.id = capture.meter ORDER BY number"
    rows: dict[str, list[int]] = {}
    for meter, number in store._file.writer.execute(query):
        rows.setdefault(meter.decode(), []).append(number)
    return rows


def test_on_a_full_disk_the_meter_with_most_rows_pays_and_the_others_keep_all_theirs(store):
    """650 rows a second of one meter against one of each of the others."""
    store.append([of("house", second) for second in range(40)])
    for second in range(40, 44):
        store.append([of("flood", second, OTHER if row % 3 else DEVICE) for row in range(650)])
        store.append([of("house", second), of("roof", second)])
    before = live_rows(store)
    removed = [store._commit(lambda connection: retention.thin(connection, 256)) for _ in range(9)]
    after = live_rows(store)
    assert removed == [256] * 9
    assert (after["house"], after["roof"]) == (before["house"], before["roof"])
    assert after["flood"] == before["flood"][9 * 256 :]


def test_thinning_goes_on_over_all_meters_when_none_stands_out_and_ends_with_nothing_to_thin(store):
    store.append([of(meter, second) for second in range(100) for meter in ("house", "roof")])
    store.append([record(0, grid=True)])
    removed = [store._commit(lambda connection: retention.thin(connection, 64)) for _ in range(5)]
    assert removed == [64, 64, 64, 8, 0]
    assert sum(map(len, live_rows(store).values())) == 1


def test_meters_that_send_in_a_rhythm_are_told_apart(store):
    """Every fifth row is of house: a sample of every fifth would see nothing else."""
    for second in range(10):
        store.append([of("flood" if row % 5 else "house", second) for row in range(500)])
    before = live_rows(store)
    assert store._commit(lambda connection: retention.thin(connection, 256)) == 256
    assert live_rows(store) == {"flood": before["flood"][256:], "house": before["house"]}
