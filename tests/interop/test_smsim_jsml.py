"""jSML, the Java library that jOSEF was built on, reads smsim's telegrams and asks its TCP server.

It comes from the Maven registry; its build lies in a folder of pytest. Skipped, aloud, without Java, Maven, registry.
"""

import asyncio
import json
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest
from java_peer import java_peer
from smgw.cosem import Obis, ObjectName
from smgw.sml import tlv
from smgw.sml.client import Client
from smgw.sml.messages import Time
from smgw.sml.parameters import OBJECT_LIST_PATH, VALUE, parameter_name
from smgw.sml.profiles import LOAD_PROFILE
from smgw.sml.server import Reply, Server
from smgw.sml.transport import encode_frame
from smsim.config import parse
from smsim.load.timelapse import TimeLapse
from smsim.simulator import Simulator
from smsim.sml import style
from smsim.sml.meter import Meter, MeterSpec
from telegrams import payload_of, unsealed

JUNE = 1_780_264_800
NEW_YEAR = 1_767_222_000
RUN_S = 60
BARE_TIMES = ("holley-dtz541", "holley-dtz541-two-tariffs")


@pytest.fixture(scope="module")
def jsml(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs the peer."""
    return java_peer("jsml", tmp_path_factory.mktemp("jsml"))


def told(command: Sequence[str], lines: Sequence[bytes]) -> list[Any]:
    """What the peer prints for lines of hex."""
    done = subprocess.run(
        command, input="\n".join(line.hex() for line in lines).encode(), capture_output=True, timeout=RUN_S
    )
    assert done.returncode == 0, done.stderr.decode()
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(lines), done.stderr.decode()
    return answers


def as_array(value: tlv.Value | None) -> Any:
    """A typed value as the peer prints it."""
    if value is None:
        return None
    if isinstance(value.value, tuple):
        return [as_array(element) for element in value.value]
    return value.value.hex() if isinstance(value.value, bytes) else value.value


def messages(frame: bytes) -> list[Any]:
    """The messages of a frame as the peer prints them."""
    found = []
    for part in unsealed(payload_of(frame)):
        row, end = [], 1
        for _ in range(4):
            value, end = tlv.decode(part, end)
            row.append(as_array(value))
        tag, body = row.pop()
        found.append([*row, tag, body])
    return found


def a_day(name: str) -> list[bytes]:
    """A telegram an hour, power flowing in and out."""
    elapsed = [0]
    made = style.load(name)
    assert made.device is not None
    meter = Meter(MeterSpec("m", made.device, (), 3500, 8000, 7, style=made), TimeLapse(JUNE), lambda: elapsed[0])
    telegrams = []
    for hour in range(24):
        elapsed[0] = (hour + 1) * 16_000
        telegrams.append(meter.telegram())
    return telegrams


@pytest.mark.parametrize("name", [name for name in style.names() if name not in BARE_TIMES])
def test_jsml_reads_every_field(jsml: list[str], name: str) -> None:
    day = a_day(name)
    whole_fill = [telegram[-3] == 4 for telegram in day]
    for telegram, filled, read in zip(day, whole_fill, told([*jsml, "decode"], day), strict=True):
        if filled:  # DZG: jSML takes no more than three octets of fill
            assert read == "IOException: Termination sequence is wrong"
        else:
            assert read == messages(telegram)
    assert not all(whole_fill)
    assert any(whole_fill) == style.load(name).whole_fill


@pytest.mark.parametrize("name", BARE_TIMES)
def test_jsml_refuses_a_time_without_its_choice(jsml: list[str], name: str) -> None:
    assert told([*jsml, "decode"], a_day(name)[:1]) == ["IOException: Could not decode message"]


CONFIG = '[[meter]]\nname = "m"\nstyle = "iskra-mt631"\nport = "tcp:0"\n'


async def asked(jsml: list[str], simulator: Simulator, files: list[bytes]) -> list[Any]:
    """What jSML's client gets of a simulator's meter."""
    (line,) = await simulator.start()
    try:
        return await asyncio.to_thread(told, [*jsml, "ask", "127.0.0.1", line.rpartition(":")[2]], files)
    finally:
        await simulator.stop()


def test_jsml_asks_the_tcp_server_for_lists_parameters_and_profiles(jsml: list[str]) -> None:
    simulator = Simulator(parse(CONFIG), elapsed_ms=lambda: 40_000)  # its time stands still
    energy = parameter_name(ObjectName(3, 0, Obis.parse("1.8.0")))
    client = Client(b"jsml", b"seed")
    requests = {
        "list": client.get_list(),
        "object list": client.get_parameter(*OBJECT_LIST_PATH),
        "value": client.get_parameter(energy, VALUE),
        "unknown": client.get_parameter(bytes(9)),
        "profile": client.get_profile([LOAD_PROFILE]),
        "part of a profile": client.get_profile([LOAD_PROFILE], Time(2, NEW_YEAR + 1800), Time(2, NEW_YEAR + 3600)),
        "rows": client.get_profile_list([LOAD_PROFILE]),
    }
    files, answers = [], []
    for place, request in enumerate(requests.values()):
        files.append(payload_of(Client(b"jsml", bytes((0, 0, 0, place))).send([request], 0.0)))
        (reply,) = Server(simulator.meters[0].meter).receive(encode_frame(files[-1]))
        assert isinstance(reply, Reply)
        answers.append(messages(reply.octets))
    assert [answer[1][3] for answer in answers] == [0x0701, 0x0501, 0x0501, 0xFF01, 0x0301, 0x0301, 0x0401]
    assert len(answers[-1]) == 2 + 11  # a message for each quarter hour
    for name, read, answer in zip(requests, asyncio.run(asked(jsml, simulator, files)), answers, strict=True):
        assert read == answer, name
