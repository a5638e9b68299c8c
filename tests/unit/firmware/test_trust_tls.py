"""Our TLS contexts against OpenSSL's command line and against each other: what is allowed, and what is refused."""

import asyncio
import contextlib
import http.client
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from smgw.trust import errors
from smgw.trust.certificate import Purpose
from smgw.trust.chain import Expected, Moment
from smgw.trust.folder import AuthoritiesFolder
from smgw.trust.names import Role
from smgw.trust.tls import SESSION_S, SUITES, Own, Peer, PeerRefusedError, client_context, hung_up, server_context
from trial_pki import DAY, EMT, GATEWAY, NOW, TrialPki, openssl

CURVES = {"brainpool": ("brainpoolP256r1", "brainpoolP256r1"), "p256": ("secp256r1", "prime256v1")}
WAIT_S = 20


class Bench:
    """A PKI, a gateway and an EMT with their files."""

    def __init__(self, folder: Path, curve: str = "brainpool") -> None:
        self.folder, self.curve = folder, curve
        self.pki = TrialPki(curve)
        self.authorities = self.pki.write(folder / "authorities")
        self.gateway = self.pki.issue(GATEWAY)
        self.emt = self.pki.issue(EMT)
        self.files = {
            "gateway": Own(*self.pki.write_holder(folder / "gateway", self.gateway)),
            "emt": Own(*self.pki.write_holder(folder / "emt", self.emt)),
        }

    def own(self, holder, name="other") -> Own:
        return Own(*self.pki.write_holder(self.folder / name, holder))

    def client(self, own=None, now=None, **expected):
        return client_context(own or self.files["gateway"], self._peer(Role.EMT, now, expected))

    def server(self, own=None, now=None, **expected):
        return server_context(own or self.files["emt"], self._peer(Role.SMGW, now, expected))

    def _peer(self, role, now, expected) -> Peer:
        wanted = Expected(Purpose.TLS, frozenset({role}), CURVES[self.curve][0])._replace(**expected)
        return Peer(wanted, AuthoritiesFolder(self.authorities), lambda: now or Moment(NOW))

    def openssl_files(self, name) -> list[str]:
        own = self.files[name]
        chain = ["-cert_chain", str(own.certificate)]
        return ["-cert", str(own.certificate), "-key", str(own.key), *chain, *self.openssl_roots()]

    def openssl_roots(self) -> list[str]:
        bundle = self.folder / "bundle.pem"
        bundle.write_bytes(self.pki.root.certificate.pem + self.pki.sub_ca.certificate.pem)
        return ["-CAfile", str(bundle)]


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)


@contextlib.contextmanager
def serving(context, connections=1) -> Iterator[tuple[int, list[object]]]:
    """A server for some connections: it answers `ok` to the first octets. The list gets peers or errors."""
    seen: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(WAIT_S)

        def serve() -> None:
            for _ in range(connections):
                try:
                    plain, _ = listener.accept()
                except OSError:  # the test is over
                    return
                plain.settimeout(WAIT_S)
                try:
                    with context.wrap_socket(plain, server_side=True) as secured:
                        seen.append(secured.peer)
                        if secured.recv(100):
                            secured.sendall(b"ok")
                except OSError as error:
                    seen.append(error)
                    plain.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1], seen
        except BaseException:  # no client may have come
            listener.shutdown(socket.SHUT_RDWR)
            raise
        finally:
            thread.join(WAIT_S)


