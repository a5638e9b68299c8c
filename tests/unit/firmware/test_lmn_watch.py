"""What a reader says of the devices behind its meter."""

import time

import pytest
from captures_made import DEVICE, MIDNIGHT, capture
from line_meter import Clock, Inbox
from smgw.cosem import DeviceId
from smgw.lmn.watch import Watch

OTHER = DeviceId(b"other")


def test_a_device_that_is_silent_while_another_speaks_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    inbox, now = Inbox(), 1000.0
    watch = Watch("house", 60.0, Clock(), inbox)
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for device in (DEVICE, OTHER, DEVICE, OTHER):
        watch.good(capture(MIDNIGHT, device=device))
        now += 31
    assert inbox.gone == []
    watch.good(capture(MIDNIGHT, device=OTHER))
    assert inbox.gone == [("house", DEVICE)]
    watch.good(capture(MIDNIGHT, device=OTHER))
    assert inbox.gone == [("house", DEVICE)]
