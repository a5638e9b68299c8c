"""What it costs a gateway to deliver under pseudonyms: processor time of a row, and what is written to wan.db.

A prepared lmn.db with captures of 8 registers is read, turned into documents and acknowledged, in this process and with
an outlet that sends nothing: under the devices' own ids, and under pseudonyms of 7 days and of a day. All in turns, the
least of several rounds counts. Run alone: `python tests/bench/bench_pseudonyms.py`; exits 1 under a bar.
"""

import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / part) for part in ("firmware", "simulator-host", "tests/support", "tests/bench")]

from many_captures import make_many, sources  # noqa: E402
from result import Result, shown  # noqa: E402
from smgw.clock import GatewayClock  # noqa: E402
from smgw.cosem import DeviceId  # noqa: E402
from smgw.cosemxml import document  # noqa: E402
from smgw.profiles.communication import CommunicationProfile  # noqa: E402
from smgw.profiles.feed import Grant  # noqa: E402
from smgw.store.lmn.view import LmnView  # noqa: E402
from smgw.store.wan.store import WanStore  # noqa: E402
from smgw.wan.cosem_xml.documents import parts  # noqa: E402
from smgw.wan.dispatcher import Dispatcher  # noqa: E402
from smgw.wan.outlet import Batch, Outcome, OutcomeKind  # noqa: E402

BAR = 1.3
METERS = 4
CAPTURES = int(os.environ.get("BENCH_PSEUDONYM_CAPTURES", "24000"))
ROUNDS = 3
GATEWAY = DeviceId.parse("ESMG0000000001")


class Nowhere:
    """Makes each document, and acknowledges it."""

    rows = 0
    octets = 0

    def send(self, batch: Batch) -> Outcome:
        feed = batch.feed
        part = next(parts(feed.recorder or GATEWAY, feed.delivered, batch.records))
        self.octets += len(document.encode(part.document))
        self.rows += len(part.records)
        return Outcome(OutcomeKind.ACKNOWLEDGED, rows=len(part.records))

    def end(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        """Nothing is open."""


def delivered(directory: Path, days: int) -> tuple[float, float, int]:
    """Processor time and time of a row in microseconds, and octets of wan.db with its -wal."""
    with tempfile.TemporaryDirectory() as state:
        outlet = Nowhere()
        with WanStore.open(Path(state)) as store:
            dispatcher = Dispatcher(
                CommunicationProfile("utility", "http://127.0.0.1:9", pseudonym_days=days),
                [Grant("utility", source.meter, pseudonym_days=days) for source in sources(METERS)],
                outlet,
                store,
                lambda: LmnView.open(directory),
                GatewayClock().stamp,
            )
            began, used = time.perf_counter(), time.process_time()
            dispatcher.deliver_once()
            used, took = time.process_time() - used, time.perf_counter() - began
            octets = sum(file.stat().st_size for file in Path(state).glob("wan.db*"))
        if outlet.rows != CAPTURES:
            raise SystemExit(f"{outlet.rows} of {CAPTURES} rows were delivered")
    return used / CAPTURES * 1e6, took / CAPTURES * 1e6, octets


def main() -> list[Result]:
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        make_many(directory, CAPTURES, meters=METERS, every_s=900, grid=True)
        turns = [[delivered(directory, days) for days in (0, 7, 1)] for _ in range(ROUNDS)]
    own, week, day = ([min(one[place] for one in same) for place in (0, 1)] for same in zip(*turns, strict=True))
    (own_cpu, own_took), (week_cpu, week_took), (day_cpu, day_took) = own, week, day
    return [
        Result("delivery, CPU of a row of 8 registers, own ids", own_cpu, "us"),
        Result("the same, pseudonyms of 7 days (672 rows)", week_cpu, "us"),
        Result("the same, pseudonyms of a day (96 rows a document)", day_cpu, "us"),
        Result("pseudonyms of 7 days to own ids, CPU", week_cpu / own_cpu, "", BAR),
        Result("delivery to nowhere, own ids", 1e6 / own_took, "rows/s"),
        Result("delivery to nowhere, pseudonyms of 7 days", 1e6 / week_took, "rows/s"),
        Result("delivery to nowhere, pseudonyms of a day", 1e6 / day_took, "rows/s"),
        Result("wan.db with -wal after it, pseudonyms of a day", turns[-1][2][2] / 1e6, "MB"),
    ]


if __name__ == "__main__":
    sys.exit(shown(main()))
