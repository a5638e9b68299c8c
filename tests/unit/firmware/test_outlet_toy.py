"""How to add an outlet: one folder with an entry and its code, and no other file of the product."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from captures_made import DEVICE
from delivered import reached
from delivering import Gateway
from small_emp import SmallEmp
from smgw.profiles import ConfigurationError, outlets
from smgw.profiles.gateway import Configuration
from smgw.profiles.toml_importer import parse
from smgw.services.deliveries import orders_of
from smgw.store.wan.records import ChannelKind
from smgw.store.wan.view import WanView
from smgw.wan.dispatcher import Dispatcher
from smgw.wan.outlet import open_outlet

TOY = Path(__file__).parents[2] / "support" / "toy_outlet"
METERS = """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/ttyUSB0"
"""


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The toy's folder is one of the outlets'."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    outlets.__path__.append(str(TOY))
    yield
    outlets.__path__.remove(str(TOY))
    for name in [one for one in sys.modules if one.endswith(("outlets.toy", "outlets._letters"))]:
        del sys.modules[name]


@pytest.fixture
def emp() -> Iterator[SmallEmp]:
    with SmallEmp() as made:
        yield made


def configured(folder: Path, emp: SmallEmp) -> Configuration:
    return parse(
        f'{METERS}[[emp]]\nname = "toy"\noutlet = "toy"\nfolder = "{folder}"\nbatch = 10\n'
        f'[[emp]]\nname = "demo"\nurl = "{emp.url}"\ninsecure = true\n',
        "g.toml",
    )


def dispatchers(configuration: Configuration, gateway: Gateway) -> dict[str, Dispatcher]:
    return {
        order.emp.name: gateway.dispatcher_to(order.emp, list(order.granted), open_outlet(order.gateway, order.emp))
        for order in orders_of(configuration)
    }


def test_two_outlets_of_different_kinds_serve_one_feed(toy: None, emp: SmallEmp, tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, emp.url)
    folder = tmp_path / "letters"
    folder.mkdir()
    by_name = dispatchers(configured(folder, emp), gateway)
    numbers = gateway.append(25)
    for dispatcher in by_name.values():
        assert dispatcher.deliver_round() is None
    lines = (folder / "letters").read_text().splitlines()
    assert lines == [f"{DEVICE} {gateway.lmn.store_id} {number}" for number in numbers]
    assert emp.numbers() == numbers
    assert [reached(gateway.wan, who, gateway.lmn.store_id) for who in by_name] == [numbers[-1]] * 2
    for dispatcher in by_name.values():
        dispatcher.stop()
        dispatcher.run()
    gateway.close()


def test_the_rules_of_rejected_rows_hold_for_any_outlet(toy: None, emp: SmallEmp, tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, emp.url)
    folder = tmp_path / "letters"
    dispatcher = dispatchers(configured(folder, emp), gateway)["toy"]
    numbers = gateway.append(25)
    assert dispatcher.deliver_round() is not None
    with WanView.open(tmp_path) as view:
        (channel,) = view.channels()
        assert (channel.state, channel.detail) == (ChannelKind.BACKING_OFF, "the folder is not there")
    folder.mkdir()
    (folder / "unwanted").write_text(f"{numbers[3]}\n")
    assert dispatcher.deliver_round() is None
    (aside,) = gateway.wan.set_aside("toy")
    assert (aside.record_number, aside.device, aside.reason) == (numbers[3], DEVICE, "an unwanted row")
    assert len((folder / "letters").read_text().splitlines()) == 24
    dispatcher.stop()
    dispatcher.run()
    gateway.close()


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        parse(text, "g.toml")
    return [str(problem).removeprefix("g.toml:") for problem in raised.value.problems]


@pytest.mark.parametrize(
    ("emp_keys", "told"),
    [
        (
            'outlet = "toy"\nfolder = "/x"\ntimeout = 3',
            ["11: [[emp]] timeout: unknown key; a folder answers at once; leave it out"],
        ),
        (
            'outlet = "toy"\nfolder = "/x"\nurl = "http://a"',
            ['11: [[emp]] url: unknown key; outlet toy does not use it; leave it out, or write outlet = "cosem-xml"'],
        ),
        (
            'url = "https://a"\nfolder = "/x"',
            [
                "10: [[emp]] folder: unknown key; outlet cosem-xml does not use it; leave it out, or write "
                'outlet = "toy"'
            ],
        ),
        ('outlet = "toy"', ['7: [[emp]] folder: is missing; write folder = "/srv/letters"']),
        (
            'outlet = "tyo"\nfolder = "/x"',
            ['9: [[emp]] outlet: "tyo" is wrong here; write "cosem-xml" or "toy" (did you mean "toy"?)'],
        ),
    ],
)
def test_a_key_that_an_outlet_does_not_use_is_refused_with_what_is_right(
    toy: None, emp_keys: str, told: list[str]
) -> None:
    assert faults(f'{METERS}[[emp]]\nname = "lab"\n{emp_keys}\n') == told


def test_a_profile_s_version_holds_the_keys_of_its_outlet(toy: None, tmp_path: Path, emp: SmallEmp) -> None:
    first, second = configured(tmp_path, emp).emps
    assert first.content() == (
        f'{{"batch":10,"forward":5,"meters":[],"name":"toy","options":"{tmp_path}","outlet":"toy"}}'
    )
    assert "outlet" not in second.content()
