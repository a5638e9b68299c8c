"""What the tests of delivery share: a head-end, and gateways that deliver to it."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from delivering import Gateway, gateways, hurry
from small_emp import SmallEmp


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
