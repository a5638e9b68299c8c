"""Reading a meter once: how long was waited is told only if it was waited."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from line_meter import Head
from smgw.clock import GatewayClock
from smgw.lmn.contract import Surroundings
from smgw.lmn.errors import PollError
from smgw.lmn.read_once import read_once
from smgw.ports import Wake
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[MeterProfile]:
    head = Head(tmp_path / "head")
    yield MeterProfile("house", "sml-push", str(head.link))
    head.unplug()


@pytest.mark.parametrize(("passed", "said"), [(0.0, "no telegram"), (15.0, "no telegram within 15 s")])
def test_the_time_is_told_only_if_it_has_passed(profile: MeterProfile, passed: float, said: str) -> None:
    times = [100.0]

    def stopping() -> bool:
        times[0] = 100.0 + passed
        return True

    surroundings = Surroundings(GatewayClock(), stopping=stopping, now=lambda: times[0])
    with Wake() as wake, pytest.raises(PollError) as caught:
        read_once(profile, Secrets(), surroundings, wake, 15.0)
    assert str(caught.value) == said
