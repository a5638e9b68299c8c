"""A meter that is asked by D0: modes, rates, programming mode, load profiles."""

from typing import Any

import pytest
from d0_line import D0Line, D0Model, identification
from memory_line import START_US, FakeTime
from smgw.cosem import DeviceId, GatewayStatus, Obis
from smgw.iec62056.d0.meter import D0Meter
from smgw.iec62056.identification import BREAK
from smgw.iec62056.seven_bit import with_parity
from smgw.lmn.contract import Surroundings, Values
from smgw.lmn.d0.poll import D0Poll
from smgw.lmn.errors import AccessRefusedError, NoAnswerError, PollError
from smgw.profiles.d0 import Codes, D0Profile, Way
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.store.ranges import Range
from smgw.wire import Transmit

SECOND, QUARTER = 1_000_000, 900
NOW_S = START_US // SECOND
ENERGY, EXPORT = Obis.parse("1-0:1.8.0"), Obis.parse("1-0:2.8.0")
P01 = Obis.parse("1-0:99.1.0")


class Bench:
    """A meter and who asks it."""

    def __init__(
        self,
        options: D0Profile | None = None,
        *,
        baud_code: str = "5",
        maker: str = "LGZ",
        rows: list[int] | None = None,
        password: bytes = b"",
        ours: bytes | None = None,
        objects: tuple[Obis, ...] = (),
        address: str = "",
        **line: Any,
    ) -> None:
        time = FakeTime()
        self.model = D0Model(rows)
        station = D0Meter(identification(baud_code, maker), self.model, password=password, device_address=address)
        self.line = D0Line(time, station, **line)
        self.port = self.line.port
        profile = MeterProfile("house", "d0", "/dev/null", objects=objects, options=options or D0Profile(), timeout=2)
        secrets = Secrets() if ours is None else Secrets(password=ours)
        self.meter = D0Poll(profile, secrets, Surroundings(time, now=time))

    def poll(self) -> Values:
        ((found,),) = self.meter.poll(self.port)
        assert isinstance(found, Values)
        return found

    def registers(self) -> dict[str, object]:
        return {str(one.obis): one.value.value for one in self.poll().readings}


@pytest.mark.parametrize(
    ("baud_code", "rate"), [("5", 9600), ("0", 300), ("4", 4800), ("E", 9600), ("B", 1200), ("?", 300)]
)
def test_a_read_out_comes_in_each_mode_at_the_rate_of_the_meter(baud_code: str, rate: int) -> None:
    bench = Bench(baud_code=baud_code)
    found = bench.poll()
    assert found.device == DeviceId(b"4711")
    assert bench.line.rates == [300, rate]
    assert {str(one.obis): one.value.value for one in found.readings}["1-0:1.8.0*255"] == 12345


def test_the_acknowledgement_goes_out_at_the_old_rate() -> None:
    bench = Bench()
    bench.poll()
    assert bench.line.requests == [b"/?!\r\n", b"\x06050\r\n"]


def test_no_higher_rate_is_asked_for_than_the_profile_allows() -> None:
    bench = Bench(baud_code="6")
    bench.poll()
    assert bench.line.rates == [300, 9600]


def test_a_fast_meter_is_heard_too() -> None:
    assert Bench(maker="LGz").registers()


def test_a_read_out_costs_no_wait_behind_its_end() -> None:
    bench = Bench(baud_code="?")
    began = bench.line.time.now
    bench.poll()
    assert bench.line.time.now - began < 5


def test_a_head_that_echoes_disturbs_nothing() -> None:
    assert Bench(echo=True).registers() == Bench().registers()


def test_a_rate_without_data_is_followed_by_a_break_and_the_rate_below() -> None:
    bench = Bench(deaf_above=2400)
    assert bench.registers()
    assert bench.line.rates == [300, 9600, 300, 4800, 300, 2400]
    assert bench.line.requests.count(BREAK) == 2


def test_the_lower_rate_is_remembered_for_a_day() -> None:
    bench = Bench(deaf_above=4800)
    bench.poll()
    del bench.line.rates[:]
    bench.poll()
    assert bench.line.rates == [300, 4800]
    bench.line.time.sleep(86_400)
    del bench.line.rates[:]
    bench.poll()
    assert bench.line.rates[1] == 9600


