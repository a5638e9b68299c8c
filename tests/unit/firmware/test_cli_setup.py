"""`smgw setup` without a terminal: options for everything, and what it says where one is missing."""

import os
import stat
import threading
import tomllib
from pathlib import Path

import pytest
from dlms_line_meter import DlmsMeter, Model
from line_meter import Head, PolledMeter
from small_emp import SmallEmp
from smgw.cli import main, setup_dialogue, setup_emp, setup_file, setup_meters
from smgw.cli.setup_answers import period
from smgw.errors import SmgwError
from smgw.lmn.d0 import scan as scan_d0
from smgw.lmn.dlms import scan as scan_dlms
from smgw.lmn.mbus import scan as scan_mbus
from smgw.lmn.scan import Scan
from smgw.lmn.sml import scan as scan_sml
from smgw.profiles.dlms import DlmsProfile
from smgw.profiles.toml_importer import load, parse

METER = "name=house protocol=sml-push port=/dev/ttyUSB0"
REST = ("--ntp", "system", "--emp", "none")


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = Scan

    def fast(port: str, say: object, **_: object) -> Scan:
        return real(port, say, listen_s=0.05, timeout_s=0.1)  # type: ignore[arg-type]

    monkeypatch.setattr(setup_meters, "Scan", fast)
    monkeypatch.setattr(scan_sml, "PUSH", scan_sml.PUSH._replace(lines=((9600, "N"),)))
    monkeypatch.setattr(scan_dlms, "PUSH", scan_dlms.PUSH._replace(lines=((9600, "N"),)))
    monkeypatch.setattr(scan_sml, "_SPEEDS", (9600,))
    monkeypatch.setattr(scan_dlms, "_SPEEDS", (9600,))
    monkeypatch.setattr(scan_mbus, "_SPEEDS", (9600,))
    monkeypatch.setattr(scan_d0, "_WAYS", ((2400, ""),))
    monkeypatch.setattr(scan_dlms, "_SIGNED_ON", 0)
    monkeypatch.setattr(scan_dlms, "_ADDRESSES", (DlmsProfile(),))
    monkeypatch.chdir(tmp_path)


def setup(*options: str) -> int:
    return main(["setup", "--config", "g.toml", *options])


def test_missing_answers_are_named_by_their_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert setup() == 2
    told = capsys.readouterr().err
    assert told.startswith("smgw setup: there is no terminal to ask at; give also --port PORT, or --meter")
    assert "--ntp HOST, or --ntp system" in told
    assert "--emp URL, or --emp none" in told
    assert not Path("g.toml").exists()


def test_options_for_everything_write_a_configuration() -> None:
    flat = "name=flat protocol=dlms port=/dev/ttyUSB1 interval=10 dlms.physical=17"
    options = ("--meter", METER, "--meter", flat, "--device-id", "ESMG0000000009", "--every", "hour")
    assert setup(*options, "--ntp", "a.example.org", "--ntp", "b.example.org:1123", "--emp", "none") == 0
    configuration = load("g.toml")
    assert str(configuration.gateway.device_id) == "ESMG0000000009"
    assert configuration.gateway.ntp == ("a.example.org", "b.example.org:1123")
    house, flat_meter = configuration.meters
    assert (house.name, house.protocol, house.registration_period) == ("house", "sml-push", 3600)
    assert (flat_meter.interval, flat_meter.options.physical) == (10, 17)


def test_a_meter_that_answers_gets_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    with PolledMeter() as meter, DlmsMeter(wrapper=True) as other:
        assert setup("--port", meter.url, "--port", other.url, "--name", "house", *REST) == 0
        told = capsys.readouterr().out
        assert "Found: sml-poll" in told
        first, second = load("g.toml").meters
        assert (first.name, first.protocol, first.port) == ("house", "sml-poll", meter.url)
        assert (second.protocol, second.port, second.options.framing) == ("dlms", other.url, "wrapper")


def test_a_port_where_nothing_answers_is_told_with_the_way_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head = Head(tmp_path / "head")
    assert setup("--port", str(head.link), *REST) == 2
    head.unplug()
    told = capsys.readouterr().err
    assert f"Nothing answered at {head.link}. Check head, wires and port." in told
    assert f'--meter "name=house protocol=sml-push port={head.link}"' in told
    assert not Path("g.toml").exists()


def test_octets_that_are_no_telegram_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = Head(tmp_path / "head")
    stop = threading.Event()

    def send() -> None:
        while not stop.wait(0.01):
            head.send(b"the console of another computer; login, please\r\n")

    sender = threading.Thread(target=send)
    sender.start()
    try:
        assert setup("--port", str(head.link), *REST) == 2
    finally:
        stop.set()
        sender.join(5)
        head.unplug()
    assert f"No meter was found at {head.link}, but octets came: " in capsys.readouterr().err


