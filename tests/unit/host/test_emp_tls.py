"""TLS of the gateways' listener: who may connect, what changes without a restart, what half handshakes may use."""

import contextlib
import http.client
import json
import logging
import socket
import ssl
import subprocess

import emp_process
import pytest
from emp.trust import gateway_tls
from emp.trust.gateway_tls import GatewayTls
from emp.trust.room import Room
from emp.web import handshakes
from emp_process import PATH, XML, content, read_all, row
from emp_trust import OTHERS, OURS, Trial
from line_meter import until
from smgw.cosem.device_id import DeviceId
from smgw.cosemxml import document
from smgw.trust import errors
from smgw.trust.chain import Moment
from soon import LIMIT
from trial_pki import DAY, EMT, NOW, openssl, session_pki

ANY = content(row(1, 10))
OTHER_GATEWAY = DeviceId.parse(OTHERS.owner)


@pytest.fixture
def trial(tmp_path):
    return Trial(tmp_path)


def handshakes_of(running) -> dict[str, int]:
    return json.loads(running.ask("GET", "/healthz").body)["handshakes"]["gateways"]


def refused(running, said, caplog) -> None:
    """The client gets no answer; the log has the reason."""
    with pytest.raises((OSError, http.client.HTTPException)):
        running.ask("GET", PATH)
    until(lambda: said in caplog.text)


def test_handshakes_are_counted_full_and_resumed(trial):
    with trial.inside() as ours:
        assert ours.put(ANY).status == 201
        assert ours.put(ANY).status == 200
        assert ours.put(ANY).status == 200
        assert handshakes_of(ours) == {"full": 1, "resumed": 2, "refused": 0, "unfinished": 0}
        metrics = ours.ask("GET", "/metrics").text
        assert 'emp_tls_handshakes_total{listener="gateways",outcome="full"} 1\n' in metrics
        assert 'emp_tls_handshakes_total{listener="gateways",outcome="resumed"} 2\n' in metrics


def test_without_tls_there_are_no_handshakes_to_count(tmp_path):
    with emp_process.inside(tmp_path / "emp.db") as plain:
        assert json.loads(plain.ask("GET", "/healthz").body) == {"status": "ok"}


@pytest.mark.parametrize("curve", ["brainpool", "p256"])
def test_openssl_delivers_with_both_curves(tmp_path, curve):
    trial = Trial(tmp_path, session_pki(curve))
    folder = trial.gateway() / "own" / "1"
    roots = tmp_path / "roots.pem"
    roots.write_bytes(trial.pki.root.certificate.pem + trial.pki.sub_ca.certificate.pem)
    with trial.inside() as ours:
        done = subprocess.run(
            [
                openssl(), "s_client", "-connect", f"127.0.0.1:{ours.port}", "-quiet", "-CAfile", str(roots),
                "-curves", "brainpoolP256r1:prime256v1",
                "-cert", str(folder / "tls.crt"), "-key", str(folder / "tls.key"), "-cert_chain", str(roots),
            ],
            input=f"GET {PATH} HTTP/1.1\r\nHost: emp\r\nConnection: close\r\n\r\n".encode(),
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )  # fmt: skip
        assert done.stdout.startswith(b"HTTP/1.1 404 "), done.stderr


def test_a_client_without_a_certificate_is_refused(trial, caplog):
    caplog.set_level(logging.WARNING)
    with trial.inside() as ours:
        bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        bare.check_hostname, bare.verify_mode = False, ssl.CERT_NONE
        bare.set_ecdh_curve("brainpoolP256r1")
        bare.maximum_version = ssl.TLSVersion.TLSv1_2
        refused(ours._replace(tls=bare), "the peer sent no certificate", caplog)
        assert handshakes_of(ours)["refused"] == 1


def test_a_market_participant_is_no_gateway(trial, caplog):
    caplog.set_level(logging.WARNING)
    with trial.inside() as ours:
        trial.pki.write_emp(trial.folder / OTHERS.file_name)  # its folder, in the place of a gateway's
        stranger = trial.as_gateway(ours, OTHERS)
        stranger.tls.peer = stranger.tls.peer._replace(authorities=ours.tls.peer.authorities)
        refused(stranger, "it belongs to an external market participant (EMT), expected is a gateway", caplog)


