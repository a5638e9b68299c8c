"""The section s0 of a meter profile, and what a GPIO line cannot have."""

import pytest
from smgw.profiles.problems import ConfigurationError
from smgw.profiles.s0 import MEDIA, QUANTITIES, S0Profile
from smgw.profiles.toml_importer import parse

HEAD = '[gateway]\ndevice_id = "ESMG0000000001"\n'
METER = HEAD + '[[meter]]\nname = "boiler"\nprotocol = "s0"\nport = "gpio://pinctrl-bcm2711/17?active=low"\n'


def options(line: str) -> S0Profile:
    found = parse(METER + line, "g.toml").meter("boiler").options
    assert isinstance(found, S0Profile)
    return found


def test_without_a_section_a_pulse_is_a_watt_hour_of_at_least_10_ms() -> None:
    found = options("")
    assert found == S0Profile()
    assert found.shortest_ns == 10_000_000
    assert list(map(str, found.registers)) == ["1-0:1.8.0*255", "1-0:1.7.0*255"]


def test_a_gas_meter_has_the_pulses_of_a_reed_contact() -> None:
    found = options('s0 = { pulses = 1, per = "10 l", medium = "gas", start = "1234.56" }')
    assert found.shortest_ns == 100_000_000
    assert found.registers[1] is None
    assert found.quantity.name == "m³"


@pytest.mark.parametrize("medium", MEDIA)
@pytest.mark.parametrize("per", QUANTITIES)
def test_a_medium_is_counted_in_its_own_units(medium: str, per: str) -> None:
    volume = QUANTITIES[per].name == "m³"
    line = f's0 = {{ per = "{per}", medium = "{medium}" }}'
    if MEDIA[medium].volume if volume else MEDIA[medium].energy:
        assert options(line).medium == medium
    else:
        with pytest.raises(ConfigurationError, match="is not counted in"):
            options(line)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('s0 = { per = "l" }', "write medium = "),
        ('s0 = { medium = "gas" }', 'write per = "10 l"'),
        ('s0 = { start = "12,5" }', "the dial as text"),
        ("s0 = { pulses = 0 }", "from 1 to 1000000"),
        ("baudrate = 9600", "a GPIO line has no line settings"),
        ("password_file = 'x'", "s0 has no password_file"),
    ],
)
def test_a_fault_says_what_would_be_right(line: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        options(line)
    assert words in str(caught.value)


@pytest.mark.parametrize("port", ["/dev/ttyUSB0", "socket://127.0.0.1:7000", "spy:///tmp/boiler"])
def test_pulses_come_from_a_gpio_line_and_nothing_else_does(port: str) -> None:
    with pytest.raises(ConfigurationError, match='write port = "gpio://chip/line"'):
        parse(METER.replace("gpio://pinctrl-bcm2711/17?active=low", port), "g.toml")
    with pytest.raises(ConfigurationError, match="a GPIO line carries pulses alone"):
        parse(METER.replace('"s0"', '"sml-push"'), "g.toml")


def test_simulated_pulses_come_from_a_link_to_a_pseudo_terminal() -> None:
    found = parse(METER.replace("gpio://pinctrl-bcm2711/17?active=low", "/tmp/smsim-boiler"), "g.toml")
    assert found.meter("boiler").port == "/tmp/smsim-boiler"


def test_two_meters_cannot_share_a_line() -> None:
    other = METER.removeprefix(HEAD).replace("boiler", "other").replace("?active=low", "")
    with pytest.raises(ConfigurationError, match="a port of its own"):
        parse(METER + other, "g.toml")
