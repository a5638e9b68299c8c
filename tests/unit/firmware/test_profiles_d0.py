"""The section d0 of a meter profile."""

import pytest
from smgw.profiles.d0 import D0Profile, Way
from smgw.profiles.problems import ConfigurationError
from smgw.profiles.toml_importer import parse

HEAD = '[gateway]\ndevice_id = "ESMG0000000001"\n[[meter]]\nname = "house"\nport = "/dev/ttyUSB0"\n'


def parsed(lines: str) -> D0Profile:
    (meter,) = parse(HEAD + lines, "g.toml").meters
    assert isinstance(meter.options, D0Profile)
    return meter.options


def test_a_profile_needs_no_section() -> None:
    (meter,) = parse(HEAD + 'protocol = "d0"\n', "g.toml").meters
    assert meter.polled
    assert meter.content()


@pytest.mark.parametrize(("lines", "interval", "silence"), [("", 300, 900), ("interval = 60\n", 60, 180)])
def test_a_read_out_comes_every_five_minutes_unless_the_profile_says_otherwise(
    lines: str, interval: int, silence: int
) -> None:
    (meter,) = parse(HEAD + f'protocol = "d0"\n{lines}', "g.toml").meters
    assert (meter.interval, meter.silence, meter.registration_period) == (interval, silence, 900)


@pytest.mark.parametrize(("section", "period"), [("", 900), ('d0 = { wake_up = "nul" }\n', 3600)])
def test_the_registration_period_makes_no_meter_with_a_battery_be_read_more_often(section: str, period: int) -> None:
    (meter,) = parse(HEAD + f'protocol = "d0"\ninterval = 3600\n{section}', "g.toml").meters
    assert meter.registration_period == period


def test_the_keys_of_the_section_are_read() -> None:
    found = parsed(
        'protocol = "d0"\ninterval = 900\nobjects = ["1-0:1.8.0*255"]\n'
        'd0 = { medium = "heat", wake_up = "5500", initial_baudrate = 2400, read = "registers", switch_delay = 300 }\n'
    )
    assert (found.group_a, found.wake_up_octets, found.read) == (6, b"\x55\0", Way.REGISTERS)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('protocol = "d0"\nd0 = { wake_up = "nul" }\n', "write interval = 900"),
        ('protocol = "d0"\ninterval = 3600\nregistration_period = 900\nd0 = { wake_up = "nul" }\n', "its battery pays"),
        ('protocol = "d0"\nd0 = { read = "registers" }\n', "asks for each of objects"),
        ('protocol = "d0"\nd0 = { codes = "long" }\n', 'only read = "registers" uses it'),
        ('protocol = "d0"\npassword_file = "/p"\n', "a read-out needs no password"),
        ('protocol = "d0"\nd0 = { medium = "oil" }\n', "medium"),
        ('protocol = "d0-push"\nd0 = { wake_up = "nul" }\n', "only meters that are asked use it"),
    ],
)
def test_a_contradiction_is_told_with_its_remedy(lines: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parsed(lines)
