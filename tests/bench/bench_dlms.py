"""What reading a DLMS meter costs the client, beside gurux-dlms and pydlms-client on the same meter in the same run.

The meter is ours, another process on loopback TCP: one register, and profiles of 96, 1,000 and 35,040 rows of four
columns (28 octets a row), over HDLC with an information length of 128 octets and over the wrapper, APDUs of at most
1,024 octets. CPU is the client process's: protocol, system calls and the values as objects, as each client gives them.
What counts is the least of five rounds, since a busy machine only adds to it; the peers read each profile once.
A frame is measured without a socket: what the meter sent is kept and given to a client that has not seen it.
Run alone: `python tests/bench/bench_dlms.py`; exits 1 over a bar.
"""

import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "firmware"), str(ROOT / "tests" / "support"), str(Path(__file__).parent)]

from dlms_driver import Driver, Line  # noqa: E402
from dlms_meter_process import KEYS, PUBLIC, SECURE, SIZES, Meter, Model, make_link, profile  # noqa: E402
from dlms_pair import ENERGY, profile_octets  # noqa: E402
from result import Result, shown  # noqa: E402
from smgw.dlms.carriers.wrapper import Wrapper  # noqa: E402
from smgw.dlms.data import decode_all  # noqa: E402
from smgw.dlms.data.rows import Rows  # noqa: E402
from smgw.dlms.security.ciphering import Ciphering, Setting  # noqa: E402
from smgw.dlms.security.suites import Gmac  # noqa: E402
from smgw.dlms.session.client import Client  # noqa: E402
from smgw.dlms.session.events import Associated, Got, Send  # noqa: E402
from smgw.hdlc.address import Address  # noqa: E402
from smgw.hdlc.events import ApduReceived  # noqa: E402
from smgw.hdlc.link import Link  # noqa: E402
from smgw.hdlc.parameters import LinkParameters  # noqa: E402
from smgw.wire import Transmit  # noqa: E402

GETS, ROUNDS, YEAR = 1000, 5, SIZES[-1]
PEERS = ROOT / ".venv-peers" / "bin" / "python"
SCRIPTS = {"gurux-dlms": "gurux_client.py", "pydlms-client": "pydlms_client.py"}
PDU = 1024
INVOKE_IDS = 16  # a request has the number of the one before it plus one, of four bits


class Ports(NamedTuple):
    """Where the meter listens."""

    hdlc: int
    wrapper: int


