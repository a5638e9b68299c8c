"""What grows with the number of stored captures: nothing should. Each number is that of a large file over a small one.

8 meters of 8 registers, 10 thousand captures against 1 million; BENCH_GROWTH=10000000 makes the large file hold 10
million (3 GB, two minutes). Run alone: `python tests/bench/bench_growth.py`; exits 1 over a bar.

Both files are measured in turns, and the least of the rounds counts: another process can only add to it. A ratio of two
such numbers still moves by a tenth or two on a busy machine, so the bar is 1.5. What grows with the number of captures
is far beyond: 100 times as many captures made a count of the backlog 60 times as slow before schema version 4.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "tests" / "support"), str(Path(__file__).parent)]

from many_captures import BEGAN_US, SECOND, make_many, record  # noqa: E402
from result import Result, shown  # noqa: E402
from smgw.store import paths  # noqa: E402
from smgw.store.lmn import retention  # noqa: E402
from smgw.store.lmn.blocks import BLOCK  # noqa: E402
from smgw.store.lmn.store import LmnStore  # noqa: E402
from smgw.store.lmn.view import LmnView  # noqa: E402
from smgw.store.records import NOBODY_WAITS, Retention, Source  # noqa: E402

#: Whole blocks, so that the newest block, which is read rather than counted, has as many captures in both files.
SMALL = 10 * BLOCK
LARGE = int(os.environ.get("BENCH_GROWTH", "1000000")) // BLOCK * BLOCK
METERS, REGISTERS = 8, 8
ROUNDS, CALLS = 15, 20
BAR = 1.5
STATUS_BAR_S = 0.15
STATUS_ROUNDS = 9
FOREVER = 2**50

Measured = dict[str, Callable[[], float]]


class Subject:
    """A state directory with one lmn.db, and what is measured there: seconds, or octets."""

    def __init__(self, state: Path, captures: int) -> None:
        self.state = state
        self.directory = paths.lmn_directory(state)
        self.directory.mkdir(parents=True)
        self.sources = make_many(self.directory, captures, meters=METERS, registers=REGISTERS)
        self.seconds = captures // METERS
        self.rows = captures
        (state / "gateway.toml").write_text(_configuration(self.sources))

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """For everything but `status`."""
        with LmnStore.open(self.directory, ballast_bytes=0) as self.store, LmnView.open(self.directory) as self.view:
            self.last = self.view.last_position(self.sources[0])
            if self.store._file._check is not None:  # the check of a large file, which needs the disk for itself
                self.store._file._check._thread.join()
            yield

    def commit(self) -> float:
        """CPU time of a commit of one capture of each meter: the time until the card has it is not ours."""
        self.seconds += 1
        moment = BEGAN_US + self.seconds * SECOND
        batch = [record(source, REGISTERS, moment) for source in self.sources]
        began = time.process_time()
        self.store.append(batch)
        return time.process_time() - began

    def pages(self) -> float:
        """Pages that 100 commits write into the -wal."""
        connection = self.store._file.writer
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        kept = connection.execute("PRAGMA wal_autocheckpoint").fetchone()[0]
        connection.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
        for _ in range(100):
            self.commit()
        connection.execute(f"PRAGMA wal_autocheckpoint = {kept}").fetchall()
        return paths.wal_of(self.directory / paths.LMN).stat().st_size / 4120

    def backlog_of_all(self) -> float:
        """Counting all rows of every source, as `smgw status` does."""
        return timed(lambda: [self.view.backlog(source, 0) for source in self.sources])

    def backlog_from_anywhere(self) -> float:
        """Counting the rows that an EMP lacks: the mean of 32 positions of it at equal distances."""
        positions = [self.last * place // 32 for place in range(32)]
        return mean(timed(partial(self.view.backlog, self.sources[0], after)) for after in positions)

    def newest(self) -> float:
        """The newest record of a source."""
        return timed(lambda: self.view.newest(self.sources[0]))

    def last_position(self) -> float:
        """The position of that."""
        return timed(lambda: self.view.last_position(self.sources[0]))

    def records(self) -> float:
        """The first 100 records of a source, as the delivery reads them."""
        return timed(lambda: self.view.records(self.sources[0], 0, 100))

    def retain(self) -> float:
        """CPU time to remove 500 old rows."""
        delivered = {source.device: NOBODY_WAITS for source in self.sources}
        limits = Retention(live_s=1, undelivered_bytes=FOREVER)
        began = time.process_time()
        report = self.store.retain(BEGAN_US + self.seconds * SECOND, limits, delivered, 500)
        assert report.live == 500
        return time.process_time() - began

    def thin(self) -> float:
        """CPU time to make room for new rows on a full disk."""
        began = time.process_time()
        assert self.store._commit(lambda connection: retention.thin(connection, 256)) == 256
        return time.process_time() - began

    def status(self) -> float:
        """`smgw status`, from its start to its end."""
        command = [sys.executable, "-m", "smgw", "status"]
        command += ["--config", str(self.state / "gateway.toml"), "--state", str(self.state)]
        began = time.perf_counter()
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT / "firmware")},
        )
        took = time.perf_counter() - began
        assert "nothing lost" in done.stdout, done.stderr
        return took


def timed(call: Callable[[], object]) -> float:
    """CPU time of a call: nothing is waited for but pages, which the system has in memory."""
    began = time.process_time()
    for _ in range(CALLS):
        call()
    return (time.process_time() - began) / CALLS


def least(of: Callable[[Subject], float], subjects: tuple[Subject, Subject], rounds: int) -> tuple[float, float]:
    """The least of some rounds for both, measured in turns."""
    pairs = [(of(subjects[0]), of(subjects[1])) for _ in range(rounds)]
    return min(small for small, _ in pairs), min(large for _, large in pairs)


def _configuration(sources: list[Source]) -> str:
    meters = "".join(
        f'[[meter]]\nname = "{source.meter}"\nprotocol = "sml-push"\nport = "/dev/ttyUSB{place}"\n'
        "registration_period = 0\n"
        for place, source in enumerate(sources)
    )
    emp = '[[emp]]\nname = "lab"\nurl = "http://192.0.2.10"\ninsecure = true\n'
    return f'[gateway]\ndevice_id = "ESMG0000000001"\n{meters}{emp}'


CASES: tuple[tuple[str, Callable[[Subject], float], int], ...] = (
    ("a commit of 8 captures, CPU time", Subject.commit, 200),
    ("a commit of 8 captures, pages", Subject.pages, 1),
    ("the number of records of 8 sources", Subject.backlog_of_all, ROUNDS),
    ("the backlog of an EMP, anywhere", Subject.backlog_from_anywhere, ROUNDS),
    ("the newest record", Subject.newest, ROUNDS),
    ("the last position", Subject.last_position, ROUNDS),
    ("the first 100 records of a source", Subject.records, 5),
    ("retention of 500 rows, CPU time", Subject.retain, 5),
    ("room for new rows on a full disk (256 rows), CPU time", Subject.thin, 5),
)


def main() -> list[Result]:
    """All ratios, then `smgw status`."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        subjects = (Subject(Path(folder) / "small", SMALL), Subject(Path(folder) / "large", LARGE))
        title = f"{LARGE:,} captures to {SMALL:,}: "
        with subjects[0].opened(), subjects[1].opened():
            for name, of, rounds in CASES:
                small, large = least(of, subjects, rounds)
                results.append(Result(f"{title}{name}", large / small, "x", BAR))
        small, large = least(Subject.status, subjects, STATUS_ROUNDS)
        results.append(Result(f"{title}smgw status", large / small, "x", BAR))
        results.append(Result(f"smgw status with {LARGE:,} captures", large, "s", STATUS_BAR_S))
    return results


if __name__ == "__main__":
    sys.exit(shown(main()))