def test_the_meters_of_a_bus_are_all_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan_dlms, "_ADDRESSES", (DlmsProfile(), DlmsProfile(physical=17)))
    head = Head(tmp_path / "head")
    meters = {17: Model(), 18: Model(name=b"UTB0000000000018")}
    with DlmsMeter(meters, master=head.master):
        assert setup("--port", str(head.link), "--all", "--addresses", "17-18", *REST) == 0
    head.unplug()
    assert [one.options.physical for one in load("g.toml").meters] == [17, 18]


def test_an_existing_file_is_replaced_only_by_force_and_kept_beside_the_new_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert setup("--meter", METER, *REST) == 0
    first = Path("g.toml").read_text()
    assert setup("--meter", METER, *REST) == 2
    assert "--force, because the file exists" in capsys.readouterr().err
    assert Path("g.toml").read_text() == first
    for _ in range(2):
        assert setup("--meter", METER.replace("house", "roof"), *REST, "--force") == 0
    assert Path("g.toml.old").read_text() == first
    assert Path("g.toml.old-2").read_text() == Path("g.toml").read_text()


def test_the_id_of_an_existing_file_stays_and_so_do_its_other_keys() -> None:
    Path("g.toml").write_text(
        '[gateway]\ndevice_id = "ESMG0000000077"\nntp = ["old.example.org"]\nretention = { live_days = 3 }\n'
    )
    assert setup("--meter", METER, "--ntp", "system", "--emp", "none", "--force") == 0
    gateway = load("g.toml").gateway
    assert str(gateway.device_id) == "ESMG0000000077"
    assert gateway.ntp == ()
    assert gateway.retention.live_days == 3


def test_keep_adds_to_what_is_there() -> None:
    assert setup("--meter", METER, "--ntp", "a.example.org", "--emp", "none") == 0
    with SmallEmp() as emp:
        assert (
            setup(
                "--meter", METER.replace("house", "roof").replace("USB0", "USB1"), "--emp", emp.url, "--keep", "--force"
            )
            == 0
        )
    configuration = load("g.toml")
    assert [meter.name for meter in configuration.meters] == ["house", "roof"]
    assert [one.name for one in configuration.emps] == ["emp"]
    assert configuration.gateway.ntp == ("a.example.org",)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--meter", "name=house", *REST), "protocol is missing; write protocol=sml-push"),
        (("--meter", "house", *REST), "house is no KEY=VALUE"),
        (("--meter", "name='house", *REST), "a quotation mark is not closed"),
        (("--meter", METER + " baudrat=300", *REST), "[[meter]] baudrat: unknown key"),
        (("--meter", METER, "--meter", METER, *REST), "is taken by another meter above"),
        (("--meter", METER, "--ntp", "a b c/d", "--emp", "none"), '"c/d" is no host'),
        (("--meter", METER, "--ntp", "system", "--emp", "ftp://x"), "is no HTTP address"),
        (("--meter", METER, *REST, "--every", "7 s"), '"7 s" is no period'),
        (("--meter", METER, *REST, "--device-id", "house"), '"house" is no DIN 43863-5 id'),
    ],
)
def test_a_wrong_answer_is_told_and_nothing_is_written(
    options: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert setup(*options) == 2
    assert said in capsys.readouterr().err
    assert not list(Path().iterdir())


def test_a_directory_that_is_not_there_is_told_before_any_question(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["setup", "--config", "nowhere/g.toml"]) == 2
    assert "there is no directory nowhere; make it" in capsys.readouterr().err


def test_a_server_that_is_no_head_end_is_told() -> None:
    with SmallEmp() as emp:
        well, what = setup_emp.probe(emp.url)
    assert not well
    assert what.startswith("a server answers ")


def test_an_emp_that_is_not_there_is_told() -> None:
    with SmallEmp() as emp:
        url = emp.url
    assert setup_emp.probe(url) == (
        False,
        "no answer (Connection refused); start the head-end, or correct host and port",
    )


def test_plain_http_is_written_with_its_permission() -> None:
    with SmallEmp() as emp:
        url = emp.url
    assert setup("--meter", METER, "--ntp", "system", "--emp", url) == 0
    assert "insecure = true" in Path("g.toml").read_text()
    assert load("g.toml").emps[0].url == url


def test_an_emp_with_tls_is_written_with_its_name_in_the_certificates() -> None:
    with SmallEmp() as emp:
        url = emp.url.replace("http:", "https:")
        assert setup("--meter", METER, "--ntp", "system", "--emp", url, "--emp-participant", "Stadtwerke") == 0
    profile = load("g.toml").emps[0]
    assert (profile.url, profile.options.participant) == (url, "Stadtwerke")


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [("every telegram", 0), ("Quarter hour", 900), ("30 min", 1800), ("15 minutes", 900), ("900", 900), ("1 h", 3600)],
)
def test_a_period_is_read_in_words(answer: str, seconds: int) -> None:
    assert period(answer) == seconds


