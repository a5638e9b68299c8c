"""Sections [[line]]: what several meters on one port share."""

import pytest
from smgw.profiles import ConfigurationError
from smgw.profiles.toml_importer import parse

GATEWAY = '[gateway]\ndevice_id = "ESMG0000000001"\n'
METER = '[[meter]]\nname = "house"\nprotocol = "sml-push"\nport = "/dev/ttyUSB0"\n'
POLLED = '[[meter]]\nname = "solar"\nprotocol = "sml-poll"\nport = "socket://localhost:33333"\n'


def only_fault(text: str) -> str:
    with pytest.raises(ConfigurationError) as raised:
        parse(text, "g.toml")
    (fault,) = str(raised.value).splitlines()
    return fault


LINE = '[[line]]\nname = "bus"\nprotocol = "dlms"\nport = "/dev/ttyUSB0"\nbaudrate = 19200\ntimeout = 2\n'


def on(line: str, name: str, physical: int, more: str = "") -> str:
    return f'[[meter]]\nname = "{name}"\nline = "{line}"\n{more}dlms.physical = {physical}\n'


def test_meters_on_a_line_have_its_keys_unless_they_have_their_own() -> None:
    bus = parse(GATEWAY + LINE + on("bus", "a", 17) + on("bus", "b", 18, "timeout = 4\n"), "g.toml")
    port = LINE.partition('name = "bus"\n')[2]
    alone = parse(
        GATEWAY
        + f'[[meter]]\nname = "a"\n{port}dlms.physical = 17\n'
        + f'[[meter]]\nname = "b"\n{port.replace("timeout = 2", "timeout = 4")}dlms.physical = 18\n',
        "g.toml",
    )
    assert bus == alone
    (line,) = bus.lines
    assert (line.port, [meter.name for meter in line.meters]) == ("/dev/ttyUSB0", ["a", "b"])


def test_a_meter_with_a_port_is_a_line_with_one_meter() -> None:
    assert [[meter.name for meter in line.meters] for line in parse(GATEWAY + METER + POLLED, "g.toml").lines] == [
        ["house"],
        ["solar"],
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            LINE + on("bsu", "a", 1),
            'g.toml:11: [[meter]] line: no line has the name "bsu"; there are bus (did',
        ),
        (LINE + METER, 'g.toml:3: [[line]]: no meter is on it; write line = "bus" in a [[meter]]'),
        (LINE + LINE + on("bus", "a", 1), 'g.toml:10: [[line]] name: "bus" is wrong here; each line has a name'),
        (
            LINE.replace("19200", "1") + on("bus", "a", 1) + on("bus", "b", 2),
            "g.toml:7: [[line]] baudrate: 1 is out",
        ),
        (LINE + on("bus", "a", 1, 'port = "/dev/ttyS1"\n'), "[[meter]] port: its line bus has the port; leave it out"),
        (
            LINE + 'device_id = "1EMH0011802881"\n' + on("bus", "a", 1),
            "device_id: it belongs to each [[meter]]",
        ),
        (
            LINE + on("bus", "a", 1) + on("bus", "b", 1),
            'g.toml:15: [[meter]] line: "/dev/ttyUSB0" is the port of meter "a" already; give each an address',
        ),
        (
            LINE.replace('port = "/dev/ttyUSB0"', "") + on("bus", "a", 1),
            "g.toml:3: [[line]]: port is missing; write port",
        ),
        (LINE + 'line = "bus"\n' + on("bus", "a", 1), "line: it belongs to each [[meter]]"),
        (
            LINE + on("bus", "a", 1) + on("bus", "b", 2, "baudrate = 300\n"),
            '"a" on the same port has 19200; all',
        ),
        (
            LINE + on("bus", "a", 1) + on("bus", "b", 2, 'dlms.start = "mode-e"\n'),
            'g.toml:16: [[meter]] dlms.start: meter "a" on the same port has "direct"; all meters of a line have',
        ),
        (
            LINE.replace("/dev/ttyUSB0", "socket://localhost:4059").replace("baudrate = 19200\n", "")
            + on("bus", "a", 1)
            + '[[meter]]\nname = "b"\nline = "bus"\ndlms = { framing = "wrapper", server = 2 }\n',
            'dlms.framing: meter "a" on the same port has "hdlc"; all meters of a line have the same dlms.framing',
        ),
        ("[line]\n" + METER, "g.toml:3: [[line]]: there may be several of these"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_where_it_stands(text: str, said: str) -> None:
    assert said in only_fault(GATEWAY + text)


def test_a_section_of_the_line_and_one_of_the_meter_make_one() -> None:
    shared = LINE + "dlms = { client = 32, window = 3 }\n"
    own = '[[meter]]\nname = "{name}"\nline = "bus"\ndlms = { physical = {physical}, window = {window} }\n'
    text = GATEWAY + shared
    for name, physical, window in (("a", 17, 1), ("b", 18, 3)):
        text += own.replace("{name}", name).replace("{physical}", str(physical)).replace("{window}", str(window))
    options = [meter.options for meter in parse(text, "g.toml").meters]
    assert [(one.client, one.physical, one.window) for one in options] == [(32, 17, 1), (32, 18, 3)]


def test_a_fault_in_the_section_of_a_line_is_told_there() -> None:
    shared = LINE + "dlms = { client = 500 }\n"
    assert only_fault(GATEWAY + shared + on("bus", "a", 17)).startswith("g.toml:9: [[line]] dlms.client: 500 is out")


TWO = on("bus", "a", 1) + on("bus", "b", 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LINE.replace('name = "bus"\n', "") + TWO, "g.toml:3: [[line]] name: is missing; each line has a name"),
        (LINE.replace('"bus"', '"Bus 1"') + TWO, 'g.toml:4: [[line]] name: "Bus 1" is wrong here'),
        (LINE.replace('protocol = "dlms"\n', "") + TWO, "g.toml:3: [[line]]: protocol is missing; write protocol"),
        (LINE.replace('"dlms"', '"dlsm"') + TWO, 'g.toml:5: [[line]] protocol: "dlsm" is wrong here'),
        (LINE.replace('port = "/dev/ttyUSB0"\n', "") + TWO, "g.toml:3: [[line]]: port is missing"),
        ("[line]\n" + TWO, "g.toml:3: [[line]]: there may be several of these"),
    ],
)
def test_a_fault_of_a_line_brings_none_at_its_meters(text: str, said: str) -> None:
    assert only_fault(GATEWAY + text).startswith(said)


def test_a_line_may_leave_the_protocol_to_its_meters() -> None:
    line = LINE.replace('protocol = "dlms"\n', "")
    meters = on("bus", "a", 1, 'protocol = "dlms"\n') + on("bus", "b", 2)
    assert only_fault(GATEWAY + line + meters).startswith("g.toml:13: [[meter]] protocol: is missing")
    assert len(parse(GATEWAY + line + meters + 'protocol = "dlms"\n', "g.toml").meters) == 2


@pytest.mark.parametrize(
    "text",
    [
        "line = 5\n" + GATEWAY + METER,
        GATEWAY + '[[line]]\nname = ["b"]\n' + METER,
        GATEWAY + "[[line]]\nname = {}\n" + METER,
    ],
)
def test_an_odd_line_is_a_fault_and_no_crash(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse(text, "g.toml")
    assert "line" in str(raised.value)
