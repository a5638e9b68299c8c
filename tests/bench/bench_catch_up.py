"""How quickly a backlog is delivered after a long time offline, and whether the meters are read meanwhile as before.

A prepared lmn.db with captures of 8 registers from 8 meters, a real `smgw wan` and a real `emp serve` on two cores:
rows (captures) that the EMP acknowledged a second, from the first acknowledgement to the last. Beside it in the same
run two peers: lxml on one core that parses the same documents and writes them again, and urllib3 that sends them to an
aiohttp server that reads and keeps nothing. Then the time from a telegram's last octet to its commit in `smgw lmn`,
which gathers for at most a second here, with the catch-up beside it and without.
Run alone: `python tests/bench/bench_catch_up.py`; exits 1 under a bar.
"""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / part) for part in ("firmware", "simulator-host", "tests/support", "tests/bench")]

import urllib3  # noqa: E402
from bench_daemon import Meter, cpu_seconds, heads, percentile, running  # noqa: E402
from lxml import etree  # noqa: E402
from many_captures import make_many, sources  # noqa: E402
from result import Result, shown  # noqa: E402
from smgw.cosem import DeviceId  # noqa: E402
from smgw.cosemxml import document  # noqa: E402
from smgw.store.errors import StoreError  # noqa: E402
from smgw.store.lmn.view import LmnView  # noqa: E402
from smgw.store.wan.view import WanView  # noqa: E402
from smgw.wan.cosem_xml.documents import parts  # noqa: E402

BAR = 15_000
METERS = 8
CAPTURES = int(os.environ.get("BENCH_CAPTURES", "240000"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "30"))
ROWS = 1000  # of a document of the peer
LONGEST_S = 180
#: A scheduler that gives each process its share of two busy cores costs a reader at most this much.
SHARE_S = 0.25


class CaughtUp(NamedTuple):
    """One delivery of the whole backlog."""

    rows: int
    seconds: float
    cpu: list[float]  # seconds of a core: WAN, EMP
    rss: list[float]  # MB, at most

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


def configure(directory: Path, ports: list[str], emp: str) -> list[str]:
    lines = ["[gateway]", 'device_id = "ESMG0000000001"', "power_cut_loss = 1"]
    for source, port in zip(sources(METERS), ports, strict=True):
        lines += ["[[meter]]", f'name = "{source.meter}"', 'protocol = "sml-push"', f'port = "{port}"']
        lines += ["registration_period = 0"]
    lines += ["[[emp]]", 'name = "utility"', f'url = "{emp}"', "insecure = true", "forward = 5"]
    path = directory / "gateway.toml"
    path.write_text("\n".join(lines) + "\n")
    return ["--config", str(path), "--state", str(directory), "--log-level", "warning"]


@contextlib.contextmanager
def head_end(directory: Path) -> Iterator[tuple[int, str]]:
    """Its pid and its URL."""
    command = (sys.executable, "-m", "emp", "serve", "--listen", "127.0.0.1:0", "--people", "127.0.0.1:0")
    with running(*command, "--db", f"{directory}/emp.db") as emp:
        assert emp.stdout is not None
        yield emp.pid, next(word for word in emp.stdout.readline().split() if word.startswith("http"))


def acknowledged(view: WanView | None, directory: Path) -> tuple[WanView | None, int]:
    """Rows that the EMP has acknowledged."""
    with contextlib.suppress(StoreError):
        view = view or WanView.open(directory / "wan")
        return view, sum(cursor.acknowledged for cursor in view.cursors())
    return view, 0


def peak_mb(pid: int) -> float:
    """Most memory that the process had."""
    words = Path(f"/proc/{pid}/status").read_text().split()
    return int(words[words.index("VmHWM:") + 1]) / 1000


def caught_up(directory: Path, pids: list[int], rows: int) -> CaughtUp:
    """Watch the cursors from the first acknowledgement until all rows are acknowledged."""
    view: WanView | None = None
    count, first, began, cpu = 0, 0, 0.0, [0.0, 0.0]
    ends = time.monotonic() + LONGEST_S
    while True:
        if time.monotonic() > ends:
            raise SystemExit(f"of {rows} rows only {count} were acknowledged within {LONGEST_S} s")
        view, count = acknowledged(view, directory)
        now, used = time.monotonic(), [cpu_seconds(pid) for pid in pids]
        if count and not first:
            first, began, cpu = count, now, used
        if count >= rows:
            break
        time.sleep(0.02)
    assert view is not None
    view.close()
    spent = [after - before for after, before in zip(used, cpu, strict=True)]
    return CaughtUp(count - first, now - began, spent, [peak_mb(pid) for pid in pids])


