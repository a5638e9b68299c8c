"""A meter with short names behind the reader: polls, load profiles and security, on a line in memory."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from dlms_line_meter import ENERGY, EXPORT, LOAD_PROFILE, NAME, QUARTER, SECOND, Model, _Station
from memory_line import START_US, FakeTime, MemoryPort
from smgw.cosem import DataError, DeviceId, Obis, ObjectName
from smgw.dlms.apdus.acse import Mechanism
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.apdus.short_names import ShortNames
from smgw.dlms.carriers.wrapper import Wrapper
from smgw.dlms.meter.access import Admission
from smgw.dlms.security.hls import Authentication as Mechanics
from smgw.dlms.security.hls import Encrypted, Hashed, Password
from smgw.dlms.security.secret import Secret
from smgw.hdlc import Address, Link, LinkParameters
from smgw.lmn.contract import Surroundings, Values
from smgw.lmn.dlms.objects import read_object_list
from smgw.lmn.dlms.poll import DlmsPoll
from smgw.lmn.errors import AccessRefusedError
from smgw.profiles.dlms import Authentication, DlmsProfile, Framing, Referencing
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.store.ranges import Range

NOW = START_US // SECOND
ROWS = list(range(NOW - 86_400 + QUARTER, NOW + 1, QUARTER))
SECRET = b"12345678"
LISTED = [ObjectName(1, 0, Obis.parse(text)) for text in ("0-0:42.0.0", "1-0:0.2.0")]


class Bench:
    """One meter with short names and its reader."""

    def __init__(
        self, *, wrapper: bool = False, objects: tuple[Obis, ...] = (), theirs: Password | Mechanics | None = None,
        max_pdu_size: int = 1024, **dlms: Any,
    ) -> None:  # fmt: skip
        self.model = Model(ROWS)
        names = ShortNames.allocate([*LISTED, *read_object_list(self.model.object_list())])
        admission = Admission(theirs, max_pdu_size=max_pdu_size, title=b"UTBMTR01", short_names=names)
        meter: Any = SimpleNamespace(links=0, ended=0, admissions={16: admission})
        link: Any = Wrapper.server(1)
        if not wrapper:
            link = Link.server(Address(1), LinkParameters.of(128, 1), clients=meter.admissions, inactivity=None)
        time = FakeTime()
        self.port: Any = MemoryPort(time, [_Station(meter, link, self.model).carry])
        options = DlmsProfile(
            referencing=Referencing.SHORT, framing=Framing.WRAPPER if wrapper else Framing.HDLC, **dlms
        )  # fmt: skip
        profile = MeterProfile(name="flat", protocol="dlms", port="/dev/ttyUSB0", objects=objects, options=options)
        surroundings = Surroundings(time, now=time, stopping=threading.Event().is_set)
        self.meter = DlmsPoll(profile, Secrets(password=SECRET), surroundings)

    def poll(self) -> Values:
        ((values,),) = self.meter.poll(self.port)  # type: ignore[misc]
        return values  # type: ignore[no-any-return]


@pytest.mark.parametrize("wrapper", [False, True])
def test_a_poll_gives_registers_with_their_units_the_clock_and_the_device(wrapper: bool) -> None:
    values = Bench(wrapper=wrapper).poll()
    assert values.device == DeviceId(NAME)
    assert values.meter_time is not None
    found = {one.obis: (one.value.value, one.scaler, one.unit) for one in values.readings}
    assert found[ENERGY] == (1001, -1, 30)
    assert found[EXPORT] == (7, -1, 30)


def test_only_the_wanted_objects_are_polled() -> None:
    bench = Bench(objects=(EXPORT,))
    assert [one.obis for one in bench.poll().readings] == [EXPORT]
    assert not [one for one in bench.model.asked if one.obis == ENERGY]


@pytest.mark.parametrize("max_pdu_size", [128, 1024])
def test_a_load_profile_comes_by_range(max_pdu_size: int) -> None:
    bench = Bench(max_pdu_size=max_pdu_size)
    bench.meter.identify(bench.port)
    source = bench.meter.load_profile(LOAD_PROFILE, Range(ROWS[3] * SECOND, ROWS[-2] * SECOND))
    rows: list[int] = []
    while not source.done:
        rows += [row.target_time_us // SECOND for row in source.step(bench.port).rows]
    assert rows == ROWS[3:-1]
    assert bench.model.ranges


def test_a_load_profile_comes_by_entries_where_ranges_are_refused() -> None:
    bench = Bench()
    bench.model.refused = {1: DataAccessResult.OBJECT_UNAVAILABLE}
    bench.meter.identify(bench.port)
    source = bench.meter.load_profile(LOAD_PROFILE, Range(ROWS[3] * SECOND, ROWS[-2] * SECOND))
    rows: list[int] = []
    while not source.done:
        rows += [row.target_time_us // SECOND for row in source.step(bench.port).rows]
    assert rows == ROWS[3:-1]
    assert bench.model.entries


MECHANISMS: dict[Authentication, Password | Mechanics] = {
    Authentication.LOW: Password(Secret(SECRET)),
    Authentication.HIGH_AES: Encrypted(Secret(SECRET)),
    Authentication.HIGH_MD5: Hashed(Mechanism.HIGH_MD5, Secret(SECRET)),
    Authentication.HIGH_SHA1: Hashed(Mechanism.HIGH_SHA1, Secret(SECRET)),
    Authentication.HIGH_SHA256: Hashed(Mechanism.HIGH_SHA256, Secret(SECRET)),
}


@pytest.mark.parametrize("authentication", MECHANISMS)
def test_a_meter_that_wants_a_secret_gets_it(authentication: Authentication) -> None:
    assert Bench(theirs=MECHANISMS[authentication], authentication=authentication).poll().readings


def test_a_wrong_secret_is_a_refused_access() -> None:
    theirs = Hashed(Mechanism.HIGH_MD5, Secret(b"other"))
    with pytest.raises(AccessRefusedError):
        Bench(theirs=theirs, authentication=Authentication.HIGH_MD5).poll()


def test_a_meter_that_does_not_tell_its_short_names_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    monkeypatch.setattr(ShortNames, "encode", lambda _: b"\x00")
    with pytest.raises(DataError, match="the object list is NULL_DATA"):
        bench.poll()
