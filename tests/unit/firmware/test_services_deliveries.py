"""What a dispatcher works by."""

import pytest
from smgw.profiles.toml_importer import parse
from smgw.services.deliveries import Order, orders_of

TEXT = """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "solar"
protocol = "sml-poll"
port = "/dev/ttyUSB0"
[[emp]]
name = "lab"
url = "http://a"
insecure = true
"""


def orders(text: str) -> list[Order]:
    return list(orders_of(parse(text, "g.toml")))


@pytest.mark.parametrize(
    "changed", ["timeout = 9", "interval = 5", "registration_period = 60", 'objects = ["1-0:1.8.0"]', "retries = 0"]
)
def test_a_key_of_a_meter_that_delivery_does_not_use_changes_no_order(changed: str) -> None:
    assert orders(TEXT.replace("[[emp]]", f"{changed}\n[[emp]]")) == orders(TEXT)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("[[emp]]", 'device_id = "1ISK0071234567"\n[[emp]]'),
        ("http://a", "http://b"),
        ('"http://a"', '"http://a"\ntimeout = 3'),
        ('"http://a"', '"http://a"\nforward = "immediate"'),
        ("[[emp]]", '[[meter]]\nname = "b"\nprotocol = "sml-push"\nport = "/dev/ttyUSB1"\n[[emp]]'),
    ],
)
def test_what_delivery_works_by_changes_the_order(was: str, becomes: str) -> None:
    assert orders(TEXT.replace(was, becomes)) != orders(TEXT)


def test_meters_named_one_by_one_are_the_same_order_as_all() -> None:
    assert orders(f'{TEXT}meters = ["solar"]\n') == orders(TEXT)