def test_plain_http_is_refused(trial, caplog):
    caplog.set_level(logging.WARNING)
    with trial.inside() as ours:
        refused(ours._replace(tls=None), "gateways: no TLS with 127.0.0.1", caplog)


def test_a_revoked_certificate_ends_its_connection_and_its_ticket(trial, caplog):
    caplog.set_level(logging.WARNING)
    with trial.inside() as ours:
        kept = ours.connection(ours.port)
        kept.request("GET", PATH)
        assert kept.getresponse().read()
        others = trial.as_gateway(ours, OTHERS)
        assert others.ask("GET", PATH).status == 404
        trial.pki.revoke(trial.emp, trial.pki.triple(OURS))
        kept.request("GET", PATH)
        answer = kept.getresponse()
        assert (answer.status, answer.read(), answer.getheader("Connection")) == (403, b"not accepted\n", "close")
        assert "gateway ESMG0000000001: its connection ends" in caplog.text
        refused(ours, "its authority revoked it", caplog)  # it offers its ticket
        ours.tls._session = None
        refused(ours, "its authority revoked it", caplog)
        assert handshakes_of(ours)["refused"] == 2
        assert others.ask("GET", PATH).status == 404


def test_a_certificate_that_is_revoked_while_a_body_arrives_stores_nothing(trial, caplog):
    body = document.encode(ANY)
    with trial.inside() as ours:
        kept = ours.connection(ours.port)
        kept.putrequest("PUT", PATH)
        kept.putheader("Content-Type", XML)
        kept.putheader("Content-Length", str(len(body)))
        kept.endheaders(body[:-10])
        others = trial.as_gateway(ours, OTHERS)
        assert others.ask("GET", PATH).status == 404  # meanwhile the head has arrived
        trial.pki.revoke(trial.emp, trial.pki.triple(OURS))
        kept.send(body[-10:])
        answer = kept.getresponse()
        assert (answer.status, answer.read()) == (403, b"not accepted\n")
        assert others.put(content(row(1, 10), gateway=OTHER_GATEWAY)).status == 201  # nobody has the device


def test_a_new_sub_ca_is_known_without_a_restart(trial, caplog):
    caplog.set_level(logging.WARNING)
    by = trial.pki.make_sub_ca("Second")
    trust = trial.gateway(OTHERS)
    made = trial.pki.write_triple(trust, OTHERS, 2, by=by)
    (trust / "own/2/tls.crt").write_bytes(made.tls.certificate.pem + by.certificate.pem)
    with trial.inside() as ours:
        renewed = ours._replace(tls=trial.context(OTHERS, 2))
        refused(renewed, "gateways: no TLS with 127.0.0.1", caplog)
        (trial.emp / "authorities/second.crt").write_bytes(by.certificate.pem)
        (trial.emp / "authorities/second.crl").write_bytes(trial.pki.revocations(by=by).pem)
        assert renewed.ask("GET", PATH).status == 404


def test_a_renewed_certificate_of_its_own_is_used_without_a_restart(trial, caplog):
    caplog.set_level(logging.WARNING)
    with trial.inside() as ours:

        def shown() -> bytes:
            ours.tls._session = None
            with socket.create_connection(("127.0.0.1", ours.port), LIMIT) as plain:
                connection = ours.tls.wrap_socket(plain)
                with connection:
                    return connection.peer.der

        before = shown()
        after = trial.pki.write_triple(trial.emp, EMT, 2, days=800)
        assert before != after.tls.certificate.der
        until(lambda: shown() == after.tls.certificate.der)
        assert "own/2: certificates of Stadtwerke.EMT are in use" in caplog.text


def test_a_renewed_certificate_with_a_wrong_key_is_told_and_the_one_before_stays(trial, caplog):
    caplog.set_level(logging.WARNING)
    room = Room(trial.emp)
    tls = GatewayTls(room)
    before = tls.current()
    trial.pki.write_triple(trial.emp, EMT, 2, days=800)
    wrong = (trial.emp / "own/1/tls.key").read_bytes()
    (trial.emp / "own/2/tls.key").write_bytes(wrong)
    room._look_again_s = 0.0
    assert tls.current() is before
    assert "TLS goes on with the certificate before: " in caplog.text
    assert "own/2/tls.key: this private key does not belong to the certificate" in caplog.text


