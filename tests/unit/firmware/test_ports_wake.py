"""The flag that ends waits: what a woken thread sees."""

import gc
import os
from pathlib import Path

import pytest
from smgw.ports.wake import Wake


def test_a_thread_that_the_octet_wakes_finds_the_flag_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a connect that was ended would be reported as a time-out."""
    found = []
    with Wake() as wake:
        write = os.write

        def writing(descriptor: int, octets: bytes) -> int:
            found.append(wake.is_set())
            return write(descriptor, octets)

        monkeypatch.setattr(os, "write", writing)
        wake.set()
        wake.set()
        assert wake.wait(0)
    assert found == [True]


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_one_that_nobody_has_any_more_leaves_no_descriptor_open() -> None:
    before = descriptors()
    several = [Wake() for _ in range(20)]
    assert descriptors() == before + 40
    several.clear()
    gc.collect()
    assert descriptors() == before
