"""Time over TLS with peers of another make: OpenSSL's command line for TLS, chronyd for NTP."""

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from chrony import chronyd
from gwa.time_server import TimeServer, Upstream
from served_time import serving
from smgw.clock.gateway_clock import GatewayClock
from smgw.clock.sample import TimeSample
from smgw.clock.source import SystemSource
from smgw.cosem.reading import ClockState
from smgw.trust.validity import Moment
from smgw.wan.time_over_tls import TlsServer, TlsTrust
from smgw.wan.time_packet import Refusal, Refused
from soon import LIMIT
from trial_pki import GWA, TrialPki, openssl, session_pki

REQUEST = bytes([4 << 3 | 3]) + bytes(39) + bytes(range(8))
GROUPS = {"brainpool": ["-tls1_2", "-groups", "brainpoolP256r1"], "p256": ["-groups", "P-256"]}


class Trial:
    def __init__(self, folder: Path, pki: TrialPki) -> None:
        self.pki, self.folder = pki, folder
        self.gateway = pki.write_gateway(folder / "gateway")
        self.admin = pki.write_emp(folder / "admin", GWA)

    def openssl_files(self, trust: Path) -> list[str]:
        bundle = self.folder / "bundle.pem"
        bundle.write_bytes(self.pki.root.certificate.pem + self.pki.sub_ca.certificate.pem)
        own = trust / "own/1"
        files = ["-cert", str(own / "tls.crt"), "-key", str(own / "tls.key"), "-cert_chain", str(own / "tls.crt")]
        return [*files, "-CAfile", str(bundle), *GROUPS[self.pki.curve], "-verify_return_error", "-quiet"]

    def ask(self, name: str) -> TimeSample | Refused:
        return TlsServer(name, SystemSource(), TlsTrust(self.gateway, lambda: Moment(0, trusted=False))).ask(
            threading.Event()
        )


@pytest.fixture(params=["brainpool", "p256"])
def trial(tmp_path: Path, request: pytest.FixtureRequest) -> Trial:
    return Trial(tmp_path, session_pki(request.param))


def ntp(server: str, request: bytes) -> bytes:
    """One exchange with a time server over UDP."""
    host, _, port = server.partition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.settimeout(LIMIT)
        endpoint.connect((host, int(port)))
        endpoint.send(request)
        return endpoint.recv(1000)


@contextlib.contextmanager
def s_server(trial: Trial, ntp_server: str) -> Iterator[str]:
    """`openssl s_server`, whose requests go to a time server over UDP."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [openssl(), "s_server", "-accept", f"127.0.0.1:{port}", "-Verify", "3", *trial.openssl_files(trial.admin)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as one:
        assert one.stdin is not None
        assert one.stdout is not None
        stdin, stdout = one.stdin, one.stdout

        def relay() -> None:
            while request := stdout.read(1000):
                stdin.write(ntp(ntp_server, request))

        thread = threading.Thread(target=relay, daemon=True)
        thread.start()
        try:
            until_it_listens(port)
            yield f"tls://127.0.0.1:{port}"
        finally:
            one.terminate()
            one.wait(LIMIT)
            thread.join(LIMIT)


def until_it_listens(port: int) -> None:
    """/proc/net/tcp shows a socket that listens, without a connection that s_server would take for a client."""
    for _ in range(600):
        if f":{port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text():
            return
        threading.Event().wait(0.05)
    pytest.fail("openssl s_server does not listen")


def right(sample: TimeSample | Refused) -> None:
    assert isinstance(sample, TimeSample), sample
    source = SystemSource()
    error_us = (source.realtime_ns() - source.boottime_ns()) // 1000 - sample.offset_us
    assert abs(error_us) <= sample.dispersion_us + 1000


def test_our_client_takes_the_time_of_chronyd_behind_openssl(trial: Trial, tmp_path: Path) -> None:
    with chronyd(tmp_path / "chrony", "local stratum 5") as server, s_server(trial, server) as name:
        sample = trial.ask(name)
        right(sample)
        right(trial.ask(name))
    assert isinstance(sample, TimeSample)
    assert sample.source == f"{name} (Admin.GWA)"
    clock = GatewayClock(sources=[name])
    clock.feed(sample)
    assert clock.state is ClockState.SYNCHRONISED


def test_chronyd_without_time_behind_openssl_is_refused(trial: Trial, tmp_path: Path) -> None:
    with chronyd(tmp_path / "chrony") as server, s_server(trial, server) as name:
        outcome = trial.ask(name)
    assert isinstance(outcome, Refused)
    assert outcome.refusal is Refusal.UNSYNCHRONISED


def test_our_server_before_chronyd_answers_openssl_and_our_client(trial: Trial, tmp_path: Path) -> None:
    with chronyd(tmp_path / "chrony", "local stratum 5") as server:
        host, _, port = server.partition(":")
        with serving(TimeServer(trial.admin, upstream=Upstream.resolved(host, int(port)))) as bound:
            command = [openssl(), "s_client", "-connect", f"127.0.0.1:{bound}", *trial.openssl_files(trial.gateway)]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as one:
                assert one.stdin is not None
                assert one.stdout is not None
                one.stdin.write(REQUEST)
                answer = one.stdout.read(1000)
                one.terminate()
            right(trial.ask(f"tls://127.0.0.1:{bound}"))
    assert (len(answer), answer[0], answer[1], answer[24:32]) == (48, 4 << 3 | 4, 6, REQUEST[40:])


def test_our_server_does_not_answer_openssl_without_a_certificate(trial: Trial) -> None:
    with serving(TimeServer(trial.admin)) as bound:
        where = ["-connect", f"127.0.0.1:{bound}", *GROUPS[trial.pki.curve]]
        command = [openssl(), "s_client", *where, "-quiet"]
        done = subprocess.run(command, input=REQUEST, capture_output=True, timeout=LIMIT, check=False)
    assert done.stdout == b""