@contextmanager
def meter() -> Iterator[Ports]:
    """The meter's process."""
    command = [sys.executable, str(ROOT / "tests" / "support" / "dlms_meter_process.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        hdlc, wrapper = map(int, process.stdout.readline().split())
        try:
            yield Ports(hdlc, wrapper)
        finally:
            process.stdin.close()
            process.wait(10)


def make_client(secure: bool) -> Client:
    if not secure:
        return Client(max_pdu_size=PDU)
    count = iter(range(100, 1 << 32)).__next__
    return Client(Gmac(KEYS, count), Ciphering(Setting(KEYS, b"UTBCLI01", count)), max_pdu_size=PDU)


def link_of(hdlc: bool, secure: bool) -> Link | Wrapper:
    sap = SECURE if secure else PUBLIC
    if not hdlc:
        return Wrapper.client(sap, 1)
    return Link.client(Address(sap), Address(1), LinkParameters.of(128, 1))


@contextmanager
def associated(port: int, *, hdlc: bool, secure: bool = False) -> Iterator[Driver]:
    """Our client, ready to ask."""
    driver = Driver(Line.tcp(port), link_of(hdlc, secure), make_client(secure))
    with driver:
        driver.connect()
        driver.expect(driver.client.associate(), Associated)
        yield driver


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    gc.collect()
    begin = time.process_time()
    work()
    return time.process_time() - begin


def get_cost(port: int, *, hdlc: bool, secure: bool = False) -> float:
    """CPU seconds of one GET and its value."""
    with associated(port, hdlc=hdlc, secure=secure) as driver:

        def work() -> None:
            for _ in range(GETS):
                (octets,) = driver.expect(driver.client.get(ENERGY), Got).results
                assert isinstance(octets, bytes)
                assert decode_all(octets).value == 1234567

        return min(cpu(work) for _ in range(ROUNDS)) / GETS


def get_without_socket() -> float:
    """CPU seconds of one GET over the wrapper: client and carrier alone, with answers that the meter gave before."""
    link, client = link_of(False, False), make_client(False)
    meter = Meter(make_link(False), Model())
    Replay._talk(meter, link, client, link.connect(0.0), keep=None)
    Replay._talk(meter, link, client, client.associate(), keep=None)
    answers: list[bytes] = []
    for _ in range(INVOKE_IDS):
        Replay._talk(meter, link, client, client.get(ENERGY), keep=answers)

    following = cycle(answers)

    def work() -> None:
        for _ in range(GETS):
            (asked,) = client.get(ENERGY)
            link.send(asked.apdu, 0.0)
            (answer,) = link.receive(next(following), 0.0)
            (got,) = client.receive(answer.apdu)
            assert decode_all(got.results[0]).value == 1234567

    return min(cpu(work) for _ in range(ROUNDS)) / GETS


def profile_cost(port: int, rows: int, *, hdlc: bool) -> float:
    """CPU seconds of one profile, with its rows as objects."""
    with associated(port, hdlc=hdlc) as driver:

        def work() -> None:
            (octets,) = driver.expect(driver.client.get(profile(rows)), Got).results
            assert isinstance(octets, bytes)
            assert len(list(Rows(octets))) == rows

        return min(cpu(work) for _ in range(ROUNDS))


class Replay:
    """A client, and what a meter sends it, kept: the same client again takes the same octets without a meter."""

    def __init__(self) -> None:
        self.octets: list[bytes] = []
        link, client = link_of(True, False), make_client(False)
        meter = Meter(make_link(True), Model())
        self._talk(meter, link, client, link.connect(0.0), keep=None)
        self._talk(meter, link, client, client.associate(), keep=None)
        self._talk(meter, link, client, client.get(profile(YEAR)), keep=self.octets)

    @staticmethod
    def _talk(
        meter: Meter, link: Link | Wrapper, client: Client, events: list[Any], *, keep: list[bytes] | None
    ) -> None:
        waiting = Replay._sent(link, client, events)
        while waiting:
            answer = meter.carry(waiting)
            if keep is not None:
                keep.append(answer)
            waiting = Replay._sent(link, client, link.receive(answer, 0.0)) if answer else b""

    @staticmethod
    def _sent(link: Link | Wrapper, client: Client, events: list[Any]) -> bytes:
        octets = b""
        for event in events:
            if isinstance(event, Transmit):
                octets += event.octets
            elif isinstance(event, Send):
                octets += Replay._sent(link, client, link.send(event.apdu, 0.0))
            elif isinstance(event, ApduReceived):
                octets += Replay._sent(link, client, client.receive(event.apdu))
        return octets

    def seconds_a_frame(self) -> float:
        """CPU seconds that link and session take for one frame of the meter and the answer to it."""
        link, client = link_of(True, False), make_client(False)
        meter = Meter(make_link(True), Model())
        self._talk(meter, link, client, link.connect(0.0), keep=None)
        self._talk(meter, link, client, client.associate(), keep=None)
        self._sent(link, client, client.get(profile(YEAR)))

        def work() -> None:
            for octets in self.octets:
                self._sent(link, client, link.receive(octets, 0.0))

        seconds = cpu(work)
        assert not client.busy
        return seconds / len(self.octets)


def rows_a_second() -> tuple[float, float]:
    """Rows of the longest profile that become objects in a CPU second: by the reader of rows, by the full decoder."""
    octets = profile_octets(YEAR)
    fast = min(cpu(lambda: list(Rows(octets))) for _ in range(ROUNDS))
    full = min(cpu(lambda: decode_all(octets)) for _ in range(ROUNDS))
    return YEAR / fast, YEAR / full


def peer(name: str, port: int, link: str, security: str, gets: int, sizes: str) -> dict[str, float]:
    """What a peer measured of itself."""
    command = [str(PEERS), "-I", str(Path(__file__).parent / "peers" / SCRIPTS[name]), str(port), link, security]
    done = subprocess.run([*command, str(gets), sizes], capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-500:]}")
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def main() -> list[Result]:
    """Ours, then the peers'."""
    results = []
    replay = Replay()
    a_frame = min(replay.seconds_a_frame() for _ in range(ROUNDS))
    results.append(Result("client: an HDLC frame of 128 octets and its RR, no socket", a_frame * 1e6, "us", 10.0))
    fast, full = rows_a_second()
    results.append(Result("rows of 4 columns to objects, reader of rows", fast, "rows/s", 300_000.0, at_most=False))
    results.append(Result("rows of 4 columns to objects, full decoder", full, "rows/s"))
    with meter() as ports:
        get = get_cost(ports.hdlc, hdlc=True)
        results.append(Result("GET over HDLC", get * 1e3, "ms", 0.1))
        over_wrapper = get_cost(ports.wrapper, hdlc=False)
        results.append(Result("GET over the wrapper", over_wrapper * 1e3, "ms", 0.1))
        results.append(Result("GET over the wrapper, no socket", get_without_socket() * 1e6, "us"))
    for hdlc in (True, False):
        with meter() as ports:
            cost = get_cost(ports[not hdlc], hdlc=hdlc, secure=True)
            over = "HDLC" if hdlc else "the wrapper"
            results.append(Result(f"GET over {over}, HLS 5, suite 0", cost * 1e3, "ms", 0.2))
    with meter() as ports:
        for rows in SIZES:
            cost = profile_cost(ports.hdlc, rows, hdlc=True)
            bar = 1.5 if rows == YEAR else None
            results.append(Result(f"{rows:,} rows over HDLC, 128 octets, window 1", cost, "s", bar))
            if rows == YEAR:  # jDLMS, which is not run here, takes 4.7 to 6.4 us where this took 10.5
                results.append(Result("a row over HDLC, beside jDLMS when it is warm", cost / rows * 1e6, "us", 6.4))
            cost = profile_cost(ports.wrapper, rows, hdlc=False)
            results.append(Result(f"{rows:,} rows over the wrapper", cost, "s"))
        sizes = ",".join(map(str, SIZES))
        for name in SCRIPTS:
            for hdlc, link, over in ((True, "hdlc", "HDLC"), (False, "wrapper", "the wrapper")):
                found = peer(name, ports[not hdlc], link, "clear", GETS // 2, sizes)
                results.append(Result(f"{name}: GET over {over}", found["get"] * 1e3, "ms"))
                if name == "gurux-dlms" and not hdlc:
                    share = over_wrapper / found["get"]
                    results.append(Result("GET over the wrapper: times what gurux-dlms takes", share, "x", 0.38))
                results += [Result(f"{name}: {rows:,} rows over {over}", found[str(rows)], "s") for rows in SIZES]
    for name in SCRIPTS:
        with meter() as ports:
            found = peer(name, ports.wrapper, "wrapper", "gmac", 100, "")
            results.append(Result(f"{name}: GET over the wrapper, HLS 5, suite 0", found["get"] * 1e3, "ms"))
    return results


if __name__ == "__main__":
    sys.exit(shown(main()))
