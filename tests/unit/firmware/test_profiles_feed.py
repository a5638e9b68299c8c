"""What goes to whom."""

from captures_made import DEVICE
from smgw.cosem import DeviceId
from smgw.cosem.source import Source
from smgw.profiles.feed import Grant, feeds, grants, unnamed
from smgw.profiles.toml_importer import parse

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
