"""The configuration: what it may say, and how its faults are told: file, line, key, what would be right."""

from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import pytest
from smgw.cosem import Obis
from smgw.wire import Crc
from smsim.config import default_config, load, parse
from smsim.errors import ConfigError
from smsim.load.registers import USUAL_REGISTERS, Drive
from smsim.p1.versions import SubMeter
from smsim.ports import PtyPort, SerialPort, TcpPort, TcpPushPort, parse_port, parse_push_port
from smsim.sml import style
from smsim.sml.faults import Fault, Kind

METER = '[[meter]]\nname = "a"\ndevice = "1UTB0000000001"\n'


def test_without_a_file_there_is_the_papers_meter() -> None:
    config = default_config()
    (meter,) = config.meters
    assert str(meter.spec.device) == "1UTB0000000001"
    assert meter.port == TcpPort(33333)
    assert [f"{r.obis[2]}.{r.obis[3]}.{r.obis[4]}" for r in meter.spec.registers] == [
        "1.8.0", "1.8.1", "1.8.2", "2.8.0", "16.7.0",
    ]  # fmt: skip
    assert (config.time.seconds_per_quarter_hour, config.time.resolution_ms) == (4, 1000)


def test_the_shortest_file_gives_the_same_as_no_file() -> None:
    config, usual = parse(METER), default_config()
    assert config.time == usual.time
    assert config.meters[0].spec._replace(name="meter") == usual.meters[0].spec
    assert config.meters[0].port == usual.meters[0].port


def test_the_example_is_a_right_configuration_and_says_what_its_comments_say() -> None:
    text = resources.files("smsim").joinpath("example.toml").read_text(encoding="utf-8")
    config = parse(text)
    household, roof, canal, barn, boiler, cellar, rail, *flats = config.meters
    assert config.time == default_config().time
    assert household.port == TcpPort(33333)
    assert household.spec.registers == USUAL_REGISTERS
    assert (roof.port, roof.push_interval_s, roof.baud, roof.spec.crc) == (
        PtyPort("/tmp/smsim-roof"),
        1.0,
        9600,
        Crc.X25,
    )
    assert roof.spec.registers[-1].drive is Drive.FIXED
    assert roof.spec.registers[-1].unit == 35
    assert canal.p1 is not None
    assert (canal.p1.version.name, canal.p1.sub_meters) == ("5", (SubMeter.GAS, SubMeter.WATER))
    assert barn.d0 is not None
    assert (barn.d0.name, barn.d0.baud_code) == ("C", "5")
    assert (boiler.s0, boiler.port) == (10, PtyPort("/tmp/smsim-boiler"))
    assert cellar.spec.style == style.load("iskra-mt631")
    assert cellar.spec.device == cellar.spec.style.device
    assert cellar.faults == (
        Fault(Kind.PIN_LOCK),
        Fault(Kind.NOISE, 60, 30, 500),
        Fault(Kind.CLOCK_JUMP, 120, by_s=-3600),
    )
    assert (rail.answers, rail.object_list, rail.baud) == (True, False, 38400)
    assert not roof.answers
    assert len(flats) == 12
    assert [flats[0].spec.name, flats[11].spec.name] == ["flat 1", "flat 12"]


def test_equal_meters_count_up_names_ids_and_ports() -> None:
    text = '[[meter]]\nname = "m"\ndevice = "1EMH0099999999"\ncount = 3\nport = "{port}"\n'
    meters = parse(text.format(port="tcp:33400")).meters
    assert [meter.spec.name for meter in meters] == ["m-1", "m-2", "m-3"]
    assert [str(meter.spec.device) for meter in meters] == ["1EMH0099999999", "1EMH0000000000", "1EMH0000000001"]
    assert [meter.port for meter in meters] == [TcpPort(33400), TcpPort(33401), TcpPort(33402)]
    assert [meter.port for meter in parse(text.format(port="pty:/tmp/{n}")).meters] == [
        PtyPort("/tmp/1"),
        PtyPort("/tmp/2"),
        PtyPort("/tmp/3"),
    ]
    assert {meter.port for meter in parse(text.format(port="tcp-push:0")).meters} == {TcpPushPort(0)}


def test_meters_of_one_style_that_were_given_no_id_have_different_ones() -> None:
    text = '[[meter]]\nname = "a"\nstyle = "emh-ehz-gw8"\nport = "tcp:0"\ncount = 2\n'
    text += '[[meter]]\nname = "b"\nstyle = "emh-ehz-gw8"\nport = "tcp:0"\n'
    assert [bytes(meter.spec.device) for meter in parse(text).meters] == [b"02290001", b"02290002", b"02290003"]


