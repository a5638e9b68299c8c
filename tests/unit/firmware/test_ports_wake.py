"""The flag that ends waits: what a woken thread sees."""

import os

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
