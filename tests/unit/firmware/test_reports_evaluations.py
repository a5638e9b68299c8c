"""What `smgw status` says of evaluations: registers without what is none, and a meter that fell."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from captures_made import MIDNIGHT, SECOND, capture, energy
from registering import Clock
from smgw.cosem.evaluation_facts import FACTS
from smgw.metering.evaluations import Evaluations
from smgw.metering.registrar import Registrar
from smgw.profiles.toml_importer import load
from smgw.reports.health import Report, examine
from smgw.store import paths
from smgw.store.lmn.store import LmnStore

TEXT = """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "sml-push"
port = "/dev/null"
[[evaluation]]
name = "sum"
taf = 4
tiers = [1000]
meters = ["house"]
zone = "UTC"
"""


def run(state: Path, *readings: int) -> None:
    """Readings of quarter hours."""
    evaluate(state, TEXT, readings, 0)


def evaluate(state: Path, text: str, readings: Sequence[int], first: int) -> None:
    (state / "gateway.toml").write_text(text)
    clock = Clock()
    with LmnStore.open(paths.lmn_directory(state), ballast_bytes=0) as store:
        evaluations = Evaluations(store, clock.stamp)
        evaluations.configure(load(state / "gateway.toml").evaluations)
        store.evaluate_with(evaluations)
        registrar = Registrar(store, clock, {"house": 900})
        for place, value in enumerate(readings, first):
            clock.now_us = MIDNIGHT + place * 900 * SECOND
            one = capture(place * 900 * SECOND, energy(value))
            registrar.capture(one._replace(meter="house", stamp=clock.stamp()))
            registrar.run_once(0)
        store.flush(now=True)


def examined(state: Path) -> Report:
    return examine(load(state / "gateway.toml"), state)


def reasons(state: Path) -> list[str]:
    return [reason for reason in examined(state).reasons if "evaluation sum" in reason]


def test_it_shows_registers_alone(tmp_path: Path) -> None:
    run(tmp_path, 100)
    (found,) = examined(tmp_path).evaluations
    assert str(FACTS.obis) not in [register["obis"] for register in found["registers"]]
    assert len(found["registers"]) == 4
    assert found["fell_since_us"] is None


def test_a_meter_that_fell_is_a_reason(tmp_path: Path) -> None:
    run(tmp_path, 100, 200, 50, 60)
    (reason,) = reasons(tmp_path)
    assert "a meter fell below its last reading, so nothing counts since 2026-03-01T00:15:00Z" in reason
    assert examined(tmp_path).evaluations[0]["fell_since_us"] == MIDNIGHT + 900 * SECOND


@pytest.mark.parametrize("readings", [(100, 200), (100, 200, 50, 300)], ids=["none", "one wrong value"])
def test_one_that_counts_on_is_none(tmp_path: Path, readings: tuple[int, ...]) -> None:
    run(tmp_path, *readings)
    assert reasons(tmp_path) == []


def test_a_new_version_counts_again(tmp_path: Path) -> None:
    run(tmp_path, 100, 200, 50)
    evaluate(tmp_path, f"{TEXT}begin = 2026-03-01\n", (60, 70), 3)
    assert reasons(tmp_path) == []
    registers = {one["obis"]: one["value"] for one in examined(tmp_path).evaluations[0]["registers"]}
    assert registers["1-0:1.8.0*255"] == 10
