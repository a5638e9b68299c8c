"""What tests share: a head-end and gateways that deliver to it; a store and a clock for the registrar."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from delivering import Gateway, gateways, hurry
from registering import Clock
from small_emp import SmallEmp
from smgw.store.lmn.store import LmnStore


@pytest.fixture
def emp() -> Iterator[SmallEmp]:
    """A head-end."""
    with SmallEmp() as made:
        yield made


@pytest.fixture
def make(tmp_path: Path, emp: SmallEmp) -> Iterator[Callable[..., Gateway]]:
    """Makes gateways that deliver to `emp`."""
    with gateways(tmp_path, emp.url) as one:
        yield one


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Short pauses of the dispatcher, and a log from INFO on."""
    hurry(monkeypatch)
    caplog.set_level(logging.INFO)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmnStore]:
    """An lmn.db."""
    with LmnStore.open(tmp_path, ballast_bytes=0) as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    """It stands at midnight."""
    return Clock()
