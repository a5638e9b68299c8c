"""Network time security (RFC 8915) by chrony, for gateways without an administrator: what docs/trust.md shows.

Two chronyd run on loopback: a server with NTS, and that of the gateway. On a board the gateway takes the time of
chronyd from the system's clock. Here chronyd leaves that clock alone, so its time is asked by NTP.
"""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from chrony import CHRONYD, chronyd
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from smgw.clock.sample import TimeSample
from smgw.clock.source import SystemSource
from smgw.wan.time_samples import NtpSampler
from soon import LIMIT

_FEATURES = subprocess.run(
    [CHRONYD.path, "--version"], capture_output=True, text=True, env=CHRONYD.environment, check=True
).stdout
pytestmark = pytest.mark.skipif("+NTS" not in _FEATURES, reason="MISSING NTS in this chronyd")


def certificate(folder: Path, begins_days: int = -1) -> tuple[Path, Path]:
    """A self-signed certificate of `localhost` for 30 days, and its key."""
    folder.mkdir()
    made, file = folder / "nts.crt", folder / "nts.key"
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    begins = datetime.now(UTC) + timedelta(days=begins_days)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(begins).not_valid_after(begins + timedelta(days=30))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    made.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    file.chmod(0o600)
    return made, file


@contextmanager
def nts_pair(folder: Path, trusted: Path, shown: Path, key: Path, *more: str) -> Iterator[str]:
    """A server with this certificate, and a client that trusts one; yield the client as `host:port`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        ke_port = free.getsockname()[1]
    served = ("local stratum 5", f"ntsservercert {shown}", f"ntsserverkey {key}", f"ntsport {ke_port}")
    with chronyd(folder / "server", *served, f"ntsdumpdir {folder}/server") as server:
        port = server.rpartition(":")[2]
        asked = (f"server localhost port {port} ntsport {ke_port} nts iburst", f"ntstrustedcerts {trusted}", *more)
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


@pytest.mark.parametrize("begins_days", [-60, 300], ids=["expired", "early"])
def test_chrony_on_a_board_without_the_time_can_skip_the_dates_of_a_certificate(
    tmp_path: Path, begins_days: int
) -> None:
    """The clock is right and the certificate's dates are wrong, which is the same for chronyd."""
    shown, key = certificate(tmp_path / "certificate", begins_days)
    with nts_pair(tmp_path, shown, shown, key, "nocerttimecheck 1") as client:
        until(lambda: ask(client))


def test_chrony_minds_the_dates_of_a_certificate_otherwise(tmp_path: Path) -> None:
    shown, key = certificate(tmp_path / "certificate", -60)
    log = tmp_path / "client/chronyd.log"
    with nts_pair(tmp_path, shown, shown, key) as client:
        until(lambda: "TLS handshake" in log.read_text())
        assert ask(client) == []


def test_chrony_takes_no_time_from_a_server_with_another_certificate(tmp_path: Path) -> None:
    shown, key = certificate(tmp_path / "certificate")
    trusted, _ = certificate(tmp_path / "other")
    log = tmp_path / "client/chronyd.log"
    with nts_pair(tmp_path, trusted, shown, key) as client:
        until(lambda: "TLS handshake" in log.read_text())
        assert ask(client) == []
    assert "failed" in log.read_text()