STYLED = '[[meter]]\nname = "m"\nstyle = "{style}"\nport = "tcp:0"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (STYLED.format(style="emh-mmme"), r"c:3: meter\[1\].style: 'emh-mmme' is not known; .*did you mean emh-mme"),
        (STYLED.format(style="emh-mme") + '[[meter.register]]\nobis = "1.8.0"\n', r"c:5: .*those of the style emh-mme"),
        (STYLED.format(style="dzg-dvs74") + "pin_locked = true\n", r"c:5: .*pin_locked: nothing is known.*iskra-mt631"),
        (STYLED.format(style="dzg-dvs74") + '[[meter.fault]]\nkind = "pin-lock"\n', r"c:6: .*fault\[1\].kind: nothing"),
        (STYLED.format(style="dzg-dvs74") + '[[meter.fault]]\nkind = "los"\n', r"c:6: .*'los' is not known.*mean loss"),
        (STYLED.format(style="dzg-dvs74") + '[[meter.fault]]\nkind = "reboot"\none_in = 3\n', r"c:7: .*unknown key"),
        (
            STYLED.format(style="dzg-dvs74") + 'count = 2\n[[meter.fault]]\nkind = "exchange"\ndevice = "0102"\n',
            r"c:8: .*one id for 2 meters; leave it out",
        ),
        ('[[meter]]\nname = "m"\ndevice = "01"\ncount = 2\nport = "pty:/tmp/m"\n', r"c:5: .*2 meters; write {n} in it"),
        ('[[meter]]\nname = "m"\ndevice = "01"\ncount = 2\nport = "tcp:65535"\n', r"c:5: .*end beyond 65535"),
        (STYLED.format(style="dzg-dvs74") + "answers = true\n", r"c:5: .*answers: belongs to a serial line; leave"),
        ('[[meter]]\nname = "m"\ncount = 0\n', r"c:3: .*write a whole number from 1 to 10000"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_with_its_line(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        parse(text, "c")


def test_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "meters.toml"
    file.write_text(METER)
    assert load(file) == parse(METER)


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("tcp:0", TcpPort(0)),
        ("tcp:192.0.2.1:1234", TcpPort(1234, "192.0.2.1")),
        ("tcp:[::1]:1234", TcpPort(1234, "[::1]")),
        ("pty:/tmp/a:b", PtyPort("/tmp/a:b")),
        ("/dev/ttyUSB0", SerialPort("/dev/ttyUSB0")),
    ],
)
def test_a_port_is_read_and_written_back(text: str, port: object) -> None:
    assert parse_port(text) == port
    assert str(port) == text


@pytest.mark.parametrize("text", ["", "tcp:", "tcp:70000", "tcp:a:b:1", "pty:", "ttyUSB0", "udp:1"])
def test_what_is_no_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"port|link"):
        parse_port(text)


def test_nothing_is_pushed_to_a_port_that_answers() -> None:
    with pytest.raises(ValueError, match="answers requests"):
        parse_push_port("tcp:1")


