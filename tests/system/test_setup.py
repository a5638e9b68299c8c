"""`smgw setup` at a terminal, with meters of smsim and a head-end."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from emp_process import running as head_end
from line_meter import PolledMeter
from simulated import simulated
from smgw.profiles.toml_importer import load
from terminal import Terminal

METERS = """
[[meter]]
name = "roof"
device = "1EMH0005347109"
style = "emh-mme"
port = "pty:{link}"
"""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[str]:
    """An optical head over a meter that pushes."""
    link = tmp_path / "head"
    with simulated(METERS.format(link=link)):
        yield str(link)


def setup(directory: Path, *options: str) -> Terminal:
    return Terminal("smgw", "setup", "--config", "gateway.toml", *options, directory=directory)


def test_a_user_gets_a_configuration_by_answering_questions(tmp_path: Path, port: str) -> None:
    with head_end(tmp_path / "emp.db") as emp, setup(tmp_path) as user:
        user.answer("Id of this gateway", "house")
        user.expect('"house" is no DIN 43863-5 id')
        user.answer("Id of this gateway", "ESMG0000000042")
        user.answer("Time servers", "ntp.example.org 192.0.2.1:123")
        user.answer("Ports with a meter", port)
        user.expect("9600 8N1: listening")
        user.expect("Found: sml-push, device 1EMH0005347109")
        user.expect("Name of this meter [emh-7109]: ")
        user.write("My House")
        user.expect('"My House" is no name')
        user.answer("Name of this meter", "")
        user.answer("How often is a value stored?", "7 s")
        user.expect('"7 s" is no period')
        user.answer("How often is a value stored?", "5 minutes")
        user.answer("URL of the EMP", f"http://127.0.0.1:{emp.port}/")
        user.answer("Permit it (insecure = true)?", "")
        user.expect("a head-end answers")
        user.answer("Name of this EMP", "lab")
        user.answer("Write this to gateway.toml?", "")
        user.expect("gateway.toml: written")
        user.expect("smgw run --config gateway.toml")
        assert user.end() == 0
    configuration = load(tmp_path / "gateway.toml")
    assert str(configuration.gateway.device_id) == "ESMG0000000042"
    assert configuration.gateway.ntp == ("ntp.example.org", "192.0.2.1:123")
    (meter,), (emp_profile,) = configuration.meters, configuration.emps
    assert (meter.name, meter.protocol, meter.port, meter.registration_period) == ("emh-7109", "sml-push", port, 300)
    assert (emp_profile.name, emp_profile.url) == ("lab", f"http://127.0.0.1:{emp.port}")
    assert stat.S_IMODE((tmp_path / "gateway.toml").stat().st_mode) == 0o644


OLD = '[gateway]\ndevice_id = "ESMG0000000007"\n[[meter]]\nname = "old"\nprotocol = "sml-push"\nport = "/dev/ttyS99"\n'


@pytest.mark.parametrize("question", ["Replace it?", "Time servers", "Ports with a meter"])
def test_an_interrupted_setup_leaves_the_old_file(tmp_path: Path, question: str) -> None:
    (tmp_path / "gateway.toml").write_text(OLD)
    answers = {"Replace it?": "y", "Id of this gateway": "", "Time servers": "", "Keep the meters": "n"}
    with setup(tmp_path) as user:
        for asked, answer in answers.items():
            if asked == question:
                break
            user.answer(asked, answer)
        user.expect(question)
        user.interrupt("interrupted; nothing was written, gateway.toml is as it was")
        assert user.end() == 130
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("gateway.toml", OLD)]


def test_no_to_the_last_question_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(OLD)
    with setup(tmp_path, "--ntp", "system", "--emp", "none", "--keep", "--port", "/dev/ttyS98") as user:
        user.answer("Replace it?", "yes")
        user.answer("Id of this gateway", "")
        user.expect("/dev/ttyS98: there is no such device")
        user.expect("This port is left out")
        user.answer("Write this to gateway.toml?", "n")
        assert user.end() == 1
    assert (tmp_path / "gateway.toml").read_text() == OLD


def test_a_password_is_asked_without_echo_and_goes_into_a_file_of_its_own(tmp_path: Path) -> None:
    with (
        PolledMeter() as meter,
        setup(tmp_path, "--ntp", "system", "--emp", "none", "--every", "hour", "--port", meter.url) as user,
    ):
        user.answer("Id of this gateway", "")
        user.answer("Name of this meter", "solar")
        user.answer("Password (empty: none; it is not shown)", "geheim-42")
        user.answer("User name", "reader")
        user.answer("Write this to gateway.toml?", "y")
        assert user.end() == 0
        assert "geheim" not in user.shown
    (profile,) = load(tmp_path / "gateway.toml").meters
    assert (profile.username, profile.password_file) == ("reader", tmp_path / "solar.password")
    assert "geheim" not in (tmp_path / "gateway.toml").read_text()
    assert (tmp_path / "solar.password").read_text() == "geheim-42\n"
    assert stat.S_IMODE((tmp_path / "solar.password").stat().st_mode) == 0o600


def test_ports_that_cannot_be_opened_are_left_out_and_without_a_meter_nothing_is_written(tmp_path: Path) -> None:
    with setup(tmp_path, "--ntp", "system", "--emp", "none", "--port", "socket://127.0.0.1:9") as user:
        user.answer("Id of this gateway", "")
        user.expect("cannot connect: Connection refused")
        user.expect("This port is left out")
        user.expect("a gateway reads at least one meter")
        assert user.end() == 2
    assert list(tmp_path.iterdir()) == []
