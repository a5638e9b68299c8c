"""jDLMS, the Java library that jOSEF was built on, reads smsim's DLMS meters over HDLC and the wrapper.

It comes from the Maven registry; its build lies in a folder of pytest. Skipped, aloud, without Java, Maven, registry.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dlms_smsim import (
    AUTH_KEY,
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
)
from smgw.dlms.selection import Entries

SOURCES = Path(__file__).with_name("java")
FETCH_S, RUN_S = 240, 120
COUNTER = iter(range(2_000_000, 3_000_000, 10_000))


@pytest.fixture(scope="module")
def jdlms(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that runs the peer."""
    for program in ("java", "javac", "mvn"):
        if shutil.which(program) is None:
            pytest.skip(
                f"jDLMS is not asked: {program} is missing; on Debian: sudo apt-get install maven default-jdk-headless"
            )
    folder = tmp_path_factory.mktemp("jdlms")
    fetch = ["mvn", "-q", "-B", "-f", str(SOURCES / "jdlms-pom.xml"), "dependency:copy-dependencies"]
    fetch.append(f"-DoutputDirectory={folder}/lib")
    try:  # what was fetched once needs no registry
        if subprocess.run([*fetch, "-o"], capture_output=True, timeout=FETCH_S).returncode:
            subprocess.run(fetch, capture_output=True, timeout=FETCH_S, check=True)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("jDLMS is not asked: Maven could not fetch it; is there a Maven registry to be reached?")
    compile_it = ["javac", "-Xlint:all", "-Werror", "-cp", f"{folder}/lib/*", "-d", str(folder)]
    subprocess.run([*compile_it, str(SOURCES / "JdlmsPeer.java")], check=True, timeout=RUN_S)
    return ["java", "-cp", f"{folder}:{folder}/lib/*", "JdlmsPeer"]


@pytest.fixture(scope="module")
def meters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    with running_meters(tmp_path_factory.mktemp("meters")) as found:
        yield found


def security(mechanism: int) -> list[str]:
    if mechanism == 1:
        return ["lls", PASSWORD]
    return ["gmac", KEY, AUTH_KEY, str(next(COUNTER))] if mechanism == 5 else []


@pytest.mark.parametrize(
    ("link", "mechanism", "length"),
    [
        ("hdlc", 0, 128),
        ("hdlc", 1, 128),
        ("hdlc", 0, 2030),
        ("hdlc", 5, 2030),
        ("wrapper", 0, 128),
        ("wrapper", 5, 128),
    ],
)
def test_jdlms_reads_registers_and_a_thousand_rows(
    jdlms: list[str], meters: dict[str, Any], link: str, mechanism: int, length: int
) -> None:
    """R1. jDLMS 1.8.0 fails to cut its own request in two, so one with keys needs longer frames than 128 octets."""
    command = [*jdlms, str(meters[link]), link, str(SAPS[mechanism]), str(length), *security(mechanism)]
    wanted = f"1 {NAME} 2\n3 {ENERGY} 2\n3 {ENERGY} 3\n7 {PROFILE} 2 2000 2999\n3 9.9.9.9.9.9 2\n"
    done = subprocess.run(command, input=wanted, capture_output=True, text=True, timeout=RUN_S)
    assert done.returncode == 0, done.stdout + done.stderr
    name, energy, unit, rows, missing = map(json.loads, done.stdout.splitlines())
    device = same_device()
    assert name == device.logical_name.hex()
    assert energy == energy_of(device)
    assert unit == [0, 30]
    assert rows == rows_of(device, Entries(2000, 2999))
    assert missing == "OBJECT_UNDEFINED"
