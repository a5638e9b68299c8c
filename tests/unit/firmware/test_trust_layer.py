"""TLS without a socket, for meters: against itself in memory and against OpenSSL's command line, both ways."""

import contextlib
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from lmn_tls import DAY, NOW, WAIT_S, Lmn, Wire, believing, connected, moved, s_client, s_server, shake
from smgw.trust import errors
from smgw.trust.layer import Layer, TruncatedError
from smgw.trust.meter_certificate import MeterCertificate, check_pin, check_time
from smgw.trust.meter_tls import client_context, read_own, read_pins, server_context
from smgw.trust.self_signed import check_self_signed_file, make_self_signed, write_self_signed
from smgw.trust.tls_rules import SUITES, Own
from smgw.trust.validity import Moment

CURVES = ("brainpool", "p256")
OPENSSL_CURVES = {"brainpool": "brainpoolP256r1", "p256": "prime256v1"}


@pytest.fixture
def lmn(tmp_path: Path) -> Lmn:
    return Lmn(tmp_path)


def one_by_one(octets: bytes) -> Iterator[bytes]:
    return (bytes((octet,)) for octet in octets)


# In memory


@pytest.mark.parametrize("curve", CURVES)
def test_both_ends_exchange_octets(tmp_path: Path, curve: str) -> None:
    lmn = Lmn(tmp_path, curve)
    client, server = lmn.client(), lmn.server()
    shake(client, server)
    client.send(b"GET")
    assert moved(client, server) == b"GET"
    server.send(b"answer")
    assert moved(server, client) == b"answer"
    assert client.version == {"brainpool": "TLSv1.2", "p256": "TLSv1.3"}[curve]


@pytest.mark.parametrize("curve", CURVES)
def test_octets_one_by_one_give_the_same(tmp_path: Path, curve: str) -> None:
    lmn = Lmn(tmp_path, curve)
    client, server = lmn.client(), lmn.server()
    shake(client, server, one_by_one)
    for number in range(20):
        client.send(b"%d " % number * 100)
        assert moved(client, server, one_by_one) == b"%d " % number * 100


def test_many_octets_take_many_records(lmn: Lmn) -> None:
    client, server = lmn.client(), lmn.server()
    shake(client, server)
    server.send(bytes(100_000))
    assert moved(server, client) == bytes(100_000)


@pytest.mark.parametrize("curve", CURVES)
def test_during_the_handshake_no_octet_behind_its_record_is_asked_for(tmp_path: Path, curve: str) -> None:
    lmn = Lmn(tmp_path, curve)
    client, server = lmn.client(), lmn.server()
    client.begin()
    line, spoken = b"", False
    while not client.established:
        server.receive(client.take())
        if server.established and not spoken:
            server.send(b"first telegram")  # it follows the handshake at once
            spoken = True
        line += server.take()
        lacks = client.lacks
        assert client.receive(line[:lacks]) == b""
        line = line[lacks:]
    server.receive(client.take())
    if not spoken:
        server.send(b"first telegram")
    assert client.receive(line + server.take()) == b"first telegram"


def test_a_wrong_pin_ends_the_handshake(tmp_path: Path, lmn: Lmn) -> None:
    other = write_self_signed(Own(tmp_path / "o.crt", tmp_path / "o.key"), "other", "brainpool", NOW - DAY)
    client = believing(client_context(lmn.gateway, [other]), [other])
    with pytest.raises(errors.WrongPinError, match=lmn.meter_certificate.fingerprint):
        shake(client, lmn.server())
    assert not client.established


def test_a_flipped_bit_gives_no_plain_octet(lmn: Lmn) -> None:
    client, server = lmn.client(), lmn.server()
    shake(client, server)
    server.send(b"1-0:1.8.0")
    octets = bytearray(server.take())
    octets[-1] ^= 1
    with pytest.raises(errors.HandshakeError):
        client.receive(bytes(octets))