@pytest.mark.parametrize("answer", ["", "0", "7 s", "5 parsecs", "never"])
def test_what_is_no_period_is_told(answer: str) -> None:
    with pytest.raises(SmgwError, match="is no period"):
        period(answer)


@pytest.mark.parametrize(
    ("device", "taken", "name"),
    [
        ("1EMH0005347109", [], "emh-7109"),
        ("1EMH0005347109", ["emh-7109"], "emh-7109-1"),
        ("", [], "meter-1"),
        ("", ["meter-1"], "meter-2"),
        ("0901454d480000000000", [], "meter-1"),
    ],
)
def test_a_name_is_proposed_by_maker_and_number(device: str, taken: list[str], name: str) -> None:
    assert setup_meters.proposed_name(device, taken) == name


def test_a_device_is_offered_once_by_its_most_lasting_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for directory in ("smgw", "serial/by-id"):
        (tmp_path / directory).mkdir(parents=True)
    for device in ("ttyUSB0", "ttyUSB1", "ttyACM0"):
        (tmp_path / device).touch()
    (tmp_path / "serial/by-id/usb-FTDI").symlink_to(tmp_path / "ttyUSB0")
    (tmp_path / "smgw/serial-ftdi").symlink_to(tmp_path / "ttyUSB0")
    (tmp_path / "serial/by-id/usb-CP2102").symlink_to(tmp_path / "ttyUSB1")
    monkeypatch.setattr(setup_meters, "_DEV", tmp_path)
    names = [str(Path(port).relative_to(tmp_path)) for port in setup_meters.ports()]
    assert names == ["smgw/serial-ftdi", "serial/by-id/usb-CP2102", "ttyACM0"]


def test_texts_with_every_character_come_back_from_the_file() -> None:
    odd = 'a"b\\c\tä\u20ac'
    text = setup_file.text_of({"gateway": {"device_id": odd, "on": True, "x": {"1-0:1.8.0": -1, "l": [odd, 2]}}})
    assert tomllib.loads(text)["gateway"] == {"device_id": odd, "on": True, "x": {"1-0:1.8.0": -1, "l": [odd, 2]}}


def test_a_secret_is_private_from_its_first_moment_and_never_replaced(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        setup_file.write_secret(tmp_path / "a.password", "geheim")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.password").stat().st_mode) == 0o600
    with pytest.raises(SmgwError, match="is there already"):
        setup_file.write_secret(tmp_path / "a.password", "other")
    assert (tmp_path / "a.password").read_text() == "geheim\n"


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "g.toml"
    file.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SmgwError, match="No space left on device"):
        setup_file.write_configuration(file, "new")
    assert file.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_a_link_to_the_configuration_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.toml").write_text("old")
    (tmp_path / "g.toml").symlink_to("real.toml")
    setup_file.write_configuration(tmp_path / "g.toml", "new")
    assert (tmp_path / "g.toml").is_symlink()
    assert (tmp_path / "real.toml").read_text() == "new"


def test_help_shows_a_line_to_copy(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["setup", "--help"])
    assert "--ntp system --emp http://" in capsys.readouterr().out


def test_without_a_terminal_each_question_has_its_proposal() -> None:
    talk = setup_dialogue.Dialogue(terminal=False)
    assert talk.ask("Name", "a", str) == "a"
    assert talk.confirm("Sure?", proposal=True)
    assert talk.secret("Password", str, "") == ""


def test_what_setup_writes_passes_the_check() -> None:
    assert setup("--meter", METER, *REST) == 0
    assert parse(Path("g.toml").read_text(), "g.toml").meters[0].name == "house"
    assert main(["check", "--config", "g.toml"]) == 0


def test_the_next_steps_make_certificates_for_meters_with_tls(tmp_path: Path) -> None:
    text = (
        '[gateway]\ndevice_id = "ESMG0000000001"\n'
        '[[meter]]\nname = "house"\nprotocol = "sml-push"\nport = "tls://meter:4059"\n'
    )
    steps = setup_file.next_steps(tmp_path / "gateway.toml", text)
    assert [step.partition(" --config")[0] for step in steps] == [
        "smgw keys lmn", "smgw keys meter", "smgw read", "smgw run"
    ]  # fmt: skip
    assert "house tls://meter:4059" in steps[1]
