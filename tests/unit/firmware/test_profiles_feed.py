"""What goes to whom."""

import pytest
from captures_made import DEVICE
from smgw.cosem import ClockState, Data, DataType, DeviceId, Obis, Reading, Stamp
from smgw.cosem.source import Source
from smgw.profiles.feed import Grant, Series, feeds, grants, unnamed
from smgw.profiles.toml_importer import parse
from smgw.store.progress import carried
from smgw.store.records import ListKind, Origin, StoredRecord

SOLAR = DeviceId.parse("1ISK0071234567")
GIVEN = DeviceId.parse("7GAS0000000001")
FOREIGN, OTHER = DeviceId(b"\x09\x01gas"), DeviceId(b"\x09\x01water")
CONFIGURATION = parse(
    """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/ttyUSB0"
device_id = "7GAS0000000001"
[[meter]]
name = "solar"
protocol = "sml-push"
port = "/dev/ttyUSB1"
[[emp]]
name = "lab"
url = "http://a"
insecure = true
[[emp]]
name = "utility"
url = "http://b"
insecure = true
meters = ["solar"]
""",
    "g.toml",
)


def test_every_emp_gets_the_devices_of_its_meters() -> None:
    sources = [Source("solar", SOLAR), Source("house", DEVICE), Source("attic", OTHER)]
    assert [feed[:3] for feed in feeds(grants(CONFIGURATION), sources)] == [
        ("lab", Source("house", DEVICE), DEVICE),
        ("lab", Source("solar", SOLAR), SOLAR),
        ("utility", Source("solar", SOLAR), SOLAR),
    ]
    assert unnamed(CONFIGURATION, sources) == (Source("attic", OTHER),)


def delivered(*devices: DeviceId) -> list[DeviceId]:
    sources = [Source("house", device) for device in devices]
    return [feed.delivered for feed in feeds([Grant("lab", "house", GIVEN)], sources)]


def test_a_foreign_device_goes_out_under_the_device_id_of_its_meter() -> None:
    assert delivered(FOREIGN) == [GIVEN]


def test_a_device_with_an_id_of_its_own_keeps_it() -> None:
    assert delivered(DEVICE, FOREIGN) == [DEVICE, GIVEN]


def test_two_foreign_devices_never_have_one_name() -> None:
    assert delivered(FOREIGN, OTHER) == [GIVEN, OTHER]
    assert delivered(OTHER, FOREIGN) == [GIVEN, FOREIGN]


def test_a_device_id_that_another_device_has_itself_names_nothing() -> None:
    sources = [Source("house", FOREIGN), Source("solar", GIVEN)]
    assert feeds([Grant("lab", "house", GIVEN)], sources)[0].delivered == FOREIGN


def test_a_meter_that_brought_nothing_has_no_feed() -> None:
    assert feeds(grants(CONFIGURATION), []) == ()


HEAD = """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/ttyUSB0"
[[meter]]
name = "solar"
protocol = "sml-push"
port = "/dev/ttyUSB1"
"""
DAYS = 'days = { day = { "00:00" = 1 } }, season = [{ name = "year", week = { mon-sun = "day" } }]'
#: What each use case needs in its profile.
NEEDED = {2: f"calendar = {{ {DAYS} }}", 3: "loads = [{ step = 2, over = 5000 }]", 4: "tiers = [500]"}
#: Use case -> lists of the evaluation's own rows that may leave; TAF 7 lets the meter's readings leave.
LEAVES = {1: {5}, 2: {5}, 3: {5}, 4: {5}, 6: set(), 7: set(), 9: {2}, 10: {2}, 14: {2}}
#: EMP -> keys of its profile, and whether it may have what the evaluation of `house` allows.
EMPS = {
    "named": ("", True),
    "named-by-both": ('evaluations = ["tariff"]', True),
    "named-for-its-meter": ('meters = ["house"]', True),
    "not-named": ("", False),
    "for-another-meter": ('meters = ["solar"]', False),
    "for-another-evaluation": ('evaluations = ["other"]', False),
}
QUARTER_US = 900_000_000


def _leaving(taf: int, emp: str) -> tuple[set[tuple[str, int]], bool]:
    """What of all rows of meter and evaluation goes to an EMP, as source and list; and whether each is on the grid."""
    keys, _ = EMPS[emp]
    emps = '"other-emp"' if emp == "not-named" else f'"{emp}"'
    configuration = parse(
        f'{HEAD}[[emp]]\nname = "{emp}"\nurl = "http://b"\ninsecure = true\n{keys}\n'
        '[[emp]]\nname = "other-emp"\nurl = "http://c"\ninsecure = true\n'
        f'[[evaluation]]\nname = "tariff"\ntaf = {taf}\nmeters = ["house"]\nemps = [{emps}]\n{NEEDED.get(taf, "")}\n'
        '[[evaluation]]\nname = "other"\ntaf = 1\nmeters = ["solar"]\n',
        "g.toml",
    )
    device = DeviceId.evaluation(taf, bytes(10))
    sources = [Source("house", DEVICE), Source("solar", SOLAR), Source("tariff", device)]
    found, on_grid = set(), True
    for feed in feeds(grants(configuration), sources):
        if feed.who != emp:
            continue
        for kind in ListKind:
            for target in (None, 0, 60_000_000, QUARTER_US):
                row = stored(feed.source, kind, target)
                if carried(feed, row) is not None:
                    found.add((feed.source.meter, int(kind)))
                    on_grid = on_grid and target is not None and target % QUARTER_US == 0
    return found, on_grid


def stored(source: Source, kind: ListKind, target: int | None) -> StoredRecord:
    stamp = Stamp("boot", 0, 0, 0, ClockState.SYNCHRONISED)
    energy = Reading(Obis.parse("1.8.0"), Data(DataType.LONG64, 1))
    return StoredRecord(
        1, "0" * 32, 1, source.meter, source.device, stamp, None, target, 5, kind, Origin.MEASURED, (energy,)
    )


@pytest.mark.parametrize("emp", EMPS)
@pytest.mark.parametrize("taf", LEAVES)
def test_only_what_the_use_case_and_both_profiles_allow_leaves(taf: int, emp: str) -> None:
    allowed = {("tariff", kind) for kind in LEAVES[taf]} | ({("house", 1)} if taf == 7 else set())
    found, on_grid = _leaving(taf, emp)
    assert found == (allowed if EMPS[emp][1] else set())
    assert on_grid or taf != 7


def test_a_meter_without_an_evaluation_leaves_as_before() -> None:
    configuration = parse(
        f'{HEAD}[[emp]]\nname = "lab"\nurl = "http://b"\ninsecure = true\n'
        '[[evaluation]]\nname = "tariff"\ntaf = 1\nmeters = ["house"]\n',
        "g.toml",
    )
    assert [grant.meter for grant in grants(configuration)] == ["solar"]


def test_registers_of_another_use_case_do_not_leave_by_this_one() -> None:
    old = Source("tariff", DeviceId.evaluation(2, bytes(10)))
    assert feeds([Grant("lab", "tariff", lists=(2,), taf=10)], [old]) == ()


def test_the_readings_of_a_series_leave_within_its_validity() -> None:
    series = Series(QUARTER_US, QUARTER_US, 2 * QUARTER_US)
    assert [series.allows(place * QUARTER_US) for place in range(4)] == [False, True, True, False]