def test_a_line_that_ends_without_close_notify_is_cut(lmn: Lmn) -> None:
    client, server = lmn.client(), lmn.server()
    shake(client, server)
    with pytest.raises(TruncatedError):
        client.end_of_line()


def test_a_line_that_ends_after_close_notify_is_not_cut(lmn: Lmn) -> None:
    client, server = lmn.client(), lmn.server()
    shake(client, server)
    server.send(b"last")
    server.close()
    assert moved(server, client) == b"last"
    assert client.ended
    client.end_of_line()


def test_a_line_that_ends_during_the_handshake_says_so(lmn: Lmn) -> None:
    client = lmn.client()
    client.begin()
    with pytest.raises(errors.HandshakeError, match="during the handshake"):
        client.end_of_line()


def test_octets_of_sml_are_no_tls_at_the_first_record(lmn: Lmn) -> None:
    client = lmn.client()
    client.begin()
    with pytest.raises(errors.HandshakeError, match="does not speak TLS"):
        client.receive(bytes.fromhex("1b1b1b1b01010101"))


def test_a_meter_that_demands_a_certificate_refuses_a_client_without(lmn: Lmn) -> None:
    with pytest.raises(errors.TrustError):
        shake(lmn.client(own=False), lmn.server())


def test_a_meter_refuses_another_gateway(tmp_path: Path, lmn: Lmn) -> None:
    stranger = Lmn(tmp_path / "stranger")
    pins = [lmn.meter_certificate]
    with pytest.raises(errors.TrustError):
        shake(believing(client_context(stranger.gateway, pins), pins), lmn.server())


# Against OpenSSL


def _files(own: Own) -> tuple[str, ...]:
    return ("-cert", str(own.certificate), "-key", str(own.key))


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("curve", CURVES)
def test_our_client_reaches_openssl_with_each_suite(tmp_path: Path, curve: str, suite: str) -> None:
    lmn = Lmn(tmp_path, curve)
    demanded = ("-Verify", "1", "-verify_return_error", "-CAfile", str(lmn.gateway.certificate))
    options = (*_files(lmn.meter), *demanded, "-tls1_2", "-cipher", suite, "-named_curve", OPENSSL_CURVES[curve])
    with s_server("-rev", *options) as (port, _), connected(lmn.client(), port, piece=1) as wire:
        wire.send(b"retem\n")
        assert wire.read_until(b"\n") == b"meter\n"


def test_our_client_speaks_tls_1_3_on_p256(tmp_path: Path) -> None:
    lmn = Lmn(tmp_path, "p256")
    with s_server("-rev", *_files(lmn.meter), "-tls1_3") as (port, _), connected(lmn.client(), port) as wire:
        wire.send(b"retem\n")
        assert wire.read_until(b"\n") == b"meter\n"
        assert wire.layer.version == "TLSv1.3"


@contextlib.contextmanager
def _our_server(layer: Layer) -> Iterator[tuple[int, list[object]]]:
    """A meter for one connection: it answers the first line with `ok`. The list gets that line, or the error."""
    seen: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(WAIT_S)

        def serve() -> None:
            try:
                with Wire(layer, listener.accept()[0]) as wire:
                    seen.append(wire.read_until(b"\n"))
                    wire.send(b"ok\n")
                    layer.close()
                    wire.flush()
            except Exception as error:
                seen.append(error)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], seen
        thread.join(WAIT_S)


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("curve", CURVES)
def test_openssl_reaches_our_server_with_each_suite(tmp_path: Path, curve: str, suite: str) -> None:
    lmn = Lmn(tmp_path, curve)
    options = ("-tls1_2", "-cipher", suite, "-curves", OPENSSL_CURVES[curve], "-ign_eof")
    with _our_server(lmn.server()) as (port, seen):
        done = s_client(port, *_files(lmn.gateway), *options, "-CAfile", str(lmn.meter.certificate))
    assert seen == [b"hi\n"]
    assert "ok" in done.stdout
    assert suite in done.stdout