def alone() -> tuple[CaughtUp, float, float]:
    """A catch-up without meters; and rows a second of the peers, with the same rows."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        make_many(directory / "lmn", CAPTURES, meters=METERS)
        bodies = documents(directory)
        emp, url = stack.enter_context(head_end(directory))
        arguments = configure(directory, [f"/dev/null-{place}" for place in range(METERS)], url)
        wan = stack.enter_context(running(sys.executable, "-m", "smgw", "wan", *arguments))
        found = caught_up(directory, [wan.pid, emp], CAPTURES)
    return found, transported(bodies), reserialised(bodies)


def documents(directory: Path) -> list[bytes]:
    """Some of the rows as documents."""
    gateway = DeviceId.parse("ESMG0000000001")
    bodies = []
    with LmnView.open(directory / "lmn") as view:
        for source in sources(METERS):
            records = view.records(source, 0, ROWS)
            bodies += [document.encode(part.document) for part in parts(gateway, source.device, records)]
    return bodies


def transported(bodies: list[bytes]) -> float:
    """Rows a second of HTTP alone."""
    with running(sys.executable, str(Path(__file__).parent / "peers" / "keeps_nothing.py")) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        pool = urllib3.PoolManager(maxsize=1)
        sent, began = 0, time.monotonic()
        while time.monotonic() < began + min(SECONDS, 3.0):
            for body in bodies:
                pool.request("PUT", f"{url}cosem/ldevs/1emh0000000001.sm", body=body)
                sent += ROWS
        return sent / (time.monotonic() - began)


def reserialised(bodies: list[bytes]) -> float:
    """Rows a second of lxml, which parses the documents and writes them again."""
    began, count = time.process_time(), 0
    while time.process_time() < began + min(SECONDS, 3.0):
        for body in bodies:
            etree.tostring(etree.fromstring(body), encoding="utf-8")
            count += ROWS
    return count / (time.process_time() - began)


def commits(directory: Path, meters: list[Meter], until: float, rows: int) -> list[float]:
    """Seconds from the last octet to the commit of every telegram until then; and no telegram may be missing."""
    latencies: list[float] = []
    names = dict(zip((source.meter for source in sources(METERS)), meters, strict=True))
    seen: dict[str, int] = {}
    told: dict[str, int] = {}
    with LmnView.open(directory / "lmn") as lmn:
        for source in lmn.sources():
            seen[source.meter] = max(rows, lmn.last_position(source))
        while time.monotonic() < until:
            time.sleep(0.002)
            if not lmn.changed():
                continue
            now = time.monotonic()
            for source in lmn.sources():
                for record in lmn.records(source, seen[source.meter], 100):
                    seen[source.meter] = record.position
                    assert record.meter_time is not None
                    number = record.meter_time.seconds or 0
                    if number != told.setdefault(source.meter, number - 1) + 1:
                        raise SystemExit(f"{source.meter}: telegram {number} came after {told[source.meter]}")
                    told[source.meter] = number
                    last = names[source.meter].ended.get(number)
                    latencies.append(now - last if last else 0.0)
    return latencies


def beside() -> tuple[list[float], list[float], float]:
    """Latencies of commits without and with a catch-up beside them, and the rate of that catch-up."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        make_many(directory / "lmn", CAPTURES, meters=METERS)
        meters = stack.enter_context(heads(METERS))
        for place, meter in enumerate(meters, 1):
            meter.number = place  # as in the prepared file
        _, url = stack.enter_context(head_end(directory))
        arguments = configure(directory, [meter.path for meter in meters], url)
        stack.enter_context(running(sys.executable, "-m", "smgw", "lmn", *arguments))
        while not all(meter.opened() for meter in meters):
            time.sleep(0.01)
        for meter in meters:
            meter.start()
        time.sleep(2)
        before = commits(directory, meters, time.monotonic() + SECONDS / 2, CAPTURES)
        began = time.monotonic()
        stack.enter_context(running(sys.executable, "-m", "smgw", "wan", *arguments))
        during: list[float] = []
        view, count = acknowledged(None, directory)
        while count < CAPTURES and time.monotonic() < began + LONGEST_S:
            during += commits(directory, meters, time.monotonic() + 1.0, CAPTURES)
            view, count = acknowledged(view, directory)
        rate = count / (time.monotonic() - began)
        if view is not None:
            view.close()
    return before, during, rate


def main() -> list[Result]:
    found, transport, parsed = alone()
    before, during, rate = beside()
    wan, emp = (seconds / found.rows * 1e6 for seconds in found.cpu)
    usual = percentile(before, 0.99)
    return [
        Result(f"catch-up of {found.rows} rows of 8 registers", found.rate, "rows/s", BAR, at_most=False),
        Result("catch-up, what the busier process has processor time for", 1e6 / max(wan, emp), "rows/s"),
        Result("catch-up, CPU of a row, WAN process", wan, "us"),
        Result("catch-up, CPU of a row, EMP", emp, "us"),
        Result("catch-up, WAN process, RSS at most", found.rss[0], "MB", 96.0),
        Result("catch-up, EMP, RSS at most", found.rss[1], "MB"),
        Result("peer: urllib3 to aiohttp, which keeps nothing, the same rows", transport, "rows/s"),
        Result("peer: lxml, which parses and writes the same documents, one core", parsed, "rows/s"),
        Result("catch-up on two cores to that peer on one", found.rate / parsed, ""),
        Result("catch-up while 8 meters are read", rate, "rows/s"),
        Result(f"last octet to commit, p99 of {len(before)}, no catch-up", usual, "s"),
        Result(
            f"last octet to commit, p99 of {len(during)}, catch-up beside it", percentile(during, 0.99), "s",
            usual + SHARE_S,
        ),
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(shown(main()))
