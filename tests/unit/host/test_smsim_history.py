"""The load profile of a simulated meter: what its registers showed, and how the gateway fetches it."""

import pytest
from smgw.cosem import DeviceId, ObjectName
from smgw.sml.attention import AttentionCode, attention_code
from smgw.sml.client import Answers, Client
from smgw.sml.fetch import Form, ProfileFetch
from smgw.sml.messages import AttentionResponse, Time
from smgw.sml.parameters import parameter_name
from smgw.sml.profiles import LOAD_PROFILE, LoadProfile
from smgw.sml.server import Reply, Server
from smsim.load.registers import Drive
from smsim.load.timelapse import TimeLapse
from smsim.sml.meter import Meter, MeterSpec

SPEC = MeterSpec("m", DeviceId.parse("1UTB0000000001"), seed=7, generation_kwh=8000)
START = 1_781_517_600  # at noon on a day in June
QUARTER = 900
PATH = (bytes(LOAD_PROFILE),)


def meter_at(quarters: float, spec: MeterSpec = SPEC, start: int = START) -> Meter:
    """A meter that has run for so many simulated quarter hours, of 4 s each."""
    return Meter(spec, TimeLapse(start), lambda: int(quarters * 4000))


def profile_of(meter: Meter, begin: int | None = None, end: int | None = None) -> LoadProfile:
    found = meter.profile(PATH, None if begin is None else Time(2, begin), None if end is None else Time(2, end))
    assert found is not None
    return found


def shown(meter: Meter) -> tuple[int, ...]:
    return tuple(value for register, value in meter.values() if register.drive is not Drive.POWER)


def test_every_row_is_what_the_registers_showed_then() -> None:
    rows = profile_of(meter_at(300)).rows
    assert len(rows) == 301
    for place in (0, 1, 95, 96, 97, 200, 300):
        assert rows[place].time == Time(2, START + place * QUARTER)
        assert tuple(value.value for value in rows[place].values if value) == shown(meter_at(place))


def test_a_part_of_the_past_has_the_same_rows() -> None:
    meter = meter_at(300)
    rows = profile_of(meter).rows
    assert profile_of(meter, START + 250 * QUARTER, START + 260 * QUARTER).rows == rows[250:261]
    assert profile_of(meter, START + 10 * QUARTER + 1, START + 12 * QUARTER - 1).rows == rows[11:12]


def test_asking_for_the_past_moves_no_register() -> None:
    meter = meter_at(50)
    before = shown(meter)
    profile_of(meter)
    assert shown(meter) == before


def test_the_future_and_the_time_before_the_start_have_no_rows() -> None:
    meter = meter_at(4.5)
    assert len(profile_of(meter, 0, START + 99 * QUARTER).rows) == 5
    assert profile_of(meter, 0, START - 1).rows == ()
    assert profile_of(meter, START + 5 * QUARTER).rows == ()


def test_a_start_within_a_quarter_hour_gives_its_first_row_at_the_next_end() -> None:
    rows = profile_of(meter_at(3, start=START + 100)).rows
    assert [row.time.seconds for row in rows] == [START + QUARTER, START + 2 * QUARTER, START + 3 * QUARTER]


def test_columns_are_the_energy_registers_with_their_scaler() -> None:
    registers = tuple(register._replace(scaler=-4) for register in SPEC.registers)
    columns = profile_of(meter_at(1, SPEC._replace(registers=registers))).columns
    assert [str(column.obis) for column in columns] == [str(register.obis) for register in registers[:4]]
    assert {(column.unit, column.scaler) for column in columns} == {(30, -4)}


def test_the_profile_is_named_by_its_code_or_as_an_object() -> None:
    meter = meter_at(1)
    assert meter.profile((parameter_name(ObjectName(7, 1, LOAD_PROFILE)),), None, None) == profile_of(meter)
    assert meter.profile((b"\1\0\x63\2\0\xff",), None, None) is None
    assert meter.profile((), None, None) is None


@pytest.mark.parametrize("form", Form)
def test_the_gateway_fetches_a_simulated_week(form: Form) -> None:
    meter = meter_at(7 * 96)
    server, client = Server(meter), Client(b"gateway", b"\0\0\0\1")
    fetch = ProfileFetch(PATH, Time(2, START), Time(2, START + 7 * 96 * QUARTER), form=form)
    rows = []
    while (request := fetch.request(client)) is not None:
        (reply,) = server.receive(client.send([request], 0.0))
        assert isinstance(reply, Reply)
        (answers,) = client.receive(reply.octets)
        assert isinstance(answers, Answers)
        rows += [row for part in fetch.take(answers) for row in part.rows]
    assert tuple(rows) == profile_of(meter).rows


def test_seconds_of_operation_are_refused() -> None:
    server, client = Server(meter_at(9)), Client(b"gateway", b"\0\0\0\1")
    (reply,) = server.receive(client.send([client.get_profile(PATH, Time(1, 0), Time(1, 9))], 0.0))
    assert isinstance(reply, Reply)
    (answers,) = client.receive(reply.octets)
    assert isinstance(answers, Answers)
    (body,) = answers.bodies
    assert isinstance(body, AttentionResponse)
    assert attention_code(body.number) is AttentionCode.RANGE