def test_ticket_keys_live_half_of_the_longest_session(trial, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(gateway_tls, "_uptime_s", lambda: now[0])
    tls = GatewayTls(Room(trial.emp))
    before = tls.current()
    now[0] += 24 * 3600 - 1
    assert tls.current() is before
    now[0] += 2
    assert tls.current() is not before


def test_an_old_connection_is_closed_after_its_answer(trial, monkeypatch):
    monkeypatch.setattr("emp.web.server.CONTEXT_S", 0.2)
    with trial.inside() as ours:
        connection = ours.connection(ours.port)
        connection.request("GET", PATH)
        assert connection.getresponse().read()
        assert connection.sock.recv(1) == b""
        connection.close()


def test_a_client_that_does_not_close_is_cut_off(trial, monkeypatch):
    monkeypatch.setattr(handshakes, "CLOSE_S", 0.2)
    with trial.inside() as ours, socket.create_connection(("127.0.0.1", ours.port), LIMIT) as plain:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = ours.tls.wrap_bio(incoming, outgoing)
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
                break
            plain.sendall(outgoing.read())
            incoming.write(plain.recv(65536))
        tls.write(f"GET {PATH} HTTP/1.1\r\nHost: emp\r\nConnection: close\r\n\r\n".encode())
        plain.sendall(outgoing.read())
        assert read_all(plain)  # the answer and close_notify, which gets no reply; then the end


def test_half_handshakes_of_one_peer_do_not_stop_another(trial, caplog):
    caplog.set_level(logging.INFO)
    with trial.inside() as ours, contextlib.ExitStack() as stack:
        for _ in range(100):
            half = stack.enter_context(socket.socket())
            half.bind(("127.0.0.9", 0))
            half.connect(("127.0.0.1", ours.port))
            half.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert ours.put(ANY).status == 201


def test_half_handshakes_of_many_peers_do_not_stop_another(trial, monkeypatch):
    monkeypatch.setattr(handshakes, "_MOST", 20)
    with trial.inside() as ours, contextlib.ExitStack() as stack:
        for number in range(60):
            half = stack.enter_context(socket.socket())
            half.bind((f"127.0.1.{number + 1}", 0))
            half.connect(("127.0.0.1", ours.port))
        assert ours.put(ANY).status == 201
        until(lambda: handshakes_of(ours)["unfinished"] >= 40)


def test_a_half_handshake_ends_after_a_time(trial, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(handshakes, "HANDSHAKE_S", 0.2)
    with trial.inside() as ours, socket.create_connection(("127.0.0.1", ours.port), LIMIT) as half:
        half.sendall(b"\x16\x03\x01")
        assert read_all(half) == b""
        until(lambda: "the handshake took too long" in caplog.text)
        assert handshakes_of(ours)["unfinished"] == 1


def test_a_server_without_certificates_does_not_start(tmp_path):
    with pytest.raises(errors.FileError, match=r"there are no certificates of one's own here\. Make them on the PC"):
        Room(tmp_path)


def test_the_folder_of_a_gateway_is_none_of_a_server(trial):
    with pytest.raises(
        errors.WrongRoleError, match=r"own/1/tls\.crt: .*expected is an external market .* `smgw-pki emp"
    ):
        Room(trial.gateway())


def test_a_server_whose_certificates_have_expired_does_not_start(trial):
    with pytest.raises(errors.ExpiredError, match=r"own/1/.*\.crt: .* it expired at"):
        Room(trial.emp, now=lambda: Moment(NOW + 731 * DAY))


def test_authorities_that_cannot_be_read_end_new_connections_and_nothing_else(trial, caplog):
    caplog.set_level(logging.WARNING)
    with trial.inside() as ours:
        assert ours.put(ANY).status == 201
        hidden = trial.emp / "hidden"
        (trial.emp / "authorities").rename(hidden)
        refused(ours, "this trust folder cannot be read", caplog)
        hidden.rename(trial.emp / "authorities")
        assert ours.put(ANY).status == 200
