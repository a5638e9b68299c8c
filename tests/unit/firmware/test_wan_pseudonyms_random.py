"""Rows under pseudonyms in any order of events: lost answers, refusals, kills, orders, exports, other periods.

A kill puts back the files as they were while a request was under way: all that was not durable then is lost.
"""

import random
import shutil
from collections import Counter
from pathlib import Path

import pytest
from captures_made import DEVICE, MIDNIGHT, SECOND, capture, energy
from delivering import OTHER, Gateway
from effort import SEED, rounds
from small_emp import OK, Answer, Put, SmallEmp
from smgw.store.records import Record, StoredRecord
from smgw.store.wan.orders import place_order
from smgw.store.wan.pseudonyms import Unnumbered, number_beside
from smgw.store.wan.records import OrderKind

pytestmark = pytest.mark.usefixtures("quick")

QUARTER = 900 * SECOND
STEPS = 60


class Play:
    """A gateway, its head-end and a dice."""

    def __init__(self, directory: Path, emp: SmallEmp, seed: int) -> None:
        self.dice = random.Random(f"{SEED} {seed}")
        self.directory = directory
        self.emp = emp
        self.days = 1
        self.made = 0  # the value of the newest row, which no other row has
        self.written: list[int] = []  # the values of rows that are in lmn.db
        self.saved = directory / "saved"
        self.fixed: dict[tuple[str, int], object] = {}
        self.gateway = self.open()

    def open(self) -> Gateway:
        batch = self.dice.choice([3, 10, 40, 1000])
        return Gateway(self.directory, self.emp.url, pseudonym_days=self.days, batch=batch)

    def close(self) -> None:
        self.gateway.dispatcher.stop()
        self.gateway.dispatcher.run()
        self.gateway.close()

    def append(self) -> None:
        for _ in range(self.dice.randrange(1, 4)):
            meter, device = self.dice.choice([("house", DEVICE), ("pv", OTHER)])
            values = range(self.made + 1, self.made + self.dice.randrange(2, 40))
            self.made = values[-1]
            rows = []
            for value in values:
                at = MIDNIGHT + (value + self.dice.choice([0, 0, 0, -150])) * QUARTER
                target = self.dice.choice([at, at, None])
                rows.append(Record(capture(at, energy(value), meter=meter, device=device), target))
            outcomes = self.gateway.lmn.append(rows)
            self.written += [value for value, outcome in zip(values, outcomes, strict=True) if outcome.number]

    def deliver(self) -> None:
        chance = self.dice.choice([0.0, 0.2, 0.6])
        bad = set(self.dice.sample(self.written, min(2, len(self.written)))) if self.dice.random() < 0.3 else set()

        def answer(put: Put) -> Answer:
            for row in put.document.rows:  # a number never means another row
                key = put.document.store_id, row.record_number
                assert self.fixed.setdefault(key, row.values) == row.values
            if self.dice.random() < 0.3:
                self.save()
            if bad & {cell.value for row in put.document.rows for cell in row.values}:
                return Answer(422)
            if self.dice.random() < chance:
                return self.dice.choice([Answer(lost=True), Answer(503), Answer(413), Answer(403)])
            return OK

        self.emp.answer = answer
        self.gateway.dispatcher.deliver_round()
        self.emp.answer = lambda _: OK

    def save(self) -> None:
        shutil.rmtree(self.saved, ignore_errors=True)
        self.saved.mkdir()
        for name in ("wan.db", "wan.db-wal"):
            shutil.copy(self.directory / name, self.saved)

    def kill(self) -> None:
        """The WAN process dies while a request is under way, and starts again."""
        shutil.rmtree(self.saved, ignore_errors=True)
        self.deliver()
        self.close()
        if self.saved.exists():
            for file in self.directory.glob("wan.db*"):
                file.unlink()
            for file in self.saved.iterdir():
                shutil.copy(file, self.directory)
        self.gateway = self.open()

    def restart(self) -> None:
        self.close()
        self.days = self.dice.choice([1, 1, 1, 2, 3])
        self.gateway = self.open()

    def order(self) -> None:
        place_order(self.directory, "demo", OrderKind.AGAIN)
        self.gateway.dispatcher._ordered()

    def export(self) -> None:
        """Numbers are noted by another process, in order."""
        view = self.gateway.open_view()
        assert view is not None
        cursors = self.gateway.wan.cursors("demo")
        for source in view.sources():
            after = max((one.position for one in cursors if one.meter == source.meter), default=0)
            rows = [self.unnumbered(one) for one in view.records(source, after, 50)]
            if rows:
                number_beside(self.directory, "demo", source, self.days, rows)
        view.close()

    def unnumbered(self, record: StoredRecord) -> Unnumbered:
        own_us = record.target_time_us or record.stamp.utc_us
        return Unnumbered(record.store_id, record.record_number, own_us // (self.days * 96 * QUARTER))

    def finish(self) -> None:
        for _ in range(50):
            self.order()
            if self.gateway.dispatcher.deliver_round() is None and not self.gateway.wan.set_aside("demo"):
                return
        raise AssertionError("it does not come to an end")


@pytest.mark.parametrize("seed", range(rounds(2, long=200)))
def test_each_row_has_one_number_whatever_happens(tmp_path: Path, emp: SmallEmp, seed: int) -> None:
    play = Play(tmp_path, emp, seed)
    try:
        for _ in range(STEPS):
            play.dice.choice([play.append, play.append, play.deliver, play.deliver, play.kill, play.restart, play.order,
                              play.export])()  # fmt: skip
        play.finish()
    finally:
        play.close()
    found = Counter(cell.value for row in emp.kept.values() for cell in row.values)
    assert [value for value, times in found.items() if times > 1] == []
    assert sorted(found) == play.written  # type: ignore[type-var]
    for device, numbers in emp.kept_of.items():
        assert device.is_pseudonym
        assert set(numbers) == set(range(1, max(numbers) + 1))
