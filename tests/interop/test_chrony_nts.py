"""Network time security (RFC 8915) by chrony, for gateways without an administrator: what docs/trust.md shows.

Two chronyd run on loopback: a server with NTS, and that of the gateway. On a board the gateway takes the time of
chronyd from the system's clock. Here chronyd leaves that clock alone, so its time is asked by NTP.
"""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from chrony import CHRONYD, chronyd
from smgw.clock.sample import TimeSample
from smgw.clock.source import SystemSource
from smgw.wan.time_samples import NtpSampler
from soon import LIMIT
from trial_pki import openssl

_FEATURES = subprocess.run(
    [CHRONYD.path, "--version"], capture_output=True, text=True, env=CHRONYD.environment, check=True
).stdout
pytestmark = pytest.mark.skipif("+NTS" not in _FEATURES, reason="MISSING NTS in this chronyd")


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate of `localhost`, and its key."""
    folder.mkdir()
    made, key = folder / "nts.crt", folder / "nts.key"
    command = [openssl(), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "365"]
    subprocess.run([*command, *names, "-keyout", str(key), "-out", str(made)], check=True, capture_output=True)
    key.chmod(0o600)
    return made, key


@contextmanager
def nts_pair(folder: Path, trusted: Path, shown: Path, key: Path) -> Iterator[str]:
    """A server with this certificate, and a client that trusts one; yield the client as `host:port`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        ke_port = free.getsockname()[1]
    served = ("local stratum 5", f"ntsservercert {shown}", f"ntsserverkey {key}", f"ntsport {ke_port}")
    with chronyd(folder / "server", *served, f"ntsdumpdir {folder}/server") as server:
        port = server.rpartition(":")[2]
        asked = (f"server localhost port {port} ntsport {ke_port} nts iburst", f"ntstrustedcerts {trusted}")
        with chronyd(folder / "client", *asked, "authselectmode require", f"ntsdumpdir {folder}/client") as client:
            yield client


def until(condition: Callable[[], object]) -> None:
    ends = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.1)


def ask(server: str) -> list[TimeSample]:
    return NtpSampler([server], SystemSource(), lambda _: None).poll_once()


def test_chrony_with_nts_gives_a_gateway_the_time(tmp_path: Path) -> None:
    shown, key = certificate(tmp_path / "certificate")
    with nts_pair(tmp_path, shown, shown, key) as client:
        until(lambda: ask(client))
        (sample,) = ask(client)
    source = SystemSource()
    error_us = (source.realtime_ns() - source.boottime_ns()) // 1000 - sample.offset_us
    assert abs(error_us) <= sample.dispersion_us + 1000


def test_chrony_takes_no_time_from_a_server_with_another_certificate(tmp_path: Path) -> None:
    shown, key = certificate(tmp_path / "certificate")
    trusted, _ = certificate(tmp_path / "other")
    log = tmp_path / "client/chronyd.log"
    with nts_pair(tmp_path, trusted, shown, key) as client:
        until(lambda: "TLS handshake" in log.read_text())
        assert ask(client) == []
    assert "failed" in log.read_text()
