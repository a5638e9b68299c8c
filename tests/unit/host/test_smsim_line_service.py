"""SML request and response on a serial line: an answer takes its time, one client after another is served."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from line_meter import until
from simulated import Running, simulated
from smgw.sml.attention import AttentionCode, attention_code
from smgw.sml.client import Answers, Client
from smgw.sml.messages import AttentionResponse, Body, GetListResponse, GetProcParameterResponse
from smgw.sml.parameters import OBJECT_LIST_PATH

ASKED = """
[[meter]]
name = "rail"
device = "1EMH0000000003"
port = "pty:{path}/rail"
baud = 9600
answers = true
{more}
"""


@pytest.fixture
def rail(tmp_path: Path) -> Iterator[Running]:
    with simulated(ASKED.format(path=tmp_path, more="")) as running:
        yield running


class Reader:
    """Opens the line as a gateway does."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path / "rail", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.client = Client(b"reader", b"\1\2\3\4")
        self.octets = b""

    def send(self, octets: bytes) -> None:
        os.write(self._descriptor, octets)

    def received(self) -> list[Answers]:
        """What was answered, without waiting."""
        try:
            octets = os.read(self._descriptor, 4096)
        except BlockingIOError:
            return []
        self.octets += octets
        return [event for event in self.client.receive(octets) if isinstance(event, Answers)]

    def ask(self, *path: bytes) -> Body | None:
        """The answer to one request: a parameter, or without a path the list."""
        self.send(self.client.send([self.client.get_parameter(*path) if path else self.client.get_list()], 0.0))
        found: list[Answers] = []
        until(lambda: found.extend(self.received()) or found)
        return found[0].bodies[0]

    def close(self) -> None:
        os.close(self._descriptor)


def test_a_request_on_the_line_is_answered(rail: Running, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    answer = reader.ask()
    reader.close()
    assert isinstance(answer, GetListResponse)
    assert answer.server_id == rail.meter.meter.server_id
    assert rail.meter.how == "SML request and response at 9600 Bd"
    assert rail.meter.driver.counts() == {"answers": 1, "requests": 3, "octets": len(reader.octets), "refused": 0}


def test_one_reader_after_another_is_answered_and_rubbish_between_them_does_no_harm(
    rail: Running, tmp_path: Path
) -> None:
    for _ in range(2):
        reader = Reader(tmp_path)
        reader.send(b"/?!\r\n" + bytes(50) + b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01\x76")
        assert isinstance(reader.ask(*OBJECT_LIST_PATH), GetProcParameterResponse)
        reader.close()
    assert rail.meter.driver.counts()["answers"] == 2


def test_an_older_meter_knows_its_list_only(tmp_path: Path) -> None:
    with simulated(ASKED.format(path=tmp_path, more="object_list = false")):
        reader = Reader(tmp_path)
        assert isinstance(reader.ask(), GetListResponse)
        refused = reader.ask(*OBJECT_LIST_PATH)
        reader.close()
    assert isinstance(refused, AttentionResponse)
    assert attention_code(refused.number) is AttentionCode.UNEXPECTED_MESSAGE


def test_a_silent_meter_answers_again_when_it_is_well(rail: Running, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    rail.order("rail silence")
    reader.send(reader.client.send([reader.client.get_list()], 0.0))
    rail.order("rail silence off")
    reader.client = Client(b"reader", b"next")
    assert isinstance(reader.ask(), GetListResponse)
    reader.close()
