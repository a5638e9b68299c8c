"""A meter with a P1 port: values of its devices, what is unchecked, and encrypted telegrams."""

from pathlib import Path

import pytest
from captures import OWN
from pushing_meter import NOW, Still
from smgw.cosem import Capture, DeviceId, GatewayStatus, Obis
from smgw.cosem.date_time import DateTime
from smgw.dlms.apdus.envelope import GENERAL_GLO, Ciphered
from smgw.dlms.security.suites import Keys, Protection, Suite, seal
from smgw.iec62056.seven_bit import with_parity
from smgw.lmn.contract import Heard, Surroundings, Values
from smgw.lmn.p1.push import P1Push
from smgw.lmn.p1.sealing import PUBLISHED_KEY
from smgw.metering.registrar import Registrar
from smgw.profiles.meter import MeterProfile
from smgw.profiles.p1 import P1Profile
from smgw.profiles.secrets import Secrets
from smgw.profiles.toml_importer import parse
from smgw.services.sink import PushCounters
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.wire import Refused
from smgw.wire.crc_arc import crc_arc

V5 = (OWN / "dsmr" / "dsmr_parser" / "telegram_v5.txt").read_bytes()
V2 = (OWN / "dsmr" / "dsmr_parser" / "telegram_v2_2.txt").read_bytes()
KEY, OTHER = bytes(range(16)), bytes(range(16, 32))
TITLE = b"SAG\0\0\0\0\1"


def meter(options: P1Profile | None = None, surroundings: Surroundings | None = None, **secrets: bytes) -> P1Push:
    profile = MeterProfile("flat", "dsmr-p1", "/dev/null", options=options or P1Profile())
    return P1Push(profile, Secrets(**secrets), surroundings or Surroundings(Still()))


def sealed(counter: int, authentication: bytes = PUBLISHED_KEY, key: bytes = KEY) -> bytes:
    keys = Keys.of(Suite.AES_GCM_128, key, authentication)
    return Ciphered(GENERAL_GLO, seal(keys, Protection.BOTH, TITLE, counter, V5), TITLE).encode()


def values(heard: list[Heard] | object) -> list[Values]:
    return [one for group in heard if not isinstance(group, Refused) for one in group]  # type: ignore[attr-defined]


def test_the_meter_and_its_gas_meter_are_two_devices_of_one_telegram() -> None:
    ((house, gas),) = meter().receive(V5, NOW)  # type: ignore[misc]
    assert (house.device, gas.device) == (b"K8EG004046395507", b"2222ABCD123456789")
    assert str(DateTime.read(gas.meter_time.octets)) == "2017-01-02 16:10:05 +01:00"
    assert [str(one.obis) for one in gas.readings] == ["7-0:3.1.0*255"]
    assert (house.flags, house.remark) == (0, "")


def test_a_meter_without_identity_has_the_name_of_its_profile() -> None:
    octets = (OWN / "dsmr" / "amshan" / "example_data_kamstrup.txt").read_bytes()
    (found,) = values(meter(P1Profile(country="SE")).receive(octets, NOW))
    assert found.device == b"flat"


@pytest.mark.parametrize("told", ["180102161005W", "160802161005S", "000101000001W"])
def test_a_clock_of_a_sub_meter_that_is_wrong_moves_no_value_in_time(told: str) -> None:
    """A year ahead, five months behind, never set: the gateway's time counts, and the meter's is kept as told."""
    text = V5[: V5.rindex(b"!") + 1].replace(b"(170102161005W)", f"({told})".encode())
    assert told.encode() in text
    ((house, gas),) = meter().receive(text + b"%04X\r\n" % crc_arc(text), NOW)  # type: ignore[misc]
    assert house.stamp == gas.stamp == NOW
    assert DateTime.read(gas.meter_time.octets).year == 2000 + int(told[:2])
    assert [(one.value.value, one.scaler) for one in gas.readings] == [(107, -3)]


def test_without_check_sum_and_parity_the_values_are_flagged_and_it_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = meter()
    found = values([*made.receive(V2, NOW), *made.receive(V2, NOW)])
    assert len(found) == 4
    assert all(one.flags == GatewayStatus.NOT_VALIDATED and "unchecked" in one.remark for one in found)
    assert caplog.text.count("unchecked") == 1


def test_with_parity_the_values_count_as_checked() -> None:
    found = values(meter().receive(with_parity(V2), NOW))
    assert [(one.flags, one.remark) for one in found] == [(0, ""), (0, "")]


