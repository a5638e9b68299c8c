"""kill -9 of the gateway's processes and of the head-end: every record arrives, each once, and little was uncommitted.

The moments come from a seed (SMGW_KILL_SEED, printed). What a kill interrupted is read from the logs: a commit that
begins and is not done, a PUT that begins and is not done.
"""

import json
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import fake_time
import pytest
import testbed
from effort import SEED, rounds
from smgw.store.file.connection import PAGE_SIZE
from testbed import Chain, Key, Program, poll, push

METERS = [push("house", 1), push("roof", 2, 0.13), push("pump", 3, 0.17), poll("solar")]
#: Random kills of each process in an episode: 1,000 of each in a long run.
EPISODES, RANDOM_KILLS, AIMED_KILLS = rounds(1, long=20), rounds(4, long=50), rounds(3, long=10)
MOST_TRIES = 40
TURNS = rounds(3, long=6)  # of damage; a turn in three cuts the file short
LATEST = 3.0  # s after a start at which a random kill comes
#: A batch waits at most 1 s for its commit.
UNCOMMITTED = 1.0


class Killer:
    """Kills, starts again, and keeps count of what each kill interrupted."""

    def __init__(self, chain: Chain, chance: random.Random) -> None:
        self.chain = chain
        self.chance = chance
        self.victims = (chain.lmn, chain.wan, chain.emp)
        self.kills: Counter[str] = Counter()
        self.in_commit = 0
        self.in_put_of_wan = 0
        self.in_put_of_emp = 0

    def note(self, victim: Program, *, putting: bool = False) -> None:
        """A process was killed; `putting`: a PUT was under way just before."""
        self.kills[victim.name] += 1
        if victim is self.chain.lmn:
            self.in_commit += victim.open_at_end(testbed.COMMIT_BEGINS, testbed.COMMIT_DONE)
        elif victim is self.chain.wan:
            self.in_put_of_wan += victim.open_at_end(testbed.PUT_BEGINS, testbed.PUT_DONE)
        else:
            self.in_put_of_emp += putting

    def kill(self, victim: Program) -> None:
        """Now."""
        putting = self.chain.wan.open_at_end(testbed.PUT_BEGINS, testbed.PUT_DONE)
        victim.kill()
        self.note(victim, putting=putting)

    def at_random(self, count: int, victims: tuple[Program, ...] | None = None) -> None:
        """Each process has its next kill at a moment after its start; whichever is due first dies and starts again."""
        victims = victims or self.victims
        due = {victim.name: victim.started + self.chance.uniform(0, LATEST) for victim in victims}
        began = time.monotonic()
        due = {name: max(at, began + self.chance.uniform(0, LATEST)) for name, at in due.items()}
        for _ in range(count):
            victim = min(victims, key=lambda one: due[one.name])
            time.sleep(max(0.0, due[victim.name] - time.monotonic()))
            assert victim.running, f"{victim.name} ended by itself\n{victim.tail()}"
            self.kill(victim)
            victim.start()
            due[victim.name] = victim.started + self.chance.uniform(0, LATEST)

    def aimed(self, victim: Program, text: str, longest: float) -> None:
        """Kill `victim` at a line with `text` of its log, up to `longest` seconds later, and start it again."""
        victim.wait_for("ready:")
        time.sleep(self.chance.uniform(0.05, 0.3))
        victim.aim(text, self.chance.uniform(0, longest))
        try:
            victim.ended(15)
        finally:
            victim.disarm()
        self.note(victim)
        victim.start()

    def emp_during_a_put(self) -> None:
        """Kill the head-end while the gateway waits for its answer; it must have answered before."""
        self.chain.emp.wait_for("emp: listening")
        seen = len(self.chain.wan.lines)
        self.chain.wan.wait_for(f"{testbed.PUT_DONE}.* answer 20", since=seen)  # no back-off any more
        seen = len(self.chain.wan.lines)
        self.chain.wan.wait_for(testbed.PUT_BEGINS, 20, since=seen)
        time.sleep(self.chance.uniform(0, 0.008))
        putting = self.chain.wan.open_at_end(testbed.PUT_BEGINS, testbed.PUT_DONE)
        self.chain.emp.kill()
        self.note(self.chain.emp, putting=putting)
        self.chain.emp.start()

    def told(self) -> str:
        """What was done."""
        kills = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        return (
            f"seed {SEED}: {sum(self.kills.values())} kills ({kills}); in a commit {self.in_commit}, in a PUT: "
            f"of wan {self.in_put_of_wan}, of the EMP {self.in_put_of_emp}"
        )


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    print(f"SMGW_KILL_SEED={SEED}")
    return random.Random(f"{SEED} {request.node.name}")