def _ask(context, port):
    """A client's connection that says `hi` and reads the answer."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as plain,
        context.wrap_socket(plain, server_hostname="emp.example") as secured,
    ):
        secured.sendall(b"hi")
        if not (answer := secured.recv(10)):
            raise ConnectionError("the server closed the connection")
        assert answer == b"ok"
        return secured.peer, secured.session_reused, secured.cipher()[0], secured.version()


def _s_client(port, *options) -> subprocess.CompletedProcess[str]:
    command = [openssl(), "s_client", "-connect", f"127.0.0.1:{port}", *options]
    return subprocess.run(command, input="hi\n", capture_output=True, text=True, timeout=WAIT_S)


@contextlib.contextmanager
def _s_server(*options) -> Iterator[int]:
    command = [openssl(), "s_server", "-accept", "127.0.0.1:0", "-rev", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL) as one:
        assert one.stdout is not None
        try:
            for line in one.stdout:
                if line.startswith(b"ACCEPT"):
                    yield int(line.rsplit(b":", 1)[1])
                    break
        finally:
            one.kill()


# What is allowed


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("curve", CURVES)
def test_openssl_as_client_reaches_our_server_with_each_suite(tmp_path, curve, suite):
    bench = Bench(tmp_path, curve)
    with serving(bench.server()) as (port, seen):
        groups = ["-groups", CURVES[curve][1], "-tls1_2", "-cipher", suite]
        answer = _s_client(port, *bench.openssl_files("gateway"), *groups, "-verify_return_error", "-brief")
    assert seen == [bench.gateway.certificate], answer.stderr
    assert f"Ciphersuite: {suite}" in answer.stderr


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("curve", CURVES)
def test_our_client_reaches_openssl_as_server_with_each_suite(tmp_path, curve, suite):
    bench = Bench(tmp_path, curve)
    options = ["-groups", CURVES[curve][1], "-tls1_2", "-cipher", suite, "-Verify", "3", "-verify_return_error"]
    with (
        _s_server(*bench.openssl_files("emt"), *options) as port,
        socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as plain,
        bench.client().wrap_socket(plain, server_hostname="emp.example") as secured,
    ):
        secured.sendall(b"abc\n")
        assert secured.recv(10).strip() == b"cba"
        assert (secured.cipher()[0], secured.peer) == (suite, bench.emt.certificate)


def test_p256_uses_tls_1_3_and_brainpool_1_2(tmp_path):
    versions = []
    for curve in CURVES:
        bench = Bench(tmp_path / curve, curve)
        with serving(bench.server()) as (port, _):
            versions.append(_ask(bench.client(), port)[3])
    assert versions == ["TLSv1.2", "TLSv1.3"]


@pytest.mark.parametrize("curve", CURVES)
def test_a_session_is_resumed_and_both_sides_count_it(tmp_path, curve):
    bench = Bench(tmp_path, curve)
    client, server = bench.client(), bench.server()
    with serving(server, 3) as (port, seen):
        assert [_ask(client, port)[1] for _ in range(3)] == [False, True, True]
    assert seen == [bench.gateway.certificate] * 3
    for one in (client, server):
        assert (one.counters.full, one.counters.resumed) == (1, 2)


def test_a_session_older_than_48_hours_is_not_resumed(bench):
    client = bench.client()
    with serving(bench.server(), 2) as (port, _):
        _ask(client, port)
        client._session_begun_s -= SESSION_S + 1
        assert not _ask(client, port)[1]


# What is refused


def _refusal(bench, client=None, server=None, at="client"):
    """The TrustError of one side of a handshake between our contexts."""
    client, server = client or bench.client(), server or bench.server()
    refused: object = None
    with serving(server) as (port, seen):
        try:
            _ask(client, port)
        except OSError as error:
            refused = error
    error = refused if at == "client" else seen[0]
    assert isinstance(error, PeerRefusedError), error
    return error.refusal


@pytest.mark.parametrize("side", ["client", "server"])
@pytest.mark.parametrize(
    ("moment", "error"),
    [
        (Moment(NOW + 800 * DAY), errors.ExpiredError),
        (Moment(NOW - DAY), errors.NotYetValidError),
        (Moment(NOW, trusted=False), errors.ClockNotTrustedError),
        (Moment(NOW + 91 * DAY), errors.CrlOutdatedError),
    ],
)
def test_the_trusted_time_decides_and_not_the_clock_of_the_system(bench, side, moment, error):
    made = getattr(bench, side)(now=moment)
    assert type(_refusal(bench, at=side, **{side: made})) is error


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_revoked_certificate_is_refused(bench, side):
    revoked = (bench.emt if side == "client" else bench.gateway).certificate
    bench.pki.write(bench.authorities, [revoked])
    assert type(_refusal(bench, at=side)) is errors.RevokedError


def test_a_ticket_is_refused_after_the_revocation(bench):
    client, server = bench.client(), bench.server()
    with serving(server, 2) as (port, seen):
        _ask(client, port)
        new = bench.authorities / "sub.new"
        new.write_bytes(bench.pki.revocations([bench.gateway.certificate], number=2).pem)
        client.peer.authorities.current()
        new.rename(bench.authorities / "sub.crl")
        with pytest.raises(ConnectionError):
            _ask(client, port)
    assert isinstance(seen[1], PeerRefusedError)
    assert type(seen[1].refusal) is errors.RevokedError


def test_an_emt_is_no_gateway(bench):
    client = bench.client(bench.own(bench.pki.issue(EMT)))
    assert type(_refusal(bench, client=client, at="server")) is errors.WrongRoleError


def test_the_certificate_of_another_gateway_is_refused(bench):
    server = bench.server(owner="EXXX0012345679")
    assert type(_refusal(bench, server=server, at="server")) is errors.WrongIdentityError


def test_the_right_authority_with_the_wrong_pin_is_refused(bench):
    client = bench.client(pins=frozenset({bench.gateway.certificate.fingerprint}))
    assert type(_refusal(bench, client=client)) is errors.WrongPinError


def test_a_server_of_another_pki_is_refused(bench, tmp_path):
    assert type(_refusal(bench, server=Bench(tmp_path / "other").server())) is errors.UntrustedError


def test_a_client_of_another_pki_is_refused_though_it_believes_ours(bench, tmp_path):
    other = Bench(tmp_path / "other")
    for file in bench.authorities.iterdir():  # the names of the authorities are the same
        (other.authorities / f"their-{file.name}").write_bytes(file.read_bytes())
    assert type(_refusal(bench, client=other.client(), at="server")) is errors.UntrustedError


def test_an_unreadable_revocation_list_is_named(bench):
    client = bench.client()
    (bench.authorities / "sub.crl").write_text("nothing")
    with pytest.raises(PeerRefusedError, match=r"sub\.crl"):
        client.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())


def test_a_new_sub_ca_is_known_without_a_new_context(bench):
    server = bench.server()
    second = bench.pki.make_sub_ca("Second")
    (bench.authorities / "second.crt").write_bytes(second.certificate.pem)
    (bench.authorities / "second.crl").write_bytes(bench.pki.revocations(by=second).pem)
    holder = bench.pki.issue(by=second)
    own = bench.own(holder)
    own.certificate.write_bytes(holder.certificate.pem)
    with serving(server) as (port, seen):
        _ask(bench.client(own), port)
    assert seen == [holder.certificate]


@pytest.mark.parametrize("revoked", [False, True])
def test_a_server_of_asyncio_judges_its_clients_too(bench, revoked):
    if revoked:
        bench.pki.write(bench.authorities, [bench.gateway.certificate])
    seen = []

    async def answer(reader, writer):
        seen.append(writer.get_extra_info("ssl_object").peer)
        writer.write(b"ok" if await reader.read(10) else b"")
        writer.close()

    async def run():
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=bench.server())
        async with server:
            return await asyncio.to_thread(_outcome, bench.client(), server.sockets[0].getsockname()[1])

    assert asyncio.run(run()) == ("refused" if revoked else "ok")
    assert seen == ([] if revoked else [bench.gateway.certificate])


def _outcome(client, port):
    try:
        _ask(client, port)
    except OSError:
        return "refused"
    return "ok"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], errors.HandshakeError),
        (["-tls1_2", "-groups", "P-256"], errors.HandshakeError),
        (
            ["-tls1_2", "-groups", "brainpoolP256r1", "-cipher", "ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0"],
            errors.HandshakeError,
        ),
        (["-tls1_2", "-groups", "brainpoolP256r1", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"], errors.HandshakeError),
        (["-tls1_2", "-groups", "brainpoolP256r1", "-cipher", "AES128-SHA256"], errors.HandshakeError),
        (["-tls1_2", "-groups", "brainpoolP256r1", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"], errors.HandshakeError),
    ],
    ids=["TLS 1.1", "other curve", "NULL", "ECDHE-RSA", "RSA", "ChaCha20"],
)
def test_our_server_refuses_what_is_not_allowed(bench, options, error):
    with serving(bench.server()) as (port, seen):
        _s_client(port, *bench.openssl_files("gateway"), *options)
    assert isinstance(seen[0], PeerRefusedError), seen
    assert type(seen[0].refusal) is error


def test_our_server_refuses_a_client_without_a_certificate(bench):
    with serving(bench.server()) as (port, seen):
        _s_client(port, *bench.openssl_roots(), "-tls1_2", "-groups", "brainpoolP256r1")
    assert type(seen[0].refusal) is errors.NoCertificateError


@pytest.mark.parametrize(
    "options",
    [
        ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"],
        ["-tls1_2", "-groups", "P-256"],
        ["-tls1_2", "-groups", "brainpoolP256r1", "-cipher", "ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0"],
        ["-tls1_2", "-groups", "brainpoolP256r1", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"],
    ],
    ids=["TLS 1.1", "other curve", "NULL", "ChaCha20"],
)
def test_our_client_refuses_what_is_not_allowed(bench, options):
    with (
        _s_server(*bench.openssl_files("emt"), *options) as port,
        socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as plain,
        pytest.raises(PeerRefusedError) as caught,
    ):
        bench.client().wrap_socket(plain, server_hostname="emp.example")
    assert type(caught.value.refusal) is errors.HandshakeError


def test_chacha20_of_tls_1_3_is_refused_after_the_handshake(tmp_path):
    bench = Bench(tmp_path, "p256")
    with serving(bench.server()) as (port, seen):
        _s_client(port, *bench.openssl_files("gateway"), "-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256")
    assert type(seen[0].refusal) is errors.HandshakeError
    assert "CHACHA20" in str(seen[0])


def test_a_certificate_on_another_curve_is_refused(tmp_path):
    bench = Bench(tmp_path, "p256")
    odd = bench.own(bench.pki.issue(GATEWAY, curve=ec.BrainpoolP256R1()))
    assert type(_refusal(bench, client=bench.client(odd), at="server")) is errors.HandshakeError


def test_a_client_cannot_renegotiate(bench):
    with serving(bench.server()) as (port, _):
        command = [openssl(), "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2", "-groups", "brainpoolP256r1"]
        answer = subprocess.run(
            [*command, *bench.openssl_files("gateway")], input="R\n", capture_output=True, text=True, timeout=WAIT_S
        )
    assert "RENEGOTIATING" in answer.stdout + answer.stderr
    assert "no renegotiation" in answer.stderr


def test_a_downgrade_by_a_third_party_is_refused(tmp_path):
    """TLS_FALLBACK_SCSV (RFC 7507): a client that was pushed down to 1.2 says so, and a server of 1.3 refuses."""
    bench = Bench(tmp_path, "p256")
    with serving(bench.server()) as (port, seen):
        answer = _s_client(port, *bench.openssl_files("gateway"), "-tls1_2", "-fallback_scsv")
    assert isinstance(seen[0], PeerRefusedError)
    assert "inappropriate fallback" in answer.stderr


# Files of one's own


def test_a_key_that_does_not_fit_its_certificate_is_named(bench):
    files = bench.files["gateway"]._replace(key=bench.files["emt"].key)
    with pytest.raises(errors.KeyMismatchError) as caught:
        bench.client(files)
    assert caught.value.file == files.key


@pytest.mark.parametrize("given", [b"", b"wrong"])
def test_a_wrong_or_missing_passphrase_is_named_and_nobody_is_asked(bench, given):
    files = Own(*bench.pki.write_holder(bench.folder / "locked", bench.gateway, passphrase=b"secret"), lambda: given)
    with pytest.raises(errors.PassphraseError):
        bench.client(files)
    bench.client(files._replace(passphrase=lambda: b"secret"))


def test_a_key_that_others_can_read_is_refused(bench):
    bench.files["gateway"].key.chmod(0o640)
    with pytest.raises(errors.OpenToOthersError, match="0640"):
        bench.client()


def test_a_file_without_a_key_is_named(bench):
    key = bench.files["gateway"].key
    key.write_text("nothing")
    with pytest.raises(errors.FileError, match=r"tls\.key"):
        bench.client()


def test_a_certificate_for_signatures_is_refused_for_tls(bench):
    with pytest.raises(errors.WrongPurposeError):
        bench.client(bench.own(bench.pki.issue(purpose=Purpose.SIGNATURE)))


def test_python_is_asked_for_a_session_once_in_a_while(bench, monkeypatch):
    """It loses memory each time (CPython 3.11)."""
    asked = []
    real = ssl.SSLSocket.session
    monkeypatch.setattr(
        ssl.SSLSocket, "session", property(lambda one: (asked.append(one), real.fget(one))[1], real.fset)
    )
    client = bench.client()
    with serving(bench.server(), 6) as (port, _):
        for _ in range(3):
            _ask(client, port)
        client._session = None  # as if the peer refused its ticket
        for _ in range(3):
            _ask(client, port)
    assert len(asked) == 1
    assert (client.counters.full, client.counters.resumed) == (4, 2)


@pytest.mark.parametrize("curve", CURVES)
def test_an_answer_after_which_the_connection_closes_is_read_whole_when_its_body_comes_later(tmp_path, curve):
    """`http.client` closes its socket after such a head, and goes on reading."""
    bench, headed = Bench(tmp_path, curve), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            plain, _ = listener.accept()
            plain.settimeout(WAIT_S)
            with bench.server().wrap_socket(plain, server_side=True) as secured:
                secured.recv(1000)
                secured.sendall(b"HTTP/1.1 413 X\r\nContent-Length: 4\r\nConnection: close\r\n\r\n")
                headed.wait(WAIT_S)
                secured.sendall(b"body")

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=WAIT_S, context=bench.client())
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            headed.set()
            assert (answer.status, answer.read()) == (413, b"body")
        finally:
            headed.set()
            connection.close()
            thread.join(WAIT_S)


def _unnamed_end() -> ssl.SSLError:
    """What Python 3.13 raises where a write failed before the read that finds the end."""
    error = ssl.SSLError(ssl.SSL_ERROR_SSL, "unexpected eof while reading")
    error.reason = "UNEXPECTED_EOF_WHILE_READING"
    return error


@pytest.mark.parametrize(
    ("error", "ended"),
    [
        (_unnamed_end(), True),
        (ssl.SSLEOFError(), True),
        (ssl.SSLZeroReturnError(), True),
        (ConnectionResetError(), True),
        (BrokenPipeError(), True),
        (ConnectionRefusedError(), False),
        (TimeoutError(), False),
        (ssl.SSLError(ssl.SSL_ERROR_SSL, "bad record"), False),
    ],
    ids=["unnamed", "eof", "close-notify", "reset", "pipe", "refused", "time-out", "other"],
)
def test_a_peer_that_hung_up_is_told_from_one_that_was_never_there(error: OSError, ended: bool) -> None:
    assert hung_up(error) is ended
