"""Java libraries as peers: Maven fetches one into a folder of the test, javac compiles the small program that asks it.

A peer `name` is tests/interop/java/<name>-pom.xml, which names the library, and <Name>Peer.java.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

SOURCES = Path(__file__).parents[1] / "interop" / "java"
PACKAGES = "maven openjdk-17-jdk-headless"
FETCH_S, COMPILE_S = 240, 60


def java_peer(name: str, folder: Path) -> list[str]:
    """The command that runs the peer; the test is skipped, and says so, without Java, Maven or a registry."""
    for program in ("java", "javac", "mvn"):
        if shutil.which(program) is None:
            pytest.skip(f"{name} is not asked: {program} is missing; on Debian: sudo apt-get install {PACKAGES}")
    _fetch(name, folder / "lib")
    main = f"{name.capitalize()}Peer"
    classpath = f"{folder / 'lib'}/*"
    compile_it = ["javac", "-Xlint:all", "-Werror", "-cp", classpath, "-d", str(folder), str(SOURCES / f"{main}.java")]
    done = subprocess.run(compile_it, capture_output=True, text=True, timeout=COMPILE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return ["java", "-cp", f"{folder}:{classpath}", main]


def _fetch(name: str, libraries: Path) -> None:
    command = ["mvn", "-q", "-B", "-f", str(SOURCES / f"{name}-pom.xml"), "dependency:copy-dependencies"]
    command.append(f"-DoutputDirectory={libraries}")
    if _done([*command, "-o"]) or _done(command):  # what was fetched once needs no registry
        return
    pytest.skip(f"{name} is not asked: Maven could not fetch it; is there a Maven registry to be reached?")


def _done(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=FETCH_S).returncode == 0
    except subprocess.TimeoutExpired:
        return False