FAULTS = {
    "syntax": ("[simulator]\nresolution 5\n" + METER, 2, "no TOML"),
    "unfinished": ('[[meter]]\nname = "a', 2, "no TOML"),
    "no meter": ("[simulator]\n", None, "give each meter a section [[meter]]"),
    "unknown section": ("[simulater]\n" + METER, 1, "did you mean simulator?"),
    "unknown key": ("[simulator]\n\nseconds_per_quater_hour = 4\n" + METER, 3, "mean seconds_per_quarter_hour?"),
    "unknown meter key": (METER + 'sed = 4\n', 4, "meter[1].sed: unknown key; known here:"),
    "zero seconds": ("[simulator]\nseconds_per_quarter_hour = 0\n" + METER, 2, "whole number from 1 to"),
    "a float": ("[simulator]\nresolution = 1.5\n" + METER, 2, "whole number"),
    "a bool": ("[simulator]\nresolution = true\n" + METER, 2, "whole number"),
    "start in March's gap": ("[simulator]\nstart = 2026-03-29T02:30:00\n" + METER, 2, "does not exist"),
    "start as text": ('[simulator]\nstart = "soon"\n' + METER, 2, 'or "now"'),
    "start too early": ("[simulator]\nstart = 1990-01-01\n" + METER, 2, "years 1996 to 2090"),
    "no name": ('[[meter]]\ndevice = "1UTB0000000001"\n', 1, "meter[1].name: is missing"),
    "no device": ('[[meter]]\nname = "a"\n', 1, "meter[1].device: is missing"),
    "wrong device": ('[[meter]]\nname = "a"\ndevice = "hello"\n', 3, "DIN 43863-5"),
    "wrong port": (METER + 'port = "COM3"\n', 4, "write tcp:33333"),
    "wrong crc": (METER + 'crc = "x52"\n', 4, "did you mean x25?"),
    "wrong interval": (METER + "push_interval = 0\n", 4, "seconds from 0.05"),
    "wrong baud": (METER + 'baud = "9600"\n', 4, "whole number from 300"),
    "negative energy": (METER + "consumption_kwh = -1\n", 4, "whole number from 0"),
    "meter no list": ('[meter]\nname = "a"\n', 1, "begin each with [[meter]]"),
    "simulator no section": ("simulator = 4\n" + METER, 1, "begin it with [simulator]"),
    "wrong obis": (METER + '[[meter.register]]\nobis = "1.8"\n', 5, "meter[1].register[1].obis"),
    "no obis": (METER + "[[meter.register]]\nscaler = 0\n", 4, "is missing"),
    "unknown drive": (METER + '[[meter.register]]\nobis = "1.8.0"\ndrive = "improt"\n', 6, "did you mean import?"),
    "drive needed": (METER + '[[meter.register]]\nobis = "32.7.0"\n', 5, "add drive = one of"),
    "wrong scaler": (METER + '[[meter.register]]\nobis = "1.8.0"\nscaler = 7\n', 6, "from -6 to 6"),
    "wrong unit": (METER + '[[meter.register]]\nobis = "1.8.0"\nunit = "kWh"\n', 6, "DLMS number"),
    "unit that does not fit": (METER + '[[meter.register]]\nobis = "1.8.0"\nunit = "W"\n', 6, "counts Wh"),
    "value without fixed": (METER + '[[meter.register]]\nobis = "1.8.0"\nvalue = 1\n', 6, 'drive = "fixed"'),
    "obis twice": (METER + '[[meter.register]]\nobis = "1.8.0"\n' * 2, 7, "is there twice"),
    "scalers differ": (
        METER + '[[meter.register]]\nobis = "1.8.0"\n[[meter.register]]\nobis = "1.8.1"\nscaler = -1\n', 1, "same"
    ),
    "name twice": (METER + METER + 'port = "tcp:1"\n', 5, "name of its own"),
    "port twice": (METER + '[[meter]]\nname = "b"\ndevice = "1UTB0000000002"\nport = "tcp:33333"\n', 7, "port of its"),
    "second meter's key": (METER + '[[meter]]\nname = "b"\nport = "tcp:1"\ndevice = 5\n', 7, "meter[2].device"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_told_with_its_line_and_what_would_be_right(name: str) -> None:
    text, line, told = FAULTS[name]
    with pytest.raises(ConfigError) as caught:
        parse(text, "meters.toml")
    assert caught.value.line == line
    assert str(caught.value).startswith(f"meters.toml:{line}: " if line else "meters.toml: ")
    assert told in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        load(tmp_path / "none.toml")


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    file = tmp_path / "meters.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(file)


def test_a_unit_may_be_a_symbol_or_a_number() -> None:
    both = '[[meter.register]]\nobis = "32.7.0"\ndrive = "fixed"\nunit = "V"\n[[meter.register]]\nobis = "52.7.0"\n'
    registers = parse(METER + both + 'drive = "fixed"\nunit = 35\n').meters[0].spec.registers
    assert [register.unit for register in registers] == [35, 35]
    assert registers[0].obis == Obis.parse("32.7.0")


@pytest.mark.parametrize(
    ("start", "utc"),
    [
        ("2026-06-01T00:00:00", "2026-05-31T22:00:00+00:00"),
        ("2026-06-01", "2026-05-31T22:00:00+00:00"),
        ("2026-06-01T00:00:00Z", "2026-06-01T00:00:00+00:00"),
        ("2026-06-01T00:00:00+05:00", "2026-05-31T19:00:00+00:00"),
    ],
)
def test_a_start_is_legal_time_unless_it_names_its_offset(start: str, utc: str) -> None:
    time = parse(f"[simulator]\nstart = {start}\n{METER}").time
    assert datetime.fromtimestamp(time.start_utc_s, UTC).isoformat() == utc


def test_the_calendar_may_start_now() -> None:
    time = parse(f'[simulator]\nstart = "now"\n{METER}').time
    assert abs(time.start_utc_s - datetime.now(UTC).timestamp()) < 10


def test_a_password_is_not_shown() -> None:
    config = parse(METER + 'username = "u"\npassword = "topsecret"\n')
    assert config.meters[0].password == "topsecret"
    assert "topsecret" not in repr(config)