def test_every_device_comes_into_the_store(tmp_path: Path) -> None:
    store = LmnStore.open(tmp_path, ballast_bytes=0)
    registrar = Registrar(store, Still(), {"flat": 0})
    for found in values(meter().receive(V5, NOW)):
        registrar.capture(Capture("flat", found.device, found.stamp, found.meter_time, found.readings))
    registrar.drain()
    store.close()
    with LmnView.open(tmp_path) as view:
        rows = {
            (bytes(source.device), str(reading.obis)): reading.value.value
            for source in view.sources()
            for record in view.records(source, 0, 100)
            for reading in record.readings
        }
    assert rows[b"2222ABCD123456789", "7-0:3.1.0*255"] == 107
    assert rows[b"K8EG004046395507", "1-0:1.8.1*255"] == 4426


def test_an_encrypted_telegram_is_verified_with_the_published_key_if_none_is_named() -> None:
    found = values(meter(encryption_key=KEY).receive(sealed(1), NOW))
    assert [(one.device, one.flags) for one in found] == [(b"K8EG004046395507", 0), (b"2222ABCD123456789", 0)]


def test_an_encrypted_telegram_is_verified_with_the_named_key() -> None:
    made = meter(encryption_key=KEY, authentication_key=OTHER)
    assert values(made.receive(sealed(1, OTHER), NOW))
    assert not values(made.receive(sealed(2), NOW))


def test_a_telegram_of_another_key_is_refused() -> None:
    (refused,) = meter(encryption_key=OTHER).receive(sealed(1), NOW)
    assert isinstance(refused, Refused)


def test_unverified_values_are_flagged() -> None:
    made = meter(P1Profile(authentication_key="none"), encryption_key=KEY)
    found = values(made.receive(sealed(1, OTHER), NOW))
    assert found
    assert all(one.flags == GatewayStatus.NOT_VALIDATED and one.remark for one in found)


def test_an_old_telegram_is_refused_after_a_restart_too(tmp_path: Path) -> None:
    for counter, expected in ((7, True), (7, False), (8, True), (6, False)):
        store = LmnStore.open(tmp_path, ballast_bytes=0)
        registrar = Registrar(store, Still(), {"flat": 0})
        made = meter(surroundings=Surroundings(Still(), pushes=PushCounters(registrar, store)), encryption_key=KEY)
        for new in (expected, False):
            found = values(made.receive(sealed(counter), NOW))
            assert bool(found) == new
            for one in found:
                registrar.capture(Capture("flat", one.device, one.stamp, None, one.readings))
        registrar.drain()
        store.close()


CONFIGURATION = """[gateway]
device_id = "ESMG0000000001"

[[meter]]
name = "flat"
protocol = "dsmr-p1"
port = "/dev/ttyUSB0"
baudrate = 115200
"""


def test_a_p1_meter_needs_only_a_name_and_a_port() -> None:
    (found,) = parse(CONFIGURATION, "g.toml").meters
    assert found.options == P1Profile()


def test_country_and_keys_stand_in_the_section_p1() -> None:
    own = 'p1 = { country = "LT", encryption_key_file = "e", authentication_key = "none" }\n'
    (found,) = parse(CONFIGURATION + own, "g.toml").meters
    assert found.options == P1Profile("LT", Path("e"), None, "none")


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ('p1 = { country = "XX" }', 'write "AT"'),
        ('p1 = { authentication_key_file = "a" }', "write encryption_key_file too"),
        ('p1 = { authentication_key = "none" }', "write encryption_key_file too"),
        ('p1 = { encryption_key_file = "e", authentication_key_file = "a", authentication_key = "none" }', "leave one"),
        ("interval = 10", "is never asked"),
        ("correct_power_sign = true", "only SML"),
    ],
)
def test_a_wrong_key_is_told_with_its_remedy(own: str, told: str) -> None:
    with pytest.raises(Exception, match=told):
        parse(CONFIGURATION + own + "\n", "g.toml")


def test_wanted_objects_choose_the_values() -> None:
    profile = MeterProfile("flat", "dsmr-p1", "/dev/null", objects=(Obis.parse("7-0:3.1.0"),), options=P1Profile())
    (found,) = values(P1Push(profile, Secrets(), Surroundings(Still())).receive(V5, NOW))
    assert found.device == DeviceId(b"2222ABCD123456789")
