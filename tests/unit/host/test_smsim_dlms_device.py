"""smsim's DLMS meters: what their objects say, their profiles, and who may read what."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from dlms_bus import METER, NEW_YEAR, Reader, device, line
from smgw.cosem import AttributeName, CaptureObject, MethodName, Obis
from smgw.cosem.data import Data, DataType, octet_string
from smgw.cosem.date_time import DateTime
from smgw.dlms.apdus.acse import Mechanism
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.results import ActionResult, DataAccessResult
from smgw.dlms.apdus.selection import Entries, Range
from smgw.dlms.carriers.wrapper import Wrapper
from smgw.dlms.data import encode
from smgw.dlms.security.hls import Hashed, Password
from smgw.dlms.security.secret import Secret
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Associated, Failed, Got, Invoked, Written
from smgw.hdlc import Address, Link
from smsim.dlms.association import ClientSpec
from smsim.dlms.clock import Clock
from smsim.dlms.table import MODELS, load

PROFILE, DAILY, MONTHLY = "1-0:99.1.0", "1-0:99.2.0", "0-0:98.1.0"
CLOCK = CaptureObject(8, Obis.parse("0-0:1.0.0"), 2)
SECRET = Secret(b"12345678")


def values(data: Data | DataAccessResult) -> list[Any]:
    assert isinstance(data, Data), data
    assert isinstance(data.value, tuple)
    return list(data.value)


def rows(data: Data | DataAccessResult) -> list[list[Any]]:
    return [[cell.value for cell in row.value] for row in values(data)]


def times(data: Data | DataAccessResult) -> list[int]:
    moments = [DateTime.read(row[0]).utc_us() for row in rows(data)]
    return [moment // 1_000_000 for moment in moments if moment is not None]


def reading(*devices: Any, **options: Any) -> Reader:
    reader = Reader(line(*devices, **options))
    assert isinstance(reader.associate(), Associated)
    return reader


@pytest.mark.parametrize("model", MODELS)
def test_every_object_of_the_list_can_be_read_attribute_by_attribute(model: str) -> None:
    reader = reading(device(model, history_days=40))
    listed = values(reader.get(15, "0-0:40.0.0", 2))
    assert len(listed) > 25
    for entry in listed:
        class_id, _, name, rights = (field.value for field in entry.value)
        for right in rights[0].value:
            number = right.value[0].value
            if (class_id, number) == (7, 2):
                continue
            value = reader.get(class_id, str(Obis(name)), number)
            assert isinstance(value, Data), (Obis(name), number, value)
            if number == 1:
                assert value == octet_string(name)


@pytest.mark.parametrize("model", MODELS)
def test_registers_show_the_simulated_household_in_their_own_type_and_scaler(model: str) -> None:
    one = device(model, history_days=365, consumption_kwh=3500)
    reader = reading(one)
    for row, value in one.values():
        shown = reader.get(row.class_id, str(row.register.obis), 2)
        unit = values(reader.get(row.class_id, str(row.register.obis), 3))
        assert shown == Data(row.type, value)
        assert [part.value for part in unit] == [row.register.scaler, row.register.unit]
    energy = reader.get(3, "1.8.0", 2)
    assert isinstance(energy, Data)
    assert isinstance(energy.value, int)
    assert 3_400_000 < energy.value < 3_600_000, "a year of the profile"


def test_the_load_profile_ends_with_what_the_registers_show_and_grows_by_a_row_each_quarter_hour() -> None:
    one = device(history_days=30)
    reader = reading(one)
    count = reader.get(7, PROFILE, 7)
    assert count == Data(DataType.DOUBLE_LONG_UNSIGNED, 30 * 96 + 1)
    (last,) = rows(reader.get(7, PROFILE, 2, Entries(30 * 96 + 1, 0).selection()))
    energies = {str(row.register.obis): value for row, value in one.values()}
    assert last == [one.clock.octets(NEW_YEAR), 0, energies["1-0:1.8.0*255"], energies["1-0:2.8.0*255"]]
    stamps = times(reader.get(7, PROFILE, 2))
    assert stamps == list(range(NEW_YEAR - 30 * 86_400, NEW_YEAR + 1, 900))


def test_rows_of_years_are_made_when_they_are_asked_for() -> None:
    reader = reading(device(history_days=3 * 365))
    count = reader.get(7, PROFILE, 7)
    assert isinstance(count, Data)
    assert count.value == 3 * 365 * 96 + 1
    first = rows(reader.get(7, PROFILE, 2, Entries(1, 2).selection()))
    assert [row[2:] for row in first] == [[0, 0], [first[1][2], first[1][3]]]


@pytest.mark.parametrize(
    ("first", "last", "columns", "expected"),
    [(1, 3, (1, 0), 3), (95, 0, (1, 0), 3), (2, 2, (1, 3), 1), (200, 300, (1, 0), 0), (0, 1, (2, 2), 1)],
)
def test_rows_and_columns_are_selected_by_entry(first: int, last: int, columns: tuple[int, int], expected: int) -> None:
    reader = reading(device(history_days=1))
    found = rows(reader.get(7, PROFILE, 2, Entries(first, last, *columns).selection()))
    assert len(found) == expected
    assert all(len(row) == (columns[1] or 4) - columns[0] + 1 for row in found)


def test_rows_are_selected_by_time_with_both_ends_and_columns_by_name() -> None:
    one = device(history_days=10)
    reader = reading(one)
    begin, end = NEW_YEAR - 86_400, NEW_YEAR - 82_800
    bounds = [octet_string(one.clock.octets(moment)) for moment in (begin, end)]
    found = reader.get(7, PROFILE, 2, Range(CLOCK, *bounds).selection())
    assert times(found) == list(range(begin, end + 1, 900))
    energy = CaptureObject(3, Obis.parse("2.8.0"), 2)
    narrow = rows(reader.get(7, PROFILE, 2, Range(CLOCK, *bounds, (CLOCK, energy)).selection()))
    assert [len(row) for row in narrow] == [2] * 5
    assert [row[1] for row in narrow] == [row[3] for row in rows(found)]


def test_a_bound_without_deviation_is_in_the_meters_own_time_and_one_of_type_date_time_will_do() -> None:
    """R13: 8000 on purpose."""
    reader = reading(device(history_days=10))
    bound = DateTime(2025, 12, 31, None, 12, 0, 0, 0).encode()
    found = reader.get(
        7, PROFILE, 2, Range(CLOCK, Data(DataType.DATE_TIME, bound), Data(DataType.DATE_TIME, bound)).selection()
    )
    assert times(found) == [int(datetime(2025, 12, 31, 11, tzinfo=UTC).timestamp())]


def test_a_selection_that_is_none_is_refused_and_the_session_goes_on() -> None:
    """R30."""
    reader = reading(device(history_days=1))
    wrong = Range(CaptureObject(3, Obis.parse("1.8.0"), 2), octet_string(b""), octet_string(b""))
    assert reader.get(7, PROFILE, 2, wrong.selection()) is DataAccessResult.TYPE_UNMATCHED
    assert reader.get(3, "1.8.0", 2, wrong.selection()) is DataAccessResult.SCOPE_OF_ACCESS_VIOLATED
    assert reader.get(3, "9.9.9", 2) is DataAccessResult.OBJECT_UNDEFINED
    assert reader.get(1, "1.8.0", 2) is DataAccessResult.OBJECT_CLASS_INCONSISTENT
    assert reader.get(15, "0-0:40.0.0", 7) is DataAccessResult.READ_WRITE_DENIED
    assert isinstance(reader.get(3, "1.8.0", 2), Data)


def test_daily_and_monthly_values_stand_at_midnight_of_legal_time_and_have_room_for_so_many() -> None:
    reader = reading(device("dsmr", history_days=500))
    days, months = (times(reader.get(7, obis, 2)) for obis in (DAILY, MONTHLY))
    assert (len(days), len(months)) == (40, 13)
    assert days == [NEW_YEAR - 86_400 * back for back in range(39, -1, -1)]
    local = [datetime.fromtimestamp(moment + 7_200, UTC) for moment in months]
    assert [moment.day for moment in local] == [1] * 13
    assert [moment.month for moment in local] == [*range(1, 13), 1]


def test_the_clock_shows_legal_time_with_its_deviation_and_can_be_set() -> None:
    """R13, R14."""
    one = device(clock_error_s=480)
    reader = reading(one)
    shown = reader.get(8, "0-0:1.0.0", 2)
    assert isinstance(shown, Data)
    assert isinstance(shown.value, bytes)
    moment = DateTime.read(shown.value)
    assert (moment.deviation, moment.hour, moment.minute) == (-60, 0, 8)
    right = encode(octet_string(Clock().octets(NEW_YEAR)))
    written = reader.ask(reader.client.set(AttributeName(8, Obis.parse("0-0:1.0.0"), 2), right))
    assert written == Written(DataAccessResult.SUCCESS)
    assert one.clock.error_s == 0
    refused = reader.ask(reader.client.set(AttributeName(3, Obis.parse("1.8.0"), 2), right))
    assert refused == Written(DataAccessResult.READ_WRITE_DENIED)
    nothing = reader.ask(reader.client.action(MethodName(3, Obis.parse("1.8.0"), 1), encode(Data(DataType.INTEGER, 0))))
    assert isinstance(nothing, Invoked)
    assert nothing.outcome.result is ActionResult.READ_WRITE_DENIED


@pytest.mark.parametrize("utc", [datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)])
@pytest.mark.parametrize("wrong_sign", [False, True])
def test_what_a_clock_says_it_also_understands(utc: datetime, wrong_sign: bool) -> None:
    """R13."""
    clock = Clock(wrong_sign=wrong_sign)
    moment = int(utc.timestamp())
    octets = clock.octets(moment)
    assert clock.utc_s(octets) == moment
    assert DateTime.read(octets).utc_us(opposite_sign=wrong_sign) == moment * 1_000_000


def test_two_meters_on_one_line_are_told_apart_by_their_addresses() -> None:
    """R12."""
    one, two = device(device="1UTB0000000071"), device("dsmr", device="1UTB0000000072")
    bus = line(one, two)
    for lower, name in ((17, b"UTB00000071"), (18, b"XMX00000072")):
        reader = Reader(bus, link=Link.client(Address(16), Address(1, lower)))
        assert isinstance(reader.associate(), Associated)
        assert reader.get(1, "0-0:42.0.0", 2) == octet_string(name)
        reader.disconnect()


@pytest.mark.parametrize("mechanism", [Mechanism.LOW, Mechanism.HIGH_MD5, Mechanism.HIGH_SHA1, Mechanism.HIGH_SHA256])
def test_a_password_opens_the_association_and_a_wrong_one_does_not(mechanism: Mechanism) -> None:
    def client(secret: bytes) -> Client:
        made = Secret(secret)
        how = Password(made) if mechanism is Mechanism.LOW else Hashed(mechanism, made)
        return Client(how, title=b"UTBCLI01")

    clients = (ClientSpec(16), ClientSpec(1, mechanism, SECRET))
    bus = line(clients=clients)
    refused = Reader(bus, client(b"87654321"), sap=1)
    assert isinstance(refused.associate(), Failed)
    refused.disconnect()
    reader = Reader(bus, client(SECRET), sap=1)
    assert isinstance(reader.associate(), Associated)
    assert isinstance(reader.get(3, "1.8.0", 2), Data)


def test_a_client_with_restricted_rights_sees_the_public_objects_alone() -> None:
    reader = reading(clients=(ClientSpec(16, restricted=True),))
    assert reader.get(3, "1.8.0", 2) is DataAccessResult.OBJECT_UNDEFINED
    listed = [Obis(entry.value[2].value) for entry in values(reader.get(15, "0-0:40.0.0", 2))]
    assert set(listed) <= set(load("german").public)
    assert reader.get(1, "0-0:42.0.0", 2) == octet_string(b"UTB00000071")


def test_a_client_without_block_transfer_reads_single_attributes_and_no_long_ones() -> None:
    """R19."""
    reader = reading(clients=(ClientSpec(16, block_transfer=False),), max_pdu=64)
    assert Conformance.BLOCK_GET not in reader.client.agreement.conformance
    wanted = [AttributeName(3, Obis.parse(obis), 2) for obis in ("1.8.0", "2.8.0", "16.7.0")]
    many = reader.ask(reader.client.get_with_list(wanted))
    assert isinstance(many, Got)
    assert all(isinstance(one, bytes) for one in many.results)


def test_over_the_wrapper_the_same_meter_answers() -> None:
    reader = Reader(line(wrapper=True), link=Wrapper.client(16, 1))
    assert isinstance(reader.associate(), Associated)
    assert len(values(reader.get(15, "0-0:40.0.0", 2))) > 25


def test_an_unknown_client_gets_no_link() -> None:
    reader = Reader(line(), sap=99)
    reader._carry(reader.link.connect(0.0))
    assert reader.lost
    assert "unknown client" in reader.lost[0]
    assert METER.lower == 17


def test_a_clock_is_not_set_to_where_it_could_not_go_on() -> None:
    reader = reading(device())
    time = AttributeName(8, Obis.parse("0-0:1.0.0"), 2)
    for year in (1, 9999):
        last = DateTime(year, 12, 31, None, 23, 59, 59, 0, 0, None).encode()
        written = reader.ask(reader.client.set(time, encode(octet_string(last))))
        assert written == Written(DataAccessResult.TYPE_UNMATCHED)
    assert isinstance(reader.get(8, "0-0:1.0.0", 2), Data)


def test_a_meter_that_is_started_again_at_once_repeats_no_invocation_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_795_000_000.0
    used: list[int] = []
    for _ in range(3):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        again = device()
        used += [again.own_counter() for _ in range(4)]
        now += 0.5
    assert used == sorted(set(used))
    assert used[-1] < 1 << 32
