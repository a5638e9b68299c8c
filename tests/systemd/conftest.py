"""Machines for these tests: made once, booted a few times, skipped loudly where that cannot be."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from host_head import HostHead
from machine import Machine, built_deb, tar_of, unavailable


@pytest.fixture(scope="session")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if why := unavailable():
        pytest.skip(why)
    return built_deb(tmp_path_factory.mktemp("deb"))


@pytest.fixture(scope="module")
def head() -> Iterator[HostHead]:
    head = HostHead()
    yield head
    head.close()


@pytest.fixture(scope="module")
def machine(deb: Path, head: HostHead, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Debian 12 with the package installed and nothing configured; the head is its /dev/ttyUSB0."""
    with Machine(tar_of("bookworm"), tmp_path_factory.mktemp("machine"), {head.path: "/dev/ttyUSB0"}) as machine:
        machine.copy(deb, "/root/smgw.deb")
        machine.run("dpkg", "-i", "/root/smgw.deb")
        yield machine