REFUSED = {
    "tls-1.1": ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"),
    "null-suite": ("-tls1_2", "-cipher", "ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0"),
    "rsa-suite": ("-tls1_2", "-cipher", "AES128-GCM-SHA256:@SECLEVEL=0"),
    "foreign-suite": ("-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"),
    "other-curve": ("-tls1_2", "-named_curve", "secp384r1"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_our_client_refuses(lmn: Lmn, how: str) -> None:
    with s_server(*_files(lmn.meter), *REFUSED[how]) as (port, _), pytest.raises(errors.HandshakeError):
        connected(lmn.client(), port)


@pytest.mark.parametrize("how", REFUSED)
def test_our_server_refuses(lmn: Lmn, how: str) -> None:
    options = [option.replace("-named_curve", "-curves") for option in REFUSED[how]]
    with _our_server(lmn.server()) as (port, seen):
        s_client(port, *_files(lmn.gateway), *options)
    assert isinstance(seen[0], errors.HandshakeError)


def test_our_client_refuses_openssl_with_another_certificate(tmp_path: Path, lmn: Lmn) -> None:
    other = Own(tmp_path / "o.crt", tmp_path / "o.key")
    write_self_signed(other, lmn.meter_certificate.name, "brainpool", NOW - DAY)  # the same name does not help
    options = ("-rev", *_files(other), "-tls1_2", "-named_curve", "brainpoolP256r1")
    with s_server(*options) as (port, _), pytest.raises(errors.WrongPinError):
        connected(lmn.client(), port)


def test_our_client_refuses_rsa(tmp_path: Path, lmn: Lmn) -> None:
    from lmn_tls import openssl

    key, certificate = str(tmp_path / "rsa.key"), str(tmp_path / "rsa.crt")
    command = [openssl(), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=rsa"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    with s_server("-cert", certificate, "-key", key) as (port, _), pytest.raises(errors.HandshakeError):
        connected(lmn.client(), port)


def test_our_server_refuses_openssl_without_a_certificate(lmn: Lmn) -> None:
    with _our_server(lmn.server()) as (port, seen):
        s_client(port, "-tls1_2", "-curves", "brainpoolP256r1")
    assert isinstance(seen[0], errors.NoCertificateError)


def test_our_client_does_not_renegotiate(lmn: Lmn) -> None:
    options = (*_files(lmn.meter), "-tls1_2", "-named_curve", "brainpoolP256r1")
    with s_server(*options, stdin=subprocess.PIPE) as (port, process):
        assert process.stdin is not None
        with connected(lmn.client(), port) as wire:
            process.stdin.write(b"r\nstill there\n")
            process.stdin.flush()
            with pytest.raises(errors.HandshakeError, match="broken"):  # OpenSSL ends what is not negotiated anew
                wire.read_until(b"there\n")


def test_our_server_does_not_renegotiate(lmn: Lmn) -> None:
    """`R` at the client's prompt asks for a new handshake."""
    options = ("-tls1_2", "-curves", "brainpoolP256r1")
    with _our_server(lmn.server()) as (port, seen):
        done = s_client(port, *_files(lmn.gateway), *options, stdin="R\nhi\n")
    assert "RENEGOTIATING" in done.stdout + done.stderr
    assert "no renegotiation" in done.stderr
    assert seen


def test_a_killed_peer_is_a_cut_connection(lmn: Lmn) -> None:
    options = ("-rev", *_files(lmn.meter), "-tls1_2", "-named_curve", "brainpoolP256r1")
    with s_server(*options) as (port, process), connected(lmn.client(), port) as wire:
        process.kill()
        with pytest.raises(TruncatedError):
            wire.read_until(b"never")


# Certificates of meters


def test_a_certificate_is_read_as_the_large_library_reads_it(lmn: Lmn) -> None:
    from cryptography import x509
    from smgw.trust.certificate import seconds_of

    found, other = lmn.meter_certificate, x509.load_der_x509_certificate(lmn.meter_certificate.der)
    assert (found.not_before_s, found.not_after_s) == (
        seconds_of(other, "not_valid_before"),
        seconds_of(other, "not_valid_after"),
    )
    assert found.name == "1EMH0000000001.sm"
    assert found.curve == "brainpoolP256r1"
    assert MeterCertificate.from_file(lmn.meter.certificate) == found


def test_a_certificate_for_more_than_seven_years_is_refused(tmp_path: Path) -> None:
    with pytest.raises(errors.MalformedError, match="more than seven years"):
        Lmn(tmp_path, years=8)


def test_a_certificate_made_by_openssl_is_read(tmp_path: Path) -> None:
    from lmn_tls import openssl

    file = tmp_path / "made.crt"
    command = [openssl(), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:brainpoolP256r1", "-nodes"]
    rest = ["-subj", "/C=DE/CN=1ISK0070000001.sm", "-days", "2000", "-keyout", str(tmp_path / "k"), "-out", str(file)]
    subprocess.run([*command, *rest], check=True, capture_output=True)
    assert check_self_signed_file(file).name == "1ISK0070000001.sm"


def test_a_certificate_that_another_key_signed_is_not_pinned(tmp_path: Path, lmn: Lmn) -> None:
    der = bytearray(lmn.meter_certificate.der)
    der[-1] ^= 1
    file = tmp_path / "forged.crt"
    file.write_bytes(der)
    with pytest.raises(errors.MalformedError, match="not signed by its own key"):
        check_self_signed_file(file)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (Moment(NOW, trusted=False), errors.ClockNotTrustedError),
        (Moment(NOW - 2 * DAY), errors.NotYetValidError),
        (Moment(NOW + 8 * 366 * DAY), errors.ExpiredError),
    ],
    ids=["untrusted", "early", "late"],
)
def test_the_time_is_told_apart(lmn: Lmn, now: Moment, expected: type[errors.TrustError]) -> None:
    (pin,) = read_pins(lmn.trust, ["house"])
    assert check_pin(lmn.meter_certificate.der, [pin]) is pin
    with pytest.raises(expected, match=r"house\.crt"):
        check_time(pin, now)
    check_time(pin, Moment(NOW))


def test_a_meter_without_a_pin_names_the_file_and_the_remedy(lmn: Lmn) -> None:
    with pytest.raises(
        errors.FileError, match=r"solar\.crt: no certificate of this meter is pinned.*smgw keys meter solar"
    ):
        read_pins(lmn.trust, ["solar"])


def test_a_gateway_without_a_certificate_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(errors.FileError, match="smgw keys lmn"):
        read_own(Own(tmp_path / "tls.crt", tmp_path / "tls.key"))


def test_an_open_key_is_refused(lmn: Lmn) -> None:
    lmn.gateway.key.chmod(0o644)
    with pytest.raises(errors.OpenToOthersError):
        lmn.client()


def test_two_curves_are_refused_before_anybody_connects(tmp_path: Path, lmn: Lmn) -> None:
    other = Lmn(tmp_path / "other", "p256")
    with pytest.raises(errors.WrongCurveError, match="smgw keys lmn --renew"):
        client_context(lmn.gateway, [other.meter_certificate])


@pytest.mark.parametrize("place", range(0, 300, 7))
def test_a_damaged_certificate_is_refused_or_read(lmn: Lmn, place: int) -> None:
    der = bytearray(lmn.meter_certificate.der)
    der[place] ^= 0x81
    with contextlib.suppress(errors.MalformedError):
        MeterCertificate(bytes(der))


def test_the_wrong_key_is_named(tmp_path: Path, lmn: Lmn) -> None:
    lmn.meter.key.write_bytes(make_self_signed("x", "brainpool", NOW)[0])
    with pytest.raises(errors.KeyMismatchError, match=r"meter\.key"):
        server_context(lmn.meter, None)
