"""A tls:// port: against OpenSSL's command line, our own server's end, and peers that are none."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from lmn_tls import DAY, NOW, WAIT_S, Lmn, Wire, meter, s_server, telling
from smgw.cosem import ClockState, Stamp
from smgw.ports import LineSettings, Port, PortError, PortGone, PortWoken, Security, Wake, open_port, tls
from smgw.trust.meter_tls import SESSION_S
from smgw.trust.self_signed import write_self_signed
from smgw.trust.tls_rules import Own

LINE = LineSettings()
CURVES = ("brainpool", "p256")


@pytest.fixture
def lmn(tmp_path: Path) -> Lmn:
    return Lmn(tmp_path)


def stamps(utc_s: int = NOW, state: ClockState = ClockState.SYNCHRONISED) -> Callable[[], Stamp]:
    return lambda: Stamp("boot", 0, utc_s * 1_000_000, 0, state)


def secured(lmn: Lmn, stamp: Callable[[], Stamp] | None = None, meters: tuple[str, ...] = ("house",)) -> Security:
    return Security(lmn.trust, meters, stamp or stamps())


def received(port: Port, length: int) -> bytes:
    found = b""
    while len(found) < length:
        assert port.wait(WAIT_S)
        found += port.read()
    return found


def _files(own: Own) -> tuple[str, ...]:
    return ("-cert", str(own.certificate), "-key", str(own.key))


def test_a_port_exchanges_octets_with_openssl(lmn: Lmn) -> None:
    demanded = ("-Verify", "1", "-verify_return_error", "-CAfile", str(lmn.gateway.certificate))
    options = ("-rev", *_files(lmn.meter), *demanded, "-named_curve", "brainpoolP256r1")
    with (
        s_server(*options) as (number, _),
        open_port(f"tls://127.0.0.1:{number}", LINE, security=secured(lmn)) as port,
    ):
        port.write(b"retem\n")
        assert received(port, 6) == b"meter\n"


@pytest.mark.parametrize("curve", CURVES)
def test_octets_right_behind_the_handshake_end_a_wait(tmp_path: Path, curve: str) -> None:
    lmn = Lmn(tmp_path, curve)
    with meter(telling(lmn, b"telegram")) as url, open_port(url, LINE, security=secured(lmn)) as port:
        assert received(port, 8) == b"telegram"
        assert not port.paced


def test_many_octets_come_whole(lmn: Lmn) -> None:
    with meter(telling(lmn, bytes(200_000))) as url, open_port(url, LINE, security=secured(lmn)) as port:
        assert received(port, 200_000) == bytes(200_000)


def test_many_octets_are_written_whole(lmn: Lmn) -> None:
    found: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        found.append(Wire(lmn.server(), connection, piece=1000).read_until(b"end"))

    with meter(serve) as url, open_port(url, LINE, security=secured(lmn)) as port:
        port.write(bytes(300_000) + b"end")
    assert found == [bytes(300_000) + b"end"]


def test_a_meter_that_takes_nothing_is_told(lmn: Lmn) -> None:
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        Wire(lmn.server(), connection)
        over.wait(WAIT_S)

    with meter(serve) as url, open_port(url, LineSettings(10**9), security=secured(lmn)) as port:
        with pytest.raises(PortError, match="takes no octets"):
            port.write(bytes(20_000_000))
        over.set()


def test_a_wrong_pin_names_both_fingerprints_and_the_file(tmp_path: Path, lmn: Lmn) -> None:
    other = write_self_signed(Own(tmp_path / "o.crt", tmp_path / "o.key"), "other", "brainpool", NOW - DAY)
    lmn.pin("house", other)
    with meter(telling(lmn, b"secret")) as url, pytest.raises(PortError) as caught:
        open_port(url, LINE, security=secured(lmn))
    for part in (lmn.meter_certificate.fingerprint, other.fingerprint, "house.crt", "smgw keys meter"):
        assert part in str(caught.value)


def test_an_expired_certificate_is_refused(lmn: Lmn) -> None:
    with meter(telling(lmn, b"late")) as url, pytest.raises(PortError, match="it expired at"):
        open_port(url, LINE, security=secured(lmn, stamps(NOW + 8 * 366 * DAY)))


def test_a_certificate_of_the_future_is_refused(lmn: Lmn) -> None:
    with meter(telling(lmn, b"early")) as url, pytest.raises(PortError, match="it is valid from"):
        open_port(url, LINE, security=secured(lmn, stamps(NOW - 2 * DAY)))


def test_without_a_trusted_clock_a_pinned_meter_is_read_all_the_same(lmn: Lmn) -> None:
    untrusted = stamps(0, ClockState.INVALID)
    with meter(telling(lmn, b"telegram")) as url, open_port(url, LINE, security=secured(lmn, untrusted)) as port:
        assert received(port, 8) == b"telegram"


def test_a_clock_that_becomes_trusted_ends_the_connection_of_an_expired_certificate(
    lmn: Lmn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "_JUDGED_S", 0.0)
    clock = [Stamp("boot", 0, 0, 0, ClockState.INVALID)]
    security = secured(lmn, lambda: clock[0])
    with meter(telling(lmn, b"telegram")) as url, open_port(url, LINE, security=security) as port:
        assert received(port, 8) == b"telegram"
        clock[0] = stamps(NOW + 8 * 366 * DAY)()
        with pytest.raises(PortGone, match="it expired at"):
            port.read()


def test_a_peer_without_tls_is_named(lmn: Lmn) -> None:
    sml = bytes.fromhex("1b1b1b1b01010101")
    with meter(lambda one: one.sendall(sml)) as url, pytest.raises(PortError, match="does not speak TLS"):
        open_port(url, LINE, security=secured(lmn))


def test_a_peer_that_closes_at_once_is_named(lmn: Lmn) -> None:
    with meter(lambda one: one.recv(1)) as url, pytest.raises(PortError, match="no TLS connection"):
        open_port(url, LINE, security=secured(lmn))


def test_a_silent_peer_costs_a_bounded_time(lmn: Lmn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "HANDSHAKE_S", 0.2)
    silent = meter(lambda one: one.recv(100_000) and one.recv(1))
    with silent as url, pytest.raises(PortError, match="was not done within"):
        open_port(url, LINE, security=secured(lmn))


def test_a_wake_ends_the_handshake(lmn: Lmn) -> None:
    with Wake() as wake:

        def serve(connection: socket.socket) -> None:
            connection.recv(100_000)
            wake.set()
            connection.recv(1)

        with meter(serve) as url, pytest.raises(PortWoken):
            open_port(url, LINE, wake, secured(lmn))


def test_a_meter_without_a_pin_is_not_even_called(lmn: Lmn) -> None:
    with pytest.raises(PortError, match=r"solar\.crt: no certificate of this meter is pinned"):
        open_port("tls://127.0.0.1:1", LINE, security=secured(lmn, meters=("solar",)))


def test_a_gateway_without_a_certificate_calls_no_meter(lmn: Lmn) -> None:
    lmn.gateway.certificate.unlink()
    with pytest.raises(PortError, match="smgw keys lmn"):
        open_port("tls://127.0.0.1:1", LINE, security=secured(lmn))


def test_a_port_without_security_says_so() -> None:
    with pytest.raises(PortError, match="certificates"):
        open_port("tls://127.0.0.1:1", LINE)


def test_a_connection_that_is_cut_is_gone(lmn: Lmn) -> None:
    with meter(lambda one: Wire(lmn.server(), one)) as url, open_port(url, LINE, security=secured(lmn)) as port:
        assert port.wait(WAIT_S)
        with pytest.raises(PortGone, match="close_notify"):
            port.read()


def test_the_last_octets_come_before_the_end(lmn: Lmn) -> None:
    with meter(telling(lmn, b"last", end=True)) as url, open_port(url, LINE, security=secured(lmn)) as port:
        assert received(port, 4) == b"last"
        assert port.wait(WAIT_S)
        with pytest.raises(PortGone, match="ended the TLS connection"):
            port.read()


def test_a_session_is_renewed_by_a_full_handshake_before_it_must_end(lmn: Lmn, monkeypatch: pytest.MonkeyPatch) -> None:
    later = 0.0
    monkeypatch.setattr(tls, "_boottime", lambda: later)
    with meter(telling(lmn, b"telegram"), 2) as url, open_port(url, LINE, security=secured(lmn)) as port:
        assert received(port, 8) == b"telegram"
        assert not port.outdated
        later = SESSION_S - 3600
        assert port.outdated
        port.reopen(LINE)
        assert received(port, 8) == b"telegram"
        assert not port.outdated


def test_a_session_that_nobody_renews_ends(lmn: Lmn, monkeypatch: pytest.MonkeyPatch) -> None:
    later = 0.0
    monkeypatch.setattr(tls, "_boottime", lambda: later)
    monkeypatch.setattr(tls, "_JUDGED_S", 0.0)
    with meter(telling(lmn, b"telegram")) as url, open_port(url, LINE, security=secured(lmn)) as port:
        assert received(port, 8) == b"telegram"
        later = SESSION_S + 1
        with pytest.raises(PortGone, match="31 days"):
            port.read()


@pytest.mark.parametrize("curve", CURVES)
def test_a_look_shows_the_certificate_of_an_unknown_meter(tmp_path: Path, curve: str) -> None:
    lmn = Lmn(tmp_path, curve)
    shown: list[bytes] = []
    look = secured(lmn, meters=())._replace(shown=shown.append, trust=tmp_path / "nothing")

    def serve(connection: socket.socket) -> None:
        wire = Wire(lmn.server(demanding=False), connection)
        wire.send(b"telegram")
        wire.read_until(b"never")

    with meter(serve, 2) as url, open_port(url, LINE, security=look) as port:
        assert received(port, 8) == b"telegram"
    assert shown == [lmn.meter_certificate.der]