def no_process_failed(chain: Chain) -> None:
    """Killed is all that happened to them: no exception, no exit of their own."""
    for program in chain.programs:
        assert "Traceback" not in program.text(), program.tail(60)
        assert " failed; it starts again" not in program.text(), program.tail(60)


def each_once_at_the_emp(chain: Chain) -> set[Key]:
    """The head-end's three ways of telling its rows agree, and none of them has a double; its keys."""
    keys = chain.emp_keys()
    rows = [key for key, _ in chain.emp_rows()]
    doubles = [key for key, count in Counter(keys).items() if count > 1]
    assert not doubles
    assert sorted(rows) == sorted(keys), "the row table has a row twice, or one that no key tells of"
    assert chain.emp_row_count() == len(keys)
    return set(keys)


def the_same_content(chain: Chain, keys: set[Key] | None = None) -> None:
    """What the head-end shows of a row is what lmn.db holds: capture time and each value."""
    at_emp = {key: row for key, row in chain.emp_rows() if keys is None or key in keys}
    with closing(chain.database()) as database:
        own = bytes(database.execute("SELECT store_id FROM store").fetchone()[0]).hex()
        recorded: dict[Key, list[Any]] = {}
        for number, older, older_number, utc_us, value in database.execute(
            "SELECT c.number, w.octets, c.older_number, c.utc_us, r.value FROM capture c"
            " JOIN reading r ON r.capture = c.number LEFT JOIN word w ON w.id = c.older_store"
        ):
            key = (bytes(older).hex() if older else own, older_number or number)
            recorded.setdefault(key, [utc_us]).append(value)
    for key in recorded.keys() & at_emp.keys():
        row = at_emp[key]
        shown = time.gmtime(recorded[key][0] // 1_000_000)
        assert row["capture_time"].startswith(time.strftime("%Y-%m-%dT%H:%M:%S", shown)), (key, row)
        # A gap row has registers without values, and the head-end may show none of them.
        there = Counter(value for value in recorded[key][1:] if value is not None)
        assert Counter(value["raw"] for value in row["values"] if value["raw"] != "") == there, (key, row)


@pytest.mark.parametrize("episode", range(EPISODES))
def test_after_random_and_aimed_kills_the_emp_has_what_was_recorded_each_once(
    tmp_path: Path, chance: random.Random, episode: int
) -> None:
    """A kill of the LMN process may cost the captures of 1 s, which were not committed.

    The test counts the telegrams that smsim put into a line with a reader, and the captures recorded of them.
    """
    with Chain(tmp_path, METERS) as chain:
        chain.start()
        killer = Killer(chain, chance)
        while min(killer.kills[victim.name] for victim in killer.victims) < RANDOM_KILLS:
            killer.at_random(len(killer.victims))
        for program in (chain.emp, chain.lmn, chain.wan):
            if not program.running:
                program.start()
        chain.emp.wait_for("emp: listening")
        for _ in range(MOST_TRIES):
            if killer.in_commit >= AIMED_KILLS:
                break
            killer.aimed(chain.lmn, testbed.COMMIT_BEGINS, 0.001)
        for _ in range(MOST_TRIES):
            if killer.in_put_of_wan >= AIMED_KILLS:
                break
            killer.aimed(chain.wan, testbed.PUT_BEGINS, 0.006)
        for _ in range(MOST_TRIES):
            if killer.in_put_of_emp >= AIMED_KILLS:
                break
            killer.emp_during_a_put()
        chain.emp.wait_for("emp: listening")
        chain.lmn.wait_for("ready:")
        chain.wan.wait_for("ready:")
        chain.drain()

        recorded = chain.store_keys()
        arrived = each_once_at_the_emp(chain)
        lost = telegrams_lost(chain)
        print(killer.told())
        print(
            f"recorded {len(recorded)}, at the EMP {len(arrived)}, missing {len(set(recorded) - arrived)}, double "
            f"{len(recorded) - len(set(recorded))}; telegrams sent and not recorded: {lost}"
        )
        assert len({store for store, _ in recorded}) == 1, "a kill must not cost the store its identity"
        assert sorted(number for _, number in recorded) == list(range(1, len(recorded) + 1))
        assert set(recorded) == arrived
        the_same_content(chain)
        no_process_failed(chain)
        assert killer.in_commit >= AIMED_KILLS
        assert killer.in_put_of_wan >= AIMED_KILLS
        assert killer.in_put_of_emp >= AIMED_KILLS
        # Each start and each kill can cut one telegram of a meter in two, and a kill leaves one in the line.
        assert lost <= killer.kills["lmn"] * sum(UNCOMMITTED / meter.interval + 2 for meter in METERS)


def telegrams_lost(chain: Chain) -> int:
    """Telegrams that the meters put whole into a line with a reader, less the captures recorded of them."""
    sent = {meter["name"]: meter.get("telegrams", 0) for meter in json.loads(chain.report_file.read_text())["meters"]}
    return sum(sent[meter.name] - len(chain.captures(meter.name)) for meter in METERS if not meter.polled)


def no_capture_twice(chain: Chain) -> None:
    """A capture under two identities would be counted twice: rows of one meter and moment are of one store.

    Within one store the record number tells captures apart that a late reader found in its port together.
    """
    seen: dict[tuple[str, str], set[str]] = {}
    for (store, _), row in chain.emp_rows():
        seen.setdefault((row["device"], row["capture_time"]), set()).add(store)
    assert not {moment: stores for moment, stores in seen.items() if len(stores) > 1}


def test_a_damaged_store_costs_no_acknowledged_row_and_doubles_none(tmp_path: Path, chance: random.Random) -> None:
    """Each turn kills or stops the LMN process and damages lmn.db; the WAN process or the EMP dies beside it."""
    with Chain(tmp_path, METERS) as chain:
        chain.start()
        killer = Killer(chain, chance)
        acknowledged: dict[Key, Any] = {}
        stores: list[str] = []
        salvaged: list[int] = []
        for turn in range(TURNS):
            stores.append(store_id(chain))
            testbed.wait_until(lambda: arrived_of(chain, stores[-1]), 60, "no row of this store arrived")
            time.sleep(chance.uniform(0.0, 1.0))  # the moment of the kill
            if turn % 3 == 1:
                assert chain.lmn.stop() == 0
            else:
                killer.kill(chain.lmn)
            if turn % 2:
                victim = chance.choice((chain.wan, chain.emp))
                killer.kill(victim)
                victim.start()
                victim.wait_for("listening" if victim is chain.emp else "ready:")
            acknowledged.update(chain.emp_rows())
            damage(chain.store("lmn.db"), chance, cut_short=turn in (2, 4))
            chain.lmn.start()
            chain.lmn.wait_for("ready:")
            last = store_id(chain)
            salvaged.append(sum(store != last for store, _ in chain.store_keys()))
        last = store_id(chain)
        testbed.wait_until(lambda: arrived_of(chain, last), 60, "no row of the last store arrived")
        chain.drain()

        recorded = chain.store_keys()
        arrived = each_once_at_the_emp(chain)
        aside = refused(chain)
        print(killer.told())
        print(
            f"damaged {TURNS} times, {len({*stores, last})} stores; in lmn.db {len(recorded)}, "
            f"rows salvaged each time {salvaged}; at the EMP {len(arrived)}, set aside {len(aside)}"
        )
        assert len(set(recorded)) == len(recorded)
        assert len({*stores, last}) == TURNS + 1
        left = set(recorded) - arrived - aside
        assert not left, f"{len(left)} rows neither arrived nor were set aside\n{chain.wan.tail(60)}"
        assert aside <= arrived, "a row was refused that the EMP does not have in another form"
        now = dict(chain.emp_rows())
        assert {key: now.get(key) for key in acknowledged} == acknowledged
        no_capture_twice(chain)
        assert {*stores, last} == {store for store, _ in arrived}, "rows of each store arrived, of the last one too"
        assert "Traceback" not in chain.lmn.text(), chain.lmn.tail(60)
        assert "Traceback" not in chain.wan.text(), chain.wan.tail(60)


def damage(database: Path, chance: random.Random, *, cut_short: bool) -> None:
    """Bring all rows from the -wal into the database, then spoil that: three pages of noise, or its end missing."""
    with closing(sqlite3.connect(database)) as keeper:
        keeper.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        keeper.execute("SELECT count(*) FROM capture").fetchone()
        wal = database.with_name(database.name + "-wal")
        present = wal.exists()
    if present and not wal.exists():
        wal.touch(0o640)  # the last connection took it away: empty as it was, it is no fault of its own
    pages = database.stat().st_size // PAGE_SIZE
    with database.open("r+b") as file:
        if cut_short:
            file.truncate(chance.randrange(pages * 7 // 10, pages * 9 // 10) * PAGE_SIZE + chance.randrange(PAGE_SIZE))
            return
        for _ in range(3):
            file.seek(chance.randrange(pages // 4, pages) * PAGE_SIZE)
            file.write(chance.randbytes(PAGE_SIZE))


def arrived_of(chain: Chain, store: str) -> bool:
    """Whether the head-end has a row of this store."""
    return any(found == store for (found, _), _ in chain.emp_rows())


def store_id(chain: Chain) -> str:
    with closing(chain.database()) as database:
        return bytes(database.execute("SELECT store_id FROM store").fetchone()[0]).hex()


def refused(chain: Chain) -> set[Key]:
    """Rows that the gateway set aside."""
    with closing(chain.database("wan.db")) as database:
        return set(database.execute("SELECT record_store_id, record_number FROM set_aside"))


EMPTY = """
import sys, time
from pathlib import Path
from smgw.store.file.connection import PAGE_SIZE
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.records import NOBODY_WAITS, Retention
state = Path(sys.argv[1])
store = LmnStore.open(state)
with LmnView.open(state) as view:
    delivered = {bytes(device): NOBODY_WAITS for _, device in view.sources()}
gone = 0
while True:
    report = store.retain(time.time_ns() // 1000, Retention(0, 0, 0), delivered)
    gone += report.live + report.grid
    if not report.more:
        break
store.close()
print(gone)
"""


def test_numbers_go_on_after_retention_emptied_the_store(tmp_path: Path, chance: random.Random) -> None:
    with Chain(tmp_path, METERS, ntp=True) as chain:  # a row whose time is not known never gets old
        chain.start()
        killer = Killer(chain, chance)
        emptied = 0
        for _ in range(2):
            killer.at_random(3)
            chain.emp.wait_for("listening")
            chain.lmn.wait_for("ready:")
            before = len(chain.store_keys())
            testbed.wait_until(lambda: len(chain.store_keys()) > before + 5, 60, "no rows came")  # noqa: B023
            assert chain.lmn.stop() == 0
            if not chain.wan.running:
                chain.wan.start()
            chain.caught_up()
            done = subprocess.run(
                [sys.executable, "-c", EMPTY, str(chain.store("lmn.db").parent)],
                env=testbed.surroundings(),
                capture_output=True,
                text=True,
                timeout=30,
            )
            assert done.returncode == 0, done.stderr
            emptied += int(done.stdout)
            assert chain.store_keys() == []
            chain.lmn.start()
            chain.lmn.wait_for("ready:")
            testbed.wait_until(chain.store_keys, 60, "no rows came")
        chain.drain()

        recorded = chain.store_keys()
        arrived = each_once_at_the_emp(chain)
        print(killer.told())
        print(f"emptied twice of {emptied} rows; in lmn.db {len(recorded)}, at the EMP {len(arrived)}")
        assert len({store for store, _ in arrived}) == 1
        assert sorted(number for _, number in arrived) == list(range(1, emptied + len(recorded) + 1))
        assert set(recorded) <= arrived
        assert recorded
        no_capture_twice(chain)
        no_process_failed(chain)


@pytest.mark.skipif(fake_time.LIBRARY is None, reason=fake_time.MISSING)
@pytest.mark.parametrize("ntp", [False, True], ids=["without-a-time-server", "with-a-time-server"])
def test_a_clock_that_is_stepped_by_a_day_loses_and_doubles_nothing(
    tmp_path: Path, chance: random.Random, ntp: bool
) -> None:
    """The system's clock of both gateway processes is put back and forth while they run, and while they are down."""
    clock = tmp_path / "clock"
    meters = [*METERS, push("grid", 4, 0.2, registration_period=5)]
    pids = set()
    with Chain(tmp_path, meters, ntp=ntp, environment=fake_time.environment(clock)) as chain:
        chain.start()
        if ntp:  # before that, captures carry the system's time, flagged as invalid
            testbed.wait_until(
                lambda: chain.status()["clock"]["state"] == "synchronised", 60, "no time from the server"
            )
        killer = Killer(chain, chance)
        steps = [-86_400, 3_600, -86_400, 86_400, -86_400, 90_000]
        for turn, seconds in enumerate(steps):
            victim = (chain.lmn, chain.wan)[turn % 2] if turn != 4 else chain.emp
            time.sleep(chance.uniform(0.5, 2.0))
            if turn % 3 != 2:
                fake_time.step(clock, seconds)  # in the midst of its work
                time.sleep(chance.uniform(0.1, 1.0))
            pids.add(victim.pid)
            killer.kill(victim)
            if turn % 3 == 2:
                fake_time.step(clock, seconds)  # while it is down
            victim.start()
            victim.wait_for("listening" if victim is chain.emp else "ready:")
        before_the_end = len(chain.store_keys())
        testbed.wait_until(lambda: len(chain.store_keys()) > before_the_end + 10, 60, "no rows came")
        pids |= {chain.lmn.pid, chain.wan.pid}
        chain.drain()
        for pid in pids:
            fake_time.forget(pid)

        recorded = chain.store_keys()
        arrived = each_once_at_the_emp(chain)
        with closing(chain.database()) as database:
            days = database.execute("SELECT (max(utc_us) - min(utc_us)) / 1e6 FROM capture").fetchone()[0]
            counts = dict(database.execute("SELECT name, value FROM counts"))
        print(killer.told())
        print(
            f"recorded {len(recorded)}, at the EMP {len(arrived)}; capture times over {days:.0f} s; counts {counts}; "
            f"telegrams sent and not recorded: {telegrams_lost(chain)}"
        )
        assert sorted(number for _, number in recorded) == list(range(1, len(recorded) + 1))
        assert set(recorded) == arrived
        the_same_content(chain)
        no_process_failed(chain)
        assert (days > 80_000) is not ntp, "a synchronised clock is not moved by the system's"
        # A clock that is not synchronised may come by the same slot twice; the slot keeps its first value.
        assert counts.keys() <= (set() if ntp else {"refused_grid"})
        lmn_ends = killer.kills["lmn"] + 1
        assert telegrams_lost(chain) <= lmn_ends * sum(UNCOMMITTED / meter.interval + 2 for meter in METERS)
