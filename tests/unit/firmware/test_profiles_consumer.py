"""The table [[consumer]]: who may see which meters at the HAN, and whose log book gets what concerns them."""

import pytest
from smgw.profiles.consumer import ConsumerProfile
from smgw.profiles.problems import ConfigurationError
from smgw.profiles.toml_importer import parse

GATEWAY = """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/null"
"""


def consumer(more: str) -> str:
    return f"{GATEWAY}[[consumer]]\n{more}"


def test_a_consumer_has_meters_for_a_time() -> None:
    text = consumer('name = "anna"\nmeters = ["house"]\nbegin = 2026-07-01\nend = 2026-08-01T00:00:00Z\n')
    (one,) = parse(text, "gateway.toml").residents
    assert one == ConsumerProfile("anna", ("house",), 1_782_856_800, 1_785_542_400)


def test_what_concerns_the_meter_goes_into_the_consumers_log_book() -> None:
    found = parse(consumer('name = "anna"\nmeters = ["house"]\n'), "gateway.toml")
    assert found.consumers == {"house": ("anna",)}


@pytest.mark.parametrize(
    ("more", "key", "said"),
    [
        ('meters = ["house"]\n', "name", "is missing"),
        ('name = "anna"\n', "meters", "is missing"),
        ('name = "an na"\nmeters = ["house"]\n', "name", "without blanks"),
        ('name = "anna"\nmeters = ["hause"]\n', "meters", 'no meter has the name "hause"'),
        ('name = "anna"\nmeters = ["house"]\nbegin = 2026-02-01\nend = 2026-01-01\n', "end", "not after begin"),
        ('name = "anna"\nmeters = ["house"]\nbegin = "2026"\n', "begin", "is no time"),
        ('name = "anna"\nmeters = ["house"]\nrole = "srv"\n', "role", "unknown key"),
    ],
    ids=["no name", "no meters", "blank", "no such meter", "end before begin", "text", "unknown"],
)
def test_a_fault_names_the_key(more: str, key: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse(consumer(more), "gateway.toml")
    (problem,) = raised.value.problems
    assert (problem.section, problem.key) == ("[[consumer]]", key)
    assert said in problem.text
