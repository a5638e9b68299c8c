"""The configuration file: what is right gives profiles, and every fault is told with its line in one go."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.profiles import ConfigurationError, load
from smgw.profiles.communication import KEYS as EMP_KEYS
from smgw.profiles.gateway import KEYS as GATEWAY_KEYS
from smgw.profiles.meter import KEYS as METER_KEYS
from smgw.profiles.toml_importer import parse

EXAMPLE = Path(__file__).parents[3] / "config" / "gateway.example.toml"
GATEWAY = '[gateway]\ndevice_id = "ESMG0000000001"\n'
METER = '[[meter]]\nname = "house"\nprotocol = "sml-push"\nport = "/dev/ttyUSB0"\n'
POLLED = '[[meter]]\nname = "solar"\nprotocol = "sml-poll"\nport = "socket://localhost:33333"\n'
EMP = '[[emp]]\nname = "demo"\nurl = "http://127.0.0.1:8080/poc/"\ninsecure = true\n'


def faults(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        parse(text, "g.toml")
    return str(raised.value).splitlines()


def only_fault(text: str) -> str:
    (fault,) = faults(text)
    return fault


def test_the_smallest_configuration_has_the_documented_defaults() -> None:
    configuration = parse(GATEWAY + METER + EMP, "/etc/smgw/gateway.toml")
    (meter,), (emp,), gateway = configuration.meters, configuration.emps, configuration.gateway
    assert gateway.device_id == DeviceId.parse("ESMG0000000001")
    assert gateway.ntp == ()
    kept = gateway.retention
    assert (kept.grid_months, kept.daily_weeks, kept.live_days, kept.undelivered_mb) == (24, 6, 7, 512)
    assert (meter.name, meter.protocol, meter.port) == ("house", "sml-push", "/dev/ttyUSB0")
    assert (meter.baudrate, meter.bytesize, meter.parity, meter.stopbits) == (9600, 8, "N", 1)
    assert (meter.registration_period, meter.silence, meter.correct_power_sign) == (900, 30, True)
    assert (meter.objects, meter.device_id, meter.polled) == ((), None, False)
    assert (emp.url, emp.forward, emp.batch, emp.timeout) == ("http://127.0.0.1:8080/poc", 5, 1000, 20)
    assert configuration.meters_for(emp) == (meter,)
    assert configuration.directory == Path("/etc/smgw")


def test_every_key_reaches_its_profile() -> None:
    configuration = parse(
        GATEWAY
        + 'ntp = ["a.example", "192.0.2.1:123", "[::1]:1123"]\n'
        + "[gateway.retention]\ngrid_months = 1\nlive_days = 2\n"
        + POLLED.replace("socket://localhost:33333", "/dev/ttyUSB1")
        + "baudrate = 300\nparity = 'E'\nbytesize = 7\nstopbits = 2\nobjects = ['1-0:1.8.0', '0100100700FF']\n"
        + "device_id = '1 EMH 00 1180 2881'\ndevices = ['1ISK0071234567', '0901454d48']\n"
        + "interval = 20\ntimeout = 3\nretries = 0\nusername = 'ü'\n"
        + "password_file = 'p'\nregistration_period = 0\ncorrect_power_sign = false\n"
        + METER
        + EMP
        + "meters = ['house']\nforward = 'immediate'\nbatch = 1000\ntimeout = 1\n",
        "g.toml",
    )
    meter, emp = configuration.meter("solar"), configuration.emp("demo")
    assert configuration.gateway.ntp == ("a.example", "192.0.2.1:123", "[::1]:1123")
    assert (configuration.gateway.retention.grid_months, configuration.gateway.retention.daily_weeks) == (1, 6)
    assert (meter.baudrate, meter.parity, meter.bytesize, meter.stopbits) == (300, "E", 7, 2)
    assert meter.objects == (Obis.parse("1.8.0"), Obis.parse("16.7.0"))
    assert meter.device_id == DeviceId.parse("1EMH0011802881")
    assert meter.devices == (DeviceId.parse("1ISK0071234567"), DeviceId(bytes.fromhex("0901454d48")))
    assert (meter.interval, meter.timeout, meter.retries, meter.username) == (20, 3, 0, "ü")
    assert (meter.password_file, meter.registration_period, meter.correct_power_sign) == (Path("p"), 0, False)
    assert meter.silence == 60  # three intervals
    assert (emp.forward, emp.batch, emp.timeout) == (0, 1000, 1)
    assert configuration.meters_for(emp) == (configuration.meter("house"),)


def test_the_system_title_of_a_gateway_is_its_own_unless_one_is_named() -> None:
    """Two gateways that hold one key of a meter must not share a nonce, which is the title and a counter."""
    meter = METER.replace("sml-push", "dlms")
    titles = [
        parse(f'[gateway]\ndevice_id = "{device}"\n' + meter + more, "g.toml").meter("house").options.system_title
        for device in ("ESMG0000000001", "ESMG0100000258", "ETHE0000000001")
        for more in ("", "dlms.client = 1\n", 'dlms.system_title = "0102030405060708"\n')
    ]
    assert titles == [
        "534d470000000001", "534d470000000001", "0102030405060708",
        "534d470100000102", "534d470100000102", "0102030405060708",
        "5448450000000001", "5448450000000001", "0102030405060708",
    ]  # fmt: skip


def test_a_name_that_is_not_there_is_a_key_error() -> None:
    configuration = parse(GATEWAY + METER, "g.toml")
    for look_up in (configuration.meter, configuration.emp):
        with pytest.raises(KeyError):
            look_up("nobody")


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("name = 'House'", "write a name of small letters, digits and -"),
        (
            "protocol = 'sml-pol'",
            'write "d0" or "d0-push" or "dlms" or "dlms-push" or "dsmr-p1" or "mbus" or "mbus-push" or "s0" or '
            '"sml-poll" or "sml-push" or "wmbus" (did you mean "sml-poll"?)',
        ),
        ("port = 'ttyUSB0'", 'write a device such as "/dev/ttyUSB0"'),
        ("port = 'socket://host'", 'write "socket://host:port"'),
        ("port = 'socket://host:99999'", "port 1 to 65535"),
        ("port = 'sokcet://host:1'", '(did you mean "socket"?)'),
        ("port = 'spy://'", "names no device"),
        ('port = "/dev/\\u0000"', "NUL"),
        ("baudrate = 299", "write a whole number from 300 to 921600 Bd"),
        ("baudrate = '9600'", '"9600" is wrong here'),
        ("baudrate = 9600.0", "9600.0 is wrong here"),
        ("baudrate = true", "true is wrong here"),
        ("parity = 'n'", 'write "N" or "E" or "O"'),
        ("bytesize = 9", "write 8 or 7"),
        ("stopbits = true", "write 1 or 2"),
        ("objects = '1-0:1.8.0'", "write an array of OBIS codes"),
        ("devices = ['1EMH']", "is no device id"),
        ("devices = [1]", "is no device id"),
        ("devices = ['1EMH0011802881', '1EMH0011802881']", "stands here twice"),
        ("objects = []", "leave the key out"),
        ("objects = ['1-0:1.8.256']", "is no OBIS code"),
        ("objects = ['1.8.0', '1-0:1.8.0*255']", "stands here twice"),
        ("device_id = '0901454d480000000000'", "is no DIN 43863-5 id"),
        ("device_id = 'ESMG0000000001'", "is the id of the gateway already"),
        ("interval = 2", 'write protocol = "sml-poll"'),
        ("username = 'a'", 'write protocol = "sml-poll"'),
        ("registration_period = 7000", "write 5760, 7200, or 0 for every telegram"),
        ("silence = 0", "out of range"),
        ("correct_power_sign = 1", "write true or false"),
        ("pory = 1", '(did you mean "port"?)'),
        ("url = 'x'", "it belongs in [[emp]]"),
        ("baudrate = 0x1" + "f" * 5000, "out of range"),
    ],
)
def test_a_wrong_key_of_a_meter_is_told_with_its_line(added: str, said: str) -> None:
    key = added.partition(" ")[0]
    lines = [line for line in METER.splitlines() if not line.startswith(f"{key} ")]
    text = "\n".join([GATEWAY, *lines, "# comment", added, ""])
    fault = only_fault(text)
    assert fault.startswith(f"g.toml:{text[: text.index(added)].count(chr(10)) + 1}: [[meter]] {key}: ")
    assert said in fault


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("[1]", 'scalers: an array is wrong here; write a table of scalers, such as { "1-0:1.8.0" = -1 }'),
        ("{ 'energy' = 1 }", 'scalers.energy: "energy" is no OBIS code'),
        ("{ '1-0:1.8.0' = 200 }", "write a whole number from -128 to 127"),
    ],
)
def test_a_wrong_table_of_scalers_is_told(added: str, said: str) -> None:
    assert said in only_fault("\n".join([GATEWAY, METER.replace("sml-push", "dlms"), f"dlms.scalers = {added}", ""]))


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("silence = 2", "is no longer than the interval of 2 s; write 6"),
        ("interval = 0", "from 1 to 86400 s"),
        ("interval = 1.5", "a whole number"),
        ("timeout = 0", "from 1 to 120 s"),
        ("retries = -1", "from 0 to 10"),
        ("username = ''", "1 to 64 characters"),
        ("password_file = ''", "write its path"),
        ("password = 'geheim'", "a password never stands here"),
    ],
)
def test_a_wrong_key_of_a_polled_meter_is_told(added: str, said: str) -> None:
    fault = only_fault(GATEWAY + POLLED + added)
    assert said in fault
    assert "geheim" not in fault


@pytest.mark.parametrize(
    ("added", "said"),
    [
        ("url = 'host:8080'", 'write "https://host:port/path"'),
        ("url = 'http://'", "is no HTTP address"),
        ("url = 'http://host:99999'", "is no URL"),
        ("url = 'http://host:x'", "is no URL"),
        ("url = 'http://ho st/'", "is no HTTP address"),
        ("url = 'http://user:geheim@host/'", "a user or password does not stand in a URL"),
        ("url = 'ftp://user:geheim@host/'", "a user or password does not stand in a URL"),
        ("url = 'http://host/?a=b'", "has a query"),
        ("url = 5", "is no URL"),
        ("meters = ['hose']", 'no meter has the name "hose"; there are house (did you mean "house"?)'),
        ("meters = ['house', 'house']", "stands here twice"),
        ("meters = []", "names nothing"),
        ("meters = 'house'", "write an array of meter names"),
        ("forward = 'soon'", 'write "immediate"'),
        ("forward = 0", 'write "immediate"'),
        ("batch = 1001", "from 1 to 1000 rows"),
        ("timeout = false", "from 1 to 600 s"),
    ],
)
def test_a_wrong_key_of_an_emp_is_told(added: str, said: str) -> None:
    key = added.partition(" ")[0]
    lines = [line for line in EMP.splitlines() if not line.startswith(f"{key} ")]
    fault = only_fault("\n".join([GATEWAY, METER, *lines, added]))
    assert f"[[emp]] {key}: " in fault
    assert said in fault
    assert "geheim" not in fault


@pytest.mark.parametrize(
    ("keys", "key", "said"),
    [
        ("url = 'http://h'", "url", "has no encryption; write https://, or for a network that you trust"),
        ("url = 'HTTP://h'", "url", "add the line insecure = true"),
        ("url = 'http://h'\ninsecure = false", "url", "add the line insecure = true"),
        ("url = 'https://h'\ninsecure = true", "insecure", "leave insecure out"),
        ("url = 'http://8.8.8.8'\ninsecure = true", "url", "8.8.8.8 is no private address, and http has no encryption"),
        ("url = 'http://[2606:4700::1111]'\ninsecure = true", "url", "2606:4700::1111 is no private address"),
        ("url = 'http://[::ffff:8.8.8.8]'\ninsecure = true", "url", "is no private address"),
        ("url = 'http://h'\ninsecure = true\ncms_kdf = 'bsi'", "cms_kdf", 'write cms = "aes-128-gcm"'),
        ("url = 'https://h'\ncms = 'off'\ncms_kdf = 'bsi'", "cms_kdf", "nothing is sealed here; leave it out"),
        ("url = 'https://h'\ncms = 'aes'", "cms", 'write "aes-128-gcm" or "aes-128-cbc-cmac" or "off"'),
        ("url = 'https://h'\ncms_kdf = 'x963'", "cms_kdf", 'write "bsi" or "rfc5753"'),
        ("url = 'https://h'\nparticipant = 'a.EMT'", "participant", 'write the owner in the certificates, such as'),
        ("url = 'https://h'\ninsecure = 1", "insecure", "write true or false"),
    ],
)  # fmt: skip
def test_a_wrong_key_of_encryption_is_told(keys: str, key: str, said: str) -> None:
    fault = only_fault(f"{GATEWAY}{METER}[[emp]]\nname = 'e'\n{keys}\n")
    assert f"[[emp]] {key}: " in fault
    assert said in fault


@pytest.mark.parametrize(
    ("keys", "options"),
    [
        ("url = 'http://h'\ninsecure = true", None),
        ("url = 'http://192.168.1.2'\ninsecure = true\ncms = 'off'", None),
        ("url = 'http://[fe80::1]'\ninsecure = true\ncms = 'aes-128-gcm'", ("", "aes-128-gcm", "bsi")),
        ("url = 'https://8.8.8.8'", ("", "aes-128-gcm", "bsi")),
        ("url = 'https://h'\ncms = 'off'\nparticipant = 'Stadtwerke'", ("Stadtwerke", "off", "bsi")),
        ("url = 'https://h'\ncms = 'aes-128-cbc-cmac'\ncms_kdf = 'rfc5753'", ("", "aes-128-cbc-cmac", "rfc5753")),
    ],
)
def test_documents_are_sealed_where_the_profile_says_so(keys: str, options: object) -> None:
    configuration = parse(f"{GATEWAY}{METER}[[emp]]\nname = 'e'\n{keys}\n", "g.toml")
    assert configuration.emps[0].options == options


def test_a_profile_of_plain_http_keeps_the_version_of_old() -> None:
    profile = parse(f"{GATEWAY}{METER}{EMP}", "g.toml").emps[0]
    assert "insecure" not in profile.content()
    assert "options" not in profile.content()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (METER, "g.toml:1: [gateway]: is missing; write [gateway]"),
        ("[[gateway]]\n" + METER, "g.toml:1: [gateway]: there is one gateway"),
        ("gateway = 1\n" + METER, "g.toml:1: [gateway]: 1 is wrong here; write a table"),
        ("[gateway]\n" + METER, 'g.toml:1: [gateway] device_id: is missing; write device_id = "ESMG0000000001"'),
        ("[gateway]\ndevice_id = '1EMH0011802881'\n" + METER, "g.toml:2: [gateway] device_id: "),
        (GATEWAY + "ntp = ['a b']\n" + METER, 'g.toml:3: [gateway] ntp: "a b" is no host'),
        (GATEWAY + "ntp = [\n'ok',\n'a:0']\n" + METER, 'g.toml:5: [gateway] ntp: "a:0" is no host'),
        (GATEWAY + "ntp = ['tls://gwa']\n" + METER, 'g.toml:3: [gateway] ntp: "tls://gwa" is no time server; write'),
        (GATEWAY + "ntp = ['nts://gwa:1']\n" + METER, 'g.toml:3: [gateway] ntp: "nts://gwa:1" is no time server'),
        (GATEWAY + "retention = 3\n" + METER, "g.toml:3: [gateway] retention: 3 is wrong here; write a table of keys"),
        (
            GATEWAY + "[gateway.retention]\nlive_day = 3\n" + METER,
            'g.toml:4: [gateway] retention.live_day: unknown key (did you mean "live_days"?)',
        ),
        (GATEWAY, "g.toml:1: [[meter]]: there is none"),
        (GATEWAY + METER.replace("[[", "[").replace("]]", "]"), "g.toml:3: [[meter]]: there may be several"),
        ("meter = []\n" + GATEWAY, "g.toml:1: [[meter]]: an empty array names nothing"),
        ("meter = [1]\n" + GATEWAY, "g.toml:1: [[meter]]: 1 is wrong here; write a table of keys"),
        ("[meters]\n" + GATEWAY + METER, 'g.toml:1: [meters]: unknown section (did you mean "meter"?)'),
        (GATEWAY + METER + "[[meter]]\nname = 'b'\nprotocol = 'sml-push'", "g.toml:7: [[meter]] port: is missing"),
        (
            GATEWAY + METER + POLLED.replace("solar", "house"),
            'g.toml:8: [[meter]] name: "house" is taken by another meter above',
        ),
        (
            GATEWAY + METER + METER.replace("house", "b"),
            'g.toml:10: [[meter]] port: "/dev/ttyUSB0" is the port of meter "house" already',
        ),
        (
            GATEWAY + METER + METER.replace("house", "b").replace("/dev", "spy:///dev"),
            'g.toml:10: [[meter]] port: "spy:///dev/ttyUSB0" is the port of meter "house" already',
        ),
        (
            GATEWAY + POLLED + POLLED.replace("solar", "b").replace("localhost", "LOCALHOST"),
            'g.toml:10: [[meter]] port: "socket://LOCALHOST:33333" is the port of meter "solar" already',
        ),
        (
            GATEWAY + METER + "device_id='1EMH0011802881'\n" + POLLED + "device_id='1EMH0011802881'",
            'g.toml:12: [[meter]] device_id: 1EMH0011802881 is the id of meter "house" already',
        ),
        (GATEWAY + METER + EMP + EMP, 'g.toml:12: [[emp]] name: "demo" is taken by another emp above'),
    ],
)
def test_a_wrong_section_is_told_with_its_line(text: str, said: str) -> None:
    assert only_fault(text).startswith(said)


def test_two_names_of_one_device_are_one_port(tmp_path: Path) -> None:
    (tmp_path / "ttyUSB0").touch()
    (tmp_path / "by-id").symlink_to(tmp_path / "ttyUSB0")
    second = METER.replace("house", "b").replace("/dev/ttyUSB0", f"{tmp_path}/by-id")
    fault = only_fault(GATEWAY + METER.replace("/dev", str(tmp_path)) + second)
    assert 'is the port of meter "house" already' in fault


def test_meters_on_one_port_have_tls_all_or_none() -> None:
    dlms = '[[meter]]\nname = "{}"\nprotocol = "dlms"\nport = "{}://meter:4059"\ndlms.server = {}\n'
    text = GATEWAY + dlms.format("a", "socket", 1) + dlms.format("b", "tls", 2)
    assert "write tls:// for both" in only_fault(text)
    assert parse(GATEWAY + dlms.format("a", "tls", 1) + dlms.format("b", "tls", 2), "g.toml").has_tls_meters


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    text = (
        "[gateway]\nid = 1\n[[meter]]\nname = 'a'\nbaudrate = 1\nobjects = [\n 'x',\n 'y']\n[[emp]]\nmeters = ['b']\n"
    )
    assert [fault.partition(": ")[0] for fault in faults(text)] == [
        f"g.toml:{line}" for line in (1, 2, 3, 3, 5, 7, 8, 9, 9, 10)
    ]


def test_problems_have_fields() -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse(GATEWAY + METER + "baudrate = 1", "g.toml")
    (problem,) = raised.value.problems
    assert (problem.file, problem.line, problem.section, problem.key) == ("g.toml", 7, "[[meter]]", "baudrate")
    assert problem.text.startswith("1 is out of range")


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        (b"[gateway]\nx = \n", ":2: no TOML in column 5: "),
        (b"[gateway]\nx = 1\nx = 2\n", ":3: no TOML"),
        (b"a = '''\n\n\n", ":1: no TOML"),
        (b"hello", ":1: no TOML"),
        (b"\xef\xbb\xbf[gateway]", "A byte order mark"),
        (b"[gateway]\n# \xfc", ":2: octet 0xfc is not UTF-8"),
        (b"a = " + b"[" * 5000 + b"]" * 5000, "nested too deeply"),
        (b"a = " + b"9" * 5000, "no TOML: "),
        (b"#" * 1_000_001, "this is no configuration"),
    ],
)
def test_a_file_that_is_no_toml_is_told(tmp_path: Path, octets: bytes, said: str) -> None:
    file = tmp_path / "g.toml"
    file.write_bytes(octets)
    with pytest.raises(ConfigurationError) as raised:
        load(file)
    assert str(raised.value).startswith(str(file))
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "there is no such file; name yours with --config, or write one: smgw setup --config "),
        (lambda path: path.mkdir(), "is a directory; name the file with --config"),
        (lambda path: path.symlink_to(path), "cannot be read (Too many levels of symbolic links); name a TOML file"),
    ],
    ids=["absent", "folder", "loop"],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, make: Callable[[Path], object], said: str) -> None:
    file = tmp_path / "g.toml"
    make(file)
    with pytest.raises(ConfigurationError, match=f"^{re.escape(f'{file}: {said}')}"):
        load(file)


def of(protocol: str, port: str = "/dev/ttyUSB0") -> str:
    return METER.replace("sml-push", protocol).replace("/dev/ttyUSB0", port)


@pytest.mark.parametrize(
    ("meter", "added", "said"),
    [
        (of("dlms"), "username = 'a'", "write client in the section dlms"),
        (of("dlms"), "correct_power_sign = false", "only SML meters have this habit"),
        (of("dlms-push"), "correct_power_sign = false", "only SML meters have this habit"),
        (of("dlms"), "password_file = 'p'", 'authentication "none" uses no password'),
        (of("dlms"), "dlms.authentication = 'hls-aes'", "needs a secret; write password_file"),
        (of("dlms"), "dlms.challenge_key_file = 'k'", "only hls-aes uses it"),
        (
            of("dlms"),
            "dlms = { referencing = 'short', encryption_key_file = 'e', authentication_key_file = 'a' }",
            "encryption with short names is not supported",
        ),
        (
            of("dlms"),
            "password_file = 'p'\ndlms = { authentication = 'hls-aes', challenge_key_file = 'k' }",
            "challenge_key_file holds the secret already",
        ),
        (
            of("dlms-push"),
            "interval = 2",
            'never asked; leave it out, or write protocol = "dlms"',
        ),
        (of("dlms-push"), "dlms.client = 1", 'this meter is never asked; leave it out, or write protocol = "dlms"'),
        (of("dlms-push"), "dlms.window = 1", "this meter is never asked"),
        (of("dlms-push"), "dlms.authentication = 'none'", "this meter is never asked"),
        (of("dlms-push"), "dlms.quirks = ['no-list']", "this meter is never asked"),
        (of("dlms-push"), "dlms.framing = 'wrapper'", 'pushes over the wrapper are not read; write "hdlc" or "mbus"'),
        (
            of("dlms-push"),
            "dlms = { encryption_key_file = 'e', authentication_key_file = 'a', authentication_key = 'none' }",
            "authentication_key_file names the key; leave one of the two out",
        ),
        (of("dlms-push"), "dlms = { columns = ['skip'], push_list = 'kelag' }", "columns describes the list already"),
        (of("dlms-push"), "dlms.push_list = 'wiener'", 'did you mean "wiener-netze"?'),
        (of("dlms-push"), "dlms.columns = []", 'write an array, such as ["clock", "1-0:1.8.0", "device-id"]'),
        (of("dlms-push"), "dlms.columns = ['clok']", '"clok" is no OBIS code'),
        (of("dlms-push"), "dlms.columns = [1]", '1 is wrong here; write "clock", "device-id", "skip", "...", or {'),
        (of("dlms-push"), "dlms.columns = [{ scaler = 1 }]", "a table is wrong here"),
        (of("dlms-push"), "dlms.columns = [{ obis = '1.8.0', unit = 'kWh' }]", '"kWh" is no unit'),
        (of("dlms-push"), "dlms.columns = ['...', '...']", '"..." stands here twice'),
        (of("dlms"), "dlms.push_list = 'kelag'", 'it describes pushes; leave it out, or write protocol = "dlms-push"'),
        (of("sml-push"), "units = { '1-0:16.7.0' = 'kW' }", '"kW" is no unit; write "W", "Wh"'),
        (of("sml-push"), "factors = { '1-0:1.8.0' = 0 }", "0 is out of range; write a whole number from 1 to 1000000"),
        (of("sml-push"), "factors = { '1-0:1.8.0' = 1.5 }", "1.5 is wrong here"),
        (of("dlms-push"), "dlms.authentication_key = 'none'", "without encryption_key_file nothing is ciphered"),
        (of("dlms"), "dlms.authentication_key = 'none'", "only pushes can be read without their authentication key"),
        (of("dlms"), "dlms.framing = 'mbus'", 'write protocol = "dlms-push"'),
        (of("dlms"), "dlms.switch_delay = 400", 'write start = "mode-e" too'),
        (of("dlms"), "dlms.public_client = 1", "without encryption_key_file nothing is ciphered"),
        (of("dlms", "socket://a:4059"), "dlms = { framing = 'wrapper', window = 1 }", "the wrapper has no HDLC frames"),
        (of("dlms", "socket://a:4059"), "baudrate = 9600", "a port on the network has no line settings"),
        (of("sml-push", "socket://a:4059"), "parity = 'E'", "a port on the network has no line settings"),
        (of("sml-push"), "dlms = {}", 'sml-push has no dlms; leave it out, or write protocol = "dlms'),
        (of("sml-push", "udp://a:4059"), "", "UDP carries the wrapper alone; write protocol"),
        (of("dlms", "udp://a:4059"), "", 'UDP carries the wrapper alone; write dlms = { framing = "wrapper" }'),
    ],
)
def test_a_key_that_the_protocol_does_not_use_is_refused_with_what_is_right(meter: str, added: str, said: str) -> None:
    assert said in only_fault(GATEWAY + meter + added)


@pytest.mark.parametrize("protocol", ["sml-push", "sml-poll", "dlms", "dlms-push"])
def test_every_protocol_takes_scalers_units_and_factors(protocol: str) -> None:
    added = "scalers = { '16.7.0' = -1 }\nunits = { '16.7.0' = 'W', '14.7.0' = 44 }\nfactors = { '1.8.0' = 40 }"
    plain, told = (parse(GATEWAY + of(protocol) + text, "g.toml").meters[0] for text in ("", added))
    power, energy, frequency = (Obis.parse(text) for text in ("16.7.0", "1.8.0", "14.7.0"))
    assert told.corrections == ({power: -1}, {power: 27, frequency: 44}, {energy: 40})
    assert told.content() != plain.content()
    assert not plain.corrections


@pytest.mark.parametrize("protocol", ["dlms", "dlms-push"])
def test_the_section_dlms_may_hold_them_and_the_meters_own_go_before(protocol: str) -> None:
    added = "scalers = { '1.8.0' = 1 }\ndlms = { scalers = { '1.8.0' = 2, '2.8.0' = 2 }, units = { '1.8.0' = 'Wh' } }"
    meter = parse(GATEWAY + of(protocol) + added, "g.toml").meters[0]
    assert meter.corrections.scalers == {Obis.parse("1.8.0"): 1, Obis.parse("2.8.0"): 2}
    assert meter.corrections.units == {Obis.parse("1.8.0"): 30}


def test_columns_are_words_and_obis_codes_with_scaler_and_unit() -> None:
    added = "dlms.columns = ['clock', 'skip', '1.7.0', { obis = '1.8.0', scaler = -1, unit = 'Wh' }, 'device-id']"
    meter = parse(GATEWAY + of("dlms-push") + added, "g.toml").meters[0]
    assert meter.options.columns == (
        "clock", "skip", (Obis.parse("1.7.0"), 0, None), (Obis.parse("1.8.0"), -1, 30), "device-id",
    )  # fmt: skip


def test_content_lists_only_the_keys_that_the_protocol_uses() -> None:
    """A new key of DLMS makes no new version of an SML meter."""
    for protocol, has, has_not in (
        ("sml-push", ("correct_power_sign", "baudrate"), ("dlms", "interval", "username")),
        ("sml-poll", ("correct_power_sign", "interval", "username"), ("dlms",)),
        ("dlms", ("interval", "dlms"), ("correct_power_sign", "username")),
        ("dlms-push", ("dlms",), ("correct_power_sign", "interval", "username")),
    ):
        content = json.loads(parse(GATEWAY + of(protocol), "g.toml").meters[0].content())
        assert set(has) <= set(content)
        assert not set(has_not) & set(content)
    assert set(content["dlms"]) == {
        "authentication_key", "authentication_key_file", "columns", "encryption_key_file", "factors", "framing",
        "push_list", "scalers", "security_suite", "units",
    }  # fmt: skip


LITERALS = [
    "1", "0", "-1", "900", "9600", "1.5", "nan", "true", "'N'", "'house'", "'sml-poll'", "'/dev/ttyUSB0'", '"\\u0000"',
    "'http://host'", "'http://['", "[]", "[1, 'a', []]", "['house']", "{}", "{a = 1}", "[{}]", "1979-05-27", "''",
    "'socket://a:1'", "'1-0:1.8.0'", "'ESMG0000000001'", "[[]]", "'" + "x" * 100 + "'", '"\\U0001F600"',
]  # fmt: skip
ALL_KEYS = sorted({*METER_KEYS, *EMP_KEYS, *GATEWAY_KEYS, "line", "wrong", "'odd key'", "''"})
SECTION = st.tuples(
    st.sampled_from(
        [
            "[gateway]",
            "[[meter]]",
            "[[meter]]",
            "[[emp]]",
            "[gateway.retention]",
            "[meter]",
            "[[line]]",
            "[line]",
            "[x]",
            "",
        ]
    ),
    st.dictionaries(st.sampled_from(ALL_KEYS), st.sampled_from(LITERALS), max_size=6),
)


@given(st.lists(SECTION, max_size=5))
def test_whatever_the_file_says_it_is_a_configuration_or_has_faults_on_its_lines(
    sections: list[tuple[str, dict[str, str]]],
) -> None:
    text = "\n".join("\n".join([head, *(f"{key} = {one}" for key, one in keys.items())]) for head, keys in sections)
    problems = None
    try:
        parse(text, "g.toml")
    except ConfigurationError as error:
        problems = error.problems
    assert problems != ()
    assert all(1 <= (problem.line or 1) <= text.count("\n") + 1 for problem in problems or ())


def test_content_is_the_same_for_equal_profiles_and_differs_for_others() -> None:
    one = parse(GATEWAY + METER + EMP, "a.toml")
    same = parse("# other file\n" + GATEWAY + METER + "baudrate = 9600\n" + EMP, "b.toml")
    other = parse(GATEWAY + METER + "objects = ['1.8.0']\n" + EMP, "a.toml")
    assert one.meters[0].content() == same.meters[0].content() != other.meters[0].content()
    assert '"objects":["1-0:1.8.0*255"]' in other.meters[0].content()
    assert one.gateway.content() == (
        '{"device_id":"ESMG0000000001","ntp":[],"power_cut_loss":5,'
        '"retention":{"daily_weeks":6,"derived_months":24,"grid_months":24,"live_days":7,"period_end_months":36,"undelivered_mb":512},"system_clock":null}'
    )
    assert one.emps[0].content() == (
        '{"batch":1000,"forward":5,"meters":[],"name":"demo","timeout":20,"url":"http://127.0.0.1:8080/poc"}'
    )


def test_time_servers_over_tls_are_told_apart_from_others() -> None:
    servers = "ntp = ['tls://gwa:123', 'a:123', 'tls://[::1]:4123']\n"
    gateway = parse(GATEWAY + servers + METER, "g.toml").gateway
    assert gateway.tls_servers == ("tls://gwa:123", "tls://[::1]:4123")
    assert gateway.udp_servers == ("a:123",)
    assert gateway.time_sources == ("tls://gwa:123", "a", "tls://[::1]:4123")


def test_a_right_file_brings_no_module_that_only_errors_need() -> None:
    code = f"import sys; from smgw.profiles import load; load({str(EXAMPLE)!r}); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    forbidden = {
        "difflib",
        "smgw.profiles.toml_lines",
        "ssl",
        "asyncio",
        "http.client",
        "urllib.request",
        "email",
        "lxml",
    }
    assert not forbidden.intersection(loaded)
