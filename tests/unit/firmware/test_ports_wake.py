"""The flag that ends waits: what a woken thread sees."""

import contextlib
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


def open_files() -> set[str]:
    """What the descriptors of this process are; a pipe has a number that is its own."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # that of this listing is gone
            found.add(str(descriptor.readlink()))
    return found


def test_one_that_nobody_has_any_more_leaves_no_descriptor_open() -> None:
    several = [Wake() for _ in range(20)]
    pipes = {str(Path(f"/proc/self/fd/{wake.fileno()}").readlink()) for wake in several}
    assert pipes <= open_files()
    several.clear()
    gc.collect()
    assert not pipes & open_files()
