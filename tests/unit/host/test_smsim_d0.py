"""smsim's meters with D0: their configuration, read-outs, single registers and load profile."""

from zoneinfo import ZoneInfo

import pytest
from smgw.iec62056.d0.profile import bound, rows_of
from smgw.iec62056.d0.read_out import ReadOut, ReadOutReader
from smgw.iec62056.d0.values import values
from smsim.config import MeterConfig, parse
from smsim.d0.model import D0Model, D0Pushes
from smsim.errors import ConfigError
from smsim.load.timelapse import TimeLapse
from smsim.sml.meter import Meter

HEAD = '[[meter]]\nname = "barn"\ndevice = "1LGZ0000000001"\n'
PTY = HEAD + 'port = "pty:/tmp/barn"\n'
BERLIN = ZoneInfo("Europe/Berlin")
START, HOUR = 1_767_222_000, 3600  # 2026-01-01 in legal time


def configured(lines: str) -> MeterConfig:
    (found,) = parse(PTY + lines).meters
    return found


def meter(elapsed_ms: int = 48_000) -> Meter:
    """Three hours after the start: a quarter hour takes 4 s."""
    return Meter(configured('d0 = "C"').spec, TimeLapse(START), lambda: elapsed_ms)


@pytest.mark.parametrize(
    ("lines", "code"),
    [('d0 = "C"', "5"), ('d0 = "C"\nd0_baud = 300', "0"), ('d0 = "B"', "E"), ('d0 = "A"', " "), ('d0 = "push"', "")],
)
def test_the_mode_and_the_rate_make_the_identification(lines: str, code: str) -> None:
    found = configured(lines).d0
    assert found is not None
    assert found.baud_code == code


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PTY + 'd0 = "D"', "write one of A, B, C, push"),
        (PTY + 'd0 = "C"\nd0_baud = 1000', "has no 1000 Bd"),
        (PTY + 'd0 = "C"\nanswers = true', "leave it out"),
        (PTY + 'd0 = "C"\np1 = "5"', "one protocol"),
        (HEAD + 'port = "tcp:0"\nd0 = "push"', "write tcp-push:"),
        (HEAD + 'port = "tcp-push:0"\nd0 = "C"', "write tcp:"),
    ],
)
def test_a_wrong_configuration_is_told_with_its_remedy(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse(text)


def test_a_push_is_a_read_out_with_parity_of_its_device_and_registers() -> None:
    one = meter()
    (found,) = ReadOutReader().receive(D0Pushes(one).telegram())
    assert isinstance(found, ReadOut)
    told = values(found.sets, 1)
    assert told.id == bytes(one.device)
    shown = {reading.obis: reading.value.value for reading in told.readings}
    assert all(shown[register.obis] == value for register, value in one.values())


def test_a_register_is_found_by_its_short_and_its_long_code() -> None:
    model = D0Model(meter())
    assert model.register("1.8.0") == model.register("1-0:1.8.0*255") is not None
    assert model.register("9.9.9") is None


def test_the_load_profile_is_that_of_the_meter() -> None:
    one = meter()
    text = D0Model(one).profile("P.01", bound(START, BERLIN), bound(START + HOUR, BERLIN))
    rows, period = rows_of(text.encode(), 1, BERLIN)
    assert period == 900
    assert [row.utc_us // 1_000_000 for row in rows] == list(range(START, START + HOUR + 1, 900))
    expected = dict(one.moments(START, START + HOUR))
    assert [tuple(reading.value.value for reading in row.readings) for row in rows] == list(expected.values())


def test_a_range_without_rows_and_an_unknown_profile_are_errors() -> None:
    model = D0Model(meter())
    assert model.profile("P.01", bound(START - 2 * HOUR, BERLIN), bound(START - HOUR, BERLIN)) == "P.01(ERROR)"
    assert model.profile("P.02", "", "") == "P.02(ERROR)"