def test_after_the_lowest_rate_the_highest_is_tried_again() -> None:
    bench = Bench()
    bench.model.registers["1.8.0"] = "(not closed"
    for _ in range(2):
        with pytest.raises(PollError):
            bench.poll()
    del bench.model.registers["1.8.0"]
    del bench.line.rates[:]
    bench.poll()
    assert bench.line.rates == [300, 9600], "three tries a poll: 9600 to 300"


def test_a_damaged_read_out_is_asked_again() -> None:
    bench = Bench(damage=b"1.8.0")
    assert bench.registers()["1-0:1.8.0*255"] == 12345
    assert bench.line.meter.read_outs == 2


def without_check_value() -> Transmit:
    return Transmit(with_parity(b"1.8.0(000123.45*kWh)\r\n!\r\n"))


def test_a_read_out_without_check_value_counts_until_the_meter_sent_one(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    with monkeypatch.context() as patch:
        patch.setattr(bench.line.meter, "_data", without_check_value)
        assert bench.registers() == {"1-0:1.8.0*255": 12345}
    bench.poll()
    monkeypatch.setattr(bench.line.meter, "_data", without_check_value)
    with pytest.raises(PollError, match="without check value"):
        bench.poll()


def test_a_meter_whose_data_never_come_is_told_with_its_rate() -> None:
    bench = Bench(deaf_above=200)
    with pytest.raises(NoAnswerError, match="identification"):
        bench.poll()


def test_a_battery_meter_is_woken_up_first() -> None:
    bench = Bench(D0Profile(wake_up="nul"), asleep=True)
    assert bench.registers()
    assert bench.line.requests[0] == bytes(66)


def test_other_octets_can_wake_a_meter_up() -> None:
    bench = Bench(D0Profile(wake_up="5500"))
    bench.poll()
    assert bench.line.requests[0] == b"\x55\0" * 33


def test_a_meter_with_an_address_answers_to_it() -> None:
    bench = Bench(D0Profile(device_address="12345678"), address="12345678")
    bench.poll()
    assert bench.line.requests[0] == b"/?12345678!\r\n"


def test_wanted_objects_alone_are_read_and_missing_ones_are_named_once(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(objects=(ENERGY, Obis.parse("1-0:16.7.0")))
    assert list(bench.registers()) == ["1-0:1.8.0*255"]
    bench.poll()
    assert caplog.text.count("has no 1-0:16.7.0*255") == 1


# Programming mode.

SINGLE = D0Profile(read=Way.REGISTERS)


def test_single_registers_are_read_in_programming_mode() -> None:
    bench = Bench(SINGLE, objects=(ENERGY, EXPORT))
    found = bench.poll()
    assert found.device == DeviceId(b"4711")
    assert [one.value.value for one in found.readings] == [12345, 10]
    assert b"\x01R5\x021.8.0()\x03" in b"".join(bench.line.requests)


def test_programming_mode_stays_open_and_a_break_ends_it() -> None:
    bench = Bench(SINGLE, objects=(ENERGY,))
    bench.poll()
    bench.poll()
    assert bench.line.rates.count(300) == 1
    bench.meter.close(bench.port)
    assert bench.line.requests[-1] == BREAK
    assert not bench.line.meter.programming
    assert bench.poll()


def test_long_codes_are_asked_for_where_the_profile_says_so() -> None:
    bench = Bench(D0Profile(read=Way.REGISTERS, codes=Codes.LONG, register_command="R1"), objects=(ENERGY,))
    bench.model.registers = {"1-0:1.8.0*255": "(1*kWh)"}
    assert bench.registers() == {"1-0:1.8.0*255": 1}
    assert bench.poll().device == DeviceId(b"house")


def test_the_password_is_shown_before_the_first_command() -> None:
    bench = Bench(SINGLE, objects=(ENERGY,), password=b"12345678", ours=b"12345678")
    assert bench.registers() == {"1-0:1.8.0*255": 12345}
    assert b"\x01P1\x02(12345678)\x03" in b"".join(bench.line.requests)


def test_a_refused_password_is_told_and_not_tried_again() -> None:
    bench = Bench(SINGLE, objects=(ENERGY,), password=b"12345678", ours=b"0")
    with pytest.raises(AccessRefusedError, match="password_file"):
        bench.poll()
    assert sum(b"P1" in one for one in bench.line.requests) == 1


def test_a_head_that_echoes_does_not_disturb_programming_mode() -> None:
    bench = Bench(SINGLE, objects=(ENERGY,), password=b"12345678", ours=b"12345678", echo=True)
    assert bench.registers() == {"1-0:1.8.0*255": 12345}


def test_a_register_that_the_meter_lacks_costs_no_other() -> None:
    bench = Bench(SINGLE, objects=(Obis.parse("1-0:5.8.0"), ENERGY))
    assert bench.registers() == {"1-0:1.8.0*255": 12345}


def test_a_meter_in_mode_a_has_no_programming_mode() -> None:
    with pytest.raises(PollError, match="no programming mode"):
        Bench(SINGLE, objects=(ENERGY,), baud_code="?").poll()


# Load profiles.

ROWS = [NOW_S - 3 * 86_400 + place * QUARTER for place in range(1, 3 * 96)]


def fetched(bench: Bench, since: int, until: int) -> list[int]:
    bench.poll()
    source = bench.meter.load_profile(P01, Range(since * SECOND, until * SECOND))
    rows = []
    while not source.done:
        rows += source.step(bench.port).rows
    return [row.target_time_us // SECOND for row in rows]


@pytest.mark.parametrize("command", ["R5", "R6"])
def test_a_load_profile_is_complete_and_each_row_comes_once(command: str) -> None:
    bench = Bench(D0Profile(profile_command=command), rows=ROWS)
    assert fetched(bench, ROWS[0], NOW_S) == ROWS


def test_a_head_that_echoes_does_not_disturb_a_load_profile_in_blocks() -> None:
    bench = Bench(D0Profile(profile_command="R6"), rows=ROWS, echo=True)
    assert fetched(bench, ROWS[0], NOW_S) == ROWS


def test_the_rows_have_values_units_and_status() -> None:
    bench = Bench(rows=ROWS)
    bench.poll()
    source = bench.meter.load_profile(P01, Range(ROWS[0] * SECOND, ROWS[3] * SECOND))
    row = source.step(bench.port).rows[0]
    assert [(str(one.obis), one.scaler, one.unit) for one in row.readings] == [
        ("1-0:1.5.0*255", 0, 27),
        ("1-0:2.5.0*255", 1, 27),
    ]
    assert row.readings[0].value.value == ROWS[0] % 9000
    assert row.readings[0].status is not None
    assert row.readings[0].status.value == 8


def test_days_before_the_meter_was_there_are_empty() -> None:
    bench = Bench(rows=ROWS)
    assert fetched(bench, ROWS[0] - 5 * 86_400, NOW_S) == ROWS


def test_a_meter_without_this_profile_is_told() -> None:
    bench = Bench(rows=[])
    with pytest.raises(Exception, match=r"P\.01: the meter answers ERROR"):
        fetched(bench, NOW_S - 86_400, NOW_S)


def test_a_damaged_block_is_asked_again() -> None:
    bench = Bench(rows=ROWS, damage=b"P.01(2")
    assert fetched(bench, ROWS[-20], ROWS[-1]) == ROWS[-20:]


def test_after_a_load_profile_a_read_out_is_possible_at_once() -> None:
    bench = Bench(rows=ROWS)
    fetched(bench, ROWS[-20], ROWS[-1])
    assert bench.registers()


def test_a_meter_with_a_wrong_check_value_is_read_unchecked_where_the_profile_says_so() -> None:
    bench = Bench(D0Profile(ignore_bcc=True), baud_code="?")
    receive = bench.line.meter.receive

    def wrong(octets: bytes) -> list[Any]:
        outs = receive(octets)
        return [
            one._replace(octets=one.octets[:-1] + b"!") if len(getattr(one, "octets", b"")) > 40 else one
            for one in outs
        ]

    bench.line.meter.receive = wrong  # type: ignore[method-assign]
    assert bench.poll().flags == GatewayStatus.NOT_VALIDATED
