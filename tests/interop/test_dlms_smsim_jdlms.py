"""jDLMS, the Java library that jOSEF was built on, reads smsim's DLMS meters over HDLC and the wrapper.

It comes from the Maven registry; its build lies in a folder of pytest. Skipped, aloud, without Java, Maven, registry.
jDLMS knows the mechanisms none, LLS and GMAC. It fails to cut a request of its own in two, so a request longer than
128 octets, as with keys or a list, needs longer frames.
"""

import json
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from dlms_smsim import (
    AUTH_KEY,
    CLOCK,
    ENERGY,
    KEY,
    NAME,
    PASSWORD,
    PROFILE,
    SAPS,
    energy_of,
    rows_of,
    running_meters,
    same_device,
    value_of,
)
from java_peer import java_peer
from smgw.cosem import AttributeName, Obis
from smgw.cosem.data import octet_string
from smgw.dlms.apdus.selection import Entries, Range
from smsim.dlms.device import COUNTERS, CosemObject, Device

RUN_S = 120
REGISTERS = [f"1 {NAME} 2", f"3 {ENERGY} 2", f"3 {ENERGY} 3", "8 0.0.1.0.0.255 2", "3 9.9.9.9.9.9 2"]
COUNTER_STEP = 10_000
COUNTER = iter(range(2_000_000, 3_000_000, COUNTER_STEP))


@pytest.fixture(scope="module")
def jdlms(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs the peer."""
    return java_peer("jdlms", tmp_path_factory.mktemp("jdlms"))


@pytest.fixture(scope="module")
def meters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with running_meters(tmp_path_factory.mktemp("meters")) as found:
        yield found


@pytest.fixture(scope="module")
def device() -> Device:
    return same_device()


class Peer:
    """jDLMS on one line of the running meters."""

    def __init__(self, command: list[str], meters: dict[str, Any], line: str, length: int = 2030) -> None:
        link = "wrapper" if line == "wrapper" else "hdlc"
        physical = 17 if line == "addressed" else 0
        self._command = [*command, str(meters[line]), link]
        self._address = [str(physical), str(length)]

    def run(self, sap: int, security: Sequence[str], gets: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """One association."""
        command = [*self._command, str(sap), *self._address, *security]
        return subprocess.run(command, input="\n".join(gets), capture_output=True, text=True, timeout=RUN_S)

    def read(self, mechanism: int, gets: Sequence[str], counter: int = 0) -> list[Any]:
        """What it reads, a list a GET."""
        security = ["lls", PASSWORD] if mechanism == 1 else []
        if mechanism == 5:
            security = ["gmac", KEY, AUTH_KEY, str(counter or next(COUNTER))]
        done = self.run(SAPS[mechanism], security, gets)
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("line", "mechanism", "length"),
    [
        ("hdlc", 0, 128),
        ("hdlc", 1, 128),
        ("hdlc", 0, 2030),
        ("hdlc", 5, 2030),
        ("addressed", 0, 128),
        ("wrapper", 0, 128),
        ("wrapper", 1, 128),
        ("wrapper", 5, 128),
    ],
)
def test_jdlms_reads_registers_and_a_thousand_rows(
    jdlms: list[str], meters: dict[str, Any], device: Device, line: str, mechanism: int, length: int
) -> None:
    """R1, R12, R30."""
    gets = [*REGISTERS, f"7 {PROFILE} 2 entries 2000 2999"]
    *registers, (rows,) = Peer(jdlms, meters, line, length).read(mechanism, gets)
    clock = device.clock.octets(device.now()).hex()
    assert registers == [[device.logical_name.hex()], [energy_of(device)], [[0, 30]], [clock], ["OBJECT_UNDEFINED"]]
    assert rows == rows_of(device, Entries(2000, 2999))
    assert len(rows) == 1000


@pytest.mark.parametrize(("line", "mechanism"), [("hdlc", 0), ("wrapper", 1), ("wrapper", 5)])
def test_jdlms_reads_the_list_of_objects_and_by_lists_what_each_says(
    jdlms: list[str], meters: dict[str, Any], device: Device, line: str, mechanism: int
) -> None:
    sap = SAPS[mechanism]
    lists = [[AttributeName(15, Obis.parse("0-0:40.0.0"), 2)]]
    for one in device.objects_for(sap):
        if one.obis not in COUNTERS:  # what they say comes of the tests before
            numbers = [1, *one.attributes]
            lists.append(
                [AttributeName(one.class_id, one.obis, number) for number in numbers if not is_buffer(one, number)]
            )
    found = Peer(jdlms, meters, line).read(mechanism, [",".join(map(asked, attributes)) for attributes in lists])
    for attributes, values in zip(lists, found, strict=True):
        assert values == [value_of(device, sap, one) for one in attributes], attributes[0]
    assert sum(map(len, found)) > 90


def is_buffer(one: CosemObject, number: int) -> bool:
    return (one.class_id, number) == (7, 2)


def asked(attribute: AttributeName) -> str:
    return f"{attribute.class_id} {dotted(attribute.obis)} {attribute.attribute}"


def dotted(obis: Obis) -> str:
    return ".".join(map(str, bytes(obis)))


@pytest.mark.parametrize(("line", "mechanism"), [("hdlc", 1), ("wrapper", 5)])
def test_jdlms_reads_a_range_of_rows_by_time(
    jdlms: list[str], meters: dict[str, Any], device: Device, line: str, mechanism: int
) -> None:
    """R13: the bounds carry their deviation."""
    night = (datetime(2026, 3, 28, 22, tzinfo=UTC), datetime(2026, 3, 29, 3, tzinfo=UTC))
    first, last = (device.clock.octets(int(moment.timestamp())) for moment in night)
    ((rows,),) = Peer(jdlms, meters, line).read(mechanism, [f"7 {PROFILE} 2 range {first.hex()} {last.hex()}"])
    assert rows == rows_of(device, Range(CLOCK, octet_string(first), octet_string(last)))
    assert len(rows) == 5 * 4 + 1, "the night that has an hour less"


def test_the_public_client_is_told_the_invocation_counter_that_jdlms_used(
    jdlms: list[str], meters: dict[str, Any]
) -> None:
    """R10."""
    peer, counter = Peer(jdlms, meters, "wrapper"), next(COUNTER)
    peer.read(5, REGISTERS[:1], counter)
    ((told,),) = peer.read(0, [f"1 {dotted(COUNTERS[0])} 2"])
    assert counter < told < counter + COUNTER_STEP


def test_jdlms_is_refused_with_a_wrong_password(jdlms: list[str], meters: dict[str, Any]) -> None:
    done = Peer(jdlms, meters, "hdlc").run(SAPS[1], ["lls", "wrong"], REGISTERS)
    assert done.returncode != 0
    assert not done.stdout
    assert "AUTHENTICATION_ERROR" in done.stderr
