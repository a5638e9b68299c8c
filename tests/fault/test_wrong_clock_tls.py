"""A board whose clock is so wrong that no certificate is valid: the time comes first, over TLS, then the readings."""

import time
from collections.abc import Iterator
from pathlib import Path

import fake_time
import pytest
from gwa.packet import ServerClock
from gwa.time_server import TimeServer
from served_time import serving
from testbed import EMP, Chain, free_port, push, wait_until
from tls_time_server import context_of, serving_time
from trial_pki import DAY, GWA, NOW, session_pki

pytestmark = pytest.mark.skipif(fake_time.LIBRARY is None, reason=fake_time.MISSING)

YEAR = 365 * DAY
METERS = [push("house", 1), push("pv", 1)]
EXACT = ServerClock(10, 1000)


class Board:
    def __init__(self, folder: Path, off_s: int) -> None:
        clock = folder / "clock"
        variables = fake_time.environment(clock)
        fake_time.step(clock, off_s)
        self.pki = session_pki()
        self.chain = Chain(folder, METERS, pki=self.pki, environment=variables)
        self.admin = self.pki.write_emp(folder / "admin", GWA)
        self.port = free_port()
        self.server = f"tls://127.0.0.1:{self.port}"
        file = self.chain.gateway_file
        file.write_text(file.read_text().replace("system_clock = false", f'ntp = ["{self.server}"]'))

    def said(self) -> str:
        return self.chain.smgw("status").stdout


@pytest.fixture(params=[-50 * YEAR, 8 * YEAR], ids=["1976", "8 years ahead"])
def board(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Board]:
    made = Board(tmp_path, request.param)
    with made.chain:
        yield made


def test_the_time_is_taken_over_tls_and_then_all_readings_are_delivered(board: Board) -> None:
    chain = board.chain
    with serving(TimeServer(board.admin, clock=lambda: EXACT), board.port):
        chain.start()
        wait_until(lambda: chain.status()["clock"]["state"] == "synchronised", 60, "no time")
        wait_until(lambda: len(chain.emp_keys()) > 5, 90, "nothing arrives")
        (source,) = chain.status()["clock"]["sources"]
        assert (source["source"], source["authenticated"]) == (f"{board.server} (Admin.GWA)", True)
        assert abs(source["time_us"] / 1e6 - time.time()) < 3600
        assert f"{board.server} (Admin.GWA): authenticated" in board.said()
        chain.drain()
    assert sorted(chain.store_keys()) == sorted(chain.emp_keys())


def test_a_certificate_that_really_expired_is_named_and_nothing_is_delivered_or_lost(board: Board) -> None:
    chain = board.chain
    expired = board.pki.write_peer(chain.state / "trust", GWA, 2, begins=NOW - 20 * DAY, days=10)
    context = context_of(board.pki, chain.directory / "expired", expired.tls)
    with serving_time(context, port=board.port):
        chain.start()
        wait_until(lambda: board.server in board.said() and "gives no time" in board.said(), 60, "nothing is said")
        wait_until(lambda: len(chain.store_keys()) > 5, 60, "nothing is stored")
        assert chain.emp_keys() == []
        assert chain.status()["clock"]["state"] == "invalid"
        assert f"EMP {EMP}" in board.said()
