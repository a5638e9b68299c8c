"""The gateway's TLS against the command line of OpenSSL and silent peers: suites, curves, and an end at any time."""

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from captures_made import DEVICE, ENERGY
from line_meter import until
from small_emp import Answer
from smgw.cosem import NULL, StatusWord
from smgw.cosemxml.document import Document, Register, Row, encode
from smgw.trust.errors import TrustError
from smgw.trust.tls import SUITES
from smgw.wan.cosem_xml import exchange as exchange_module
from smgw.wan.cosem_xml.exchange import Exchange
from smgw.wan.cosem_xml.parties import Parties
from smgw.wan.cosem_xml.secure import Way
from soon import LIMIT, soon
from trial_pki import EMT, openssl
from trusted_emp import GATEWAY_ID, Trial, TrustedEmp

NAMES = {"brainpool": "brainpoolP256r1", "p256": "prime256v1"}
ROW = Row(1, None, None, False, StatusWord(5), (NULL,))
BODY = encode(Document(GATEWAY_ID, "ab" * 16, DEVICE, (Register(ENERGY, -1, 30),), (ROW,)))


def exchange_with(trial: Trial, port: int, timeout: float = 600) -> Exchange:
    parties = Parties(trial.gateway, GATEWAY_ID, EMT.owner, lambda: trial.now)
    return Exchange(f"https://localhost:{port}", timeout, Way(parties, bytes))


@contextlib.contextmanager
def s_server(trial: Trial, *options: str) -> Iterator[int]:
    """`openssl s_server` with the EMP's certificate: it answers 200 to what looks like a request."""
    own = trial.emp / "own" / "1"
    bundle = trial.emp / "bundle.pem"
    bundle.write_bytes(trial.pki.root.certificate.pem + trial.pki.sub_ca.certificate.pem)
    command = [openssl(), "s_server", "-accept", "127.0.0.1:0", "-cert", own / "tls.crt", "-key", own / "tls.key"]
    command += ["-cert_chain", own / "tls.crt", "-CAfile", bundle, "-Verify", "3", "-verify_return_error", *options]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.PIPE, bufsize=0
    ) as server:
        assert server.stdout is not None
        assert server.stdin is not None

        def answer() -> None:
            for line in server.stdout or ():
                if line.startswith(b"PUT /cosem/ldevs/"):
                    server.stdin.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")  # type: ignore[union-attr]

        try:
            for line in server.stdout:
                if line.startswith(b"ACCEPT"):
                    port = int(line.rsplit(b":", 1)[1])
                    break
            reader = threading.Thread(target=answer)
            reader.start()
            yield port
        finally:
            server.kill()
            reader.join(LIMIT)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("curve", NAMES)
def test_openssl_takes_a_document_with_each_suite(tmp_path: Path, curve: str, suite: str) -> None:
    trial = Trial(tmp_path, curve)
    with s_server(trial, "-groups", NAMES[curve], "-tls1_2", "-cipher", suite) as port:
        exchange = exchange_with(trial, port, LIMIT)
        assert exchange.put(DEVICE, BODY).status == 200
        assert exchange._watch.secured is not None
        assert exchange._watch.secured.cipher()[0] == suite  # type: ignore[index]
        exchange.close()


def test_openssl_takes_a_document_over_tls_1_3(tmp_path: Path) -> None:
    trial = Trial(tmp_path, "p256")
    with s_server(trial, "-groups", "prime256v1", "-tls1_3") as port:
        exchange = exchange_with(trial, port, LIMIT)
        assert exchange.put(DEVICE, BODY).status == 200
        exchange.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["-groups", "brainpoolP256r1", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
            "no suite or curve",
        ),
        (["-groups", "brainpoolP384r1", "-tls1_2"], "both sides have no suite or curve in common"),
        (["-groups", "brainpoolP256r1", "-tls1_2", "-cipher", "ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0"], "no suite or curve"),
        (["-groups", "brainpoolP256r1", "-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"], "no suite or curve"),
        (["-groups", "brainpoolP256r1", "-tls1_2", "-cipher", "AES128-SHA"], "no suite or curve"),
    ],
    ids=["TLS 1.1", "other curve", "NULL", "ChaCha20", "RSA"],
)
def test_openssl_with_what_is_not_allowed_is_refused(tmp_path: Path, options: list[str], said: str) -> None:
    trial = Trial(tmp_path)
    with s_server(trial, *options) as port:
        exchange = exchange_with(trial, port, LIMIT)
        with pytest.raises(TrustError, match=said):
            exchange.put(DEVICE, BODY)
        exchange.close()


def test_a_certificate_on_another_curve_is_refused(tmp_path: Path) -> None:
    trial = Trial(tmp_path, "p256")
    odd = trial.pki.issue(EMT, curve=trial.pki.curves[0])
    trial.pki.write_holder(trial.emp / "own" / "1", odd)
    with s_server(trial, "-tls1_2") as port, pytest.raises(TrustError, match="curve"):
        exchange_with(trial, port, LIMIT).put(DEVICE, BODY)


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, list[bytes]]]:
    """A server that takes the first octets and says nothing: its port, and what it got."""
    monkeypatch.setattr(exchange_module, "_CONNECT_S", 600.0)
    got: list[bytes] = []
    over = threading.Event()

    def serve() -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as connection:
            got.append(connection.recv(1000))
            over.wait(LIMIT)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1], got
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(LIMIT)


@pytest.mark.parametrize("how", ["end", "abort"])
def test_a_handshake_without_an_answer_is_broken_off(tmp_path: Path, silent: tuple[int, list[bytes]], how: str) -> None:
    port, got = silent
    exchange = exchange_with(Trial(tmp_path), port)

    def end() -> None:
        until(lambda: got)
        getattr(exchange, how)()

    other = threading.Thread(target=end)
    other.start()
    answer = soon(lambda: exchange.put(DEVICE, BODY))
    other.join()
    assert answer.status is None
    assert "Errno" not in answer.detail
    assert "_ssl" not in answer.detail


@pytest.mark.parametrize("how", ["end", "abort"])
def test_an_answer_over_tls_that_does_not_come_is_broken_off(tmp_path: Path, how: str) -> None:
    trial = Trial(tmp_path)
    with TrustedEmp(trial.server()) as emp:
        emp.answer = lambda _: Answer(hang=True)
        exchange = exchange_with(trial, emp.port)

        def end() -> None:
            until(lambda: emp.puts)
            getattr(exchange, how)()

        other = threading.Thread(target=end)
        other.start()
        assert soon(lambda: exchange.put(DEVICE, BODY)).status is None
        other.join()


def test_a_handshake_that_takes_too_long_is_no_answer(tmp_path: Path, silent: tuple[int, list[bytes]]) -> None:
    exchange = exchange_with(Trial(tmp_path), silent[0], 0.3)
    assert exchange.put(DEVICE, BODY).detail == "no answer in the TLS handshake"


def test_a_peer_that_closes_in_the_handshake_is_no_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            connection.recv(1)
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        answer = exchange_with(Trial(tmp_path), listener.getsockname()[1], LIMIT).put(DEVICE, BODY)
        thread.join(LIMIT)
    assert answer.status is None
    assert "the other side closed the connection" in answer.detail
