"""kill -9 while rows go under pseudonyms: every row arrives once, under one name, with numbers from 1 on.

The moments come from a seed (SMGW_KILL_SEED, printed): at any time, after a request is sent and before its answer is
there, and after the answer and before the cursor is written.
"""

import random
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path

import pytest
import testbed
from effort import SEED, rounds
from smgw.cosem.device_id import DeviceId
from smgw.profiles.feed import Feed
from smgw.store import paths
from smgw.store.lmn.view import LmnView
from smgw.store.progress import carried
from testbed import Chain, Program, push
from trial_pki import session_pki

METERS = [push("house", 1), push("roof", 2, 0.13)]
KILLS = rounds(4, long=40)
Row = tuple[tuple[bytes, int], ...]


def aimed(victim: Program, text: str, seconds: float) -> None:
    """Kill it so long after a line of its log, and start it again."""
    victim.wait_for("ready:")
    victim.aim(text, seconds)
    try:
        victim.ended(30)
    finally:
        victim.disarm()
    victim.start()


def recorded(chain: Chain) -> Counter[Row]:
    """What the EMP should have of each row."""
    rows: Counter[Row] = Counter()
    with LmnView.open(paths.lmn_directory(chain.state)) as view:
        for source in view.sources():
            feed, position = Feed("", source, source.device, pseudonym_days=1), 0
            while records := view.records(source, position, 1000):
                position = records[-1].position
                for record in filter(None, (carried(feed, one) for one in records)):
                    values = [(bytes(one.obis), one.value.value) for one in record.readings]
                    rows[tuple(sorted((obis, value) for obis, value in values if isinstance(value, int)))] += 1
    return rows


class AtEmp:
    """What the head-end has."""

    def __init__(self, chain: Chain) -> None:
        self.rows: Counter[Row] = Counter()
        self.numbers: dict[bytes, list[int]] = defaultdict(list)
        values: dict[int, list[tuple[bytes, int]]] = defaultdict(list)
        with closing(sqlite3.connect(f"file:{chain.emp_db}?mode=ro", uri=True)) as database:
            for record, obis, value in database.execute(
                "SELECT record, obis, value FROM reading JOIN register ON register.id = reading.register"
            ):
                values[record] += [(bytes(obis), value)] if isinstance(value, int) else []
            self.names = set()
            for record, gateway, device, number in database.execute(
                "SELECT r.id, g.octets, d.octets, record_number FROM record r"
                " JOIN gateway g ON g.id = r.gateway JOIN device d ON d.id = r.device"
            ):
                self.names.add((gateway, device))
                self.numbers[device].append(number)
                self.rows[tuple(sorted(values[record]))] += 1


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS and CMS"])
def test_after_kills_the_emp_has_each_row_once_under_its_pseudonym(tmp_path: Path, secure: bool) -> None:
    print(f"SMGW_KILL_SEED={SEED}")
    chance = random.Random(f"{SEED} pseudonyms {secure}")
    with Chain(tmp_path, METERS, ntp=secure, pki=session_pki() if secure else None) as chain:
        with chain.gateway_file.open("a") as file:
            file.write("pseudonym_days = 1\n")
        chain.start()
        for _ in range(KILLS):
            aimed(chain.wan, testbed.PUT_BEGINS, chance.uniform(0, 0.006))
            aimed(chain.wan, testbed.PUT_DONE, chance.uniform(0, 0.5))
        chain.emp.kill()
        chain.emp.start()
        chain.emp.wait_for("emp: listening")
        chain.wan.wait_for("ready:")
        chain.drain()
        found = AtEmp(chain)
        assert found.rows == recorded(chain)
        assert len(found.rows) > 10
        for gateway, device in found.names:
            assert gateway == device
            assert DeviceId(device).is_pseudonym
        assert 2 <= len(found.names) <= 4  # four where midnight passes
        for numbers in found.numbers.values():
            assert sorted(numbers) == list(range(1, len(numbers) + 1))
        for program in chain.programs:
            assert "Traceback" not in program.text(), program.tail(60)
