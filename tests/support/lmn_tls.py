"""Certificates of meters and gateway for the LMN, and OpenSSL's command line as the other side."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from smgw.trust.layer import Layer
from smgw.trust.meter_certificate import MeterCertificate, check_pin
from smgw.trust.meter_tls import client_context, own_files, pin_file, server_context
from smgw.trust.self_signed import write_self_signed
from smgw.trust.tls_rules import Own

NOW = int(time.time())
DAY = 86_400
WAIT_S = 30


def openssl() -> str:
    """The command; the test is skipped where it is absent."""
    if (found := shutil.which("openssl")) is None:
        import pytest  # here: the fuzzer does without it

        pytest.skip("MISSING openssl, sudo apt-get install openssl: no peer of another make")
    return found


class Lmn:
    """A trust folder with the gateway's own certificate, and one meter, pinned as `house`."""

    def __init__(self, folder: Path, curve: str = "brainpool", *, begins: int = NOW - DAY, years: int = 7) -> None:
        self.folder, self.trust = folder, folder / "trust"
        self.gateway = own_files(self.trust)
        self.gateway_certificate = write_self_signed(self.gateway, "ESMG0000000001.smgw", curve, NOW - DAY)
        self.meter = Own(folder / "meter.crt", folder / "meter.key")
        self.meter_certificate = write_self_signed(self.meter, "1EMH0000000001.sm", curve, begins, years)
        self.pin()

    def pin(self, meter: str = "house", certificate: MeterCertificate | None = None) -> None:
        file = pin_file(self.trust, meter)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes((certificate or self.meter_certificate).pem)

    def client(self, *, own: bool = True) -> Layer:
        """The gateway's end, which believes the pinned certificate alone."""
        pins = [self.meter_certificate]
        return believing(client_context(self.gateway if own else None, pins), pins)

    def server(self, *, demanding: bool = True) -> Layer:
        """The meter's end."""
        context = server_context(self.meter, self.gateway_certificate if demanding else None)
        return Layer(context, lambda _: None, server_side=True)


def believing(context: ssl.SSLContext, pins: list[MeterCertificate]) -> Layer:
    def believe(der: bytes) -> None:
        check_pin(der, pins)

    return Layer(context, believe)


def moved(source: Layer, target: Layer, pieces: Callable[[bytes], Iterator[bytes]] | None = None) -> bytes:
    """Bring what one end has to send to the other; the plain octets that come out."""
    octets = source.take()
    return b"".join(target.receive(piece) for piece in (pieces(octets) if pieces else [octets]) if piece)


def shake(client: Layer, server: Layer, pieces: Callable[[bytes], Iterator[bytes]] | None = None) -> None:
    """A whole handshake in memory."""
    client.begin()
    for _ in range(10):
        moved(client, server, pieces)
        moved(server, client, pieces)
        if client.established and server.established:
            return
    raise AssertionError("the handshake does not end")


class Wire:
    """A layer on a blocking socket."""

    def __init__(self, layer: Layer, connection: socket.socket, piece: int = 4096) -> None:
        self.layer, self.connection, self.piece = layer, connection, piece
        connection.settimeout(WAIT_S)
        try:
            layer.begin()
            self.flush()
            while not layer.established:
                self.step()
        except BaseException:
            self.flush()
            connection.close()
            raise

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.sendall(self.layer.take())

    def step(self) -> bytes:
        """Read once."""
        try:
            octets = self.connection.recv(min(self.piece, self.layer.lacks))
        except ConnectionResetError:
            octets = b""
        plain = self.layer.receive(octets) if octets else b""
        if not octets:
            self.layer.end_of_line()
        self.flush()
        return plain

    def send(self, plain: bytes) -> None:
        self.layer.send(plain)
        self.flush()

    def read_until(self, end: bytes) -> bytes:
        found = b""
        while end not in found and not self.layer.ended:
            found += self.step()
        return found

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def connected(layer: Layer, port: int, piece: int = 4096) -> Wire:
    return Wire(layer, socket.create_connection(("127.0.0.1", port), timeout=WAIT_S), piece)


@contextlib.contextmanager
def s_server(*options: str, stdin: int | None = subprocess.DEVNULL) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """OpenSSL's server on a free port."""
    command = [openssl(), "s_server", "-accept", "127.0.0.1:0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=stdin) as one:
        assert one.stdout is not None
        try:
            for line in one.stdout:
                if line.startswith(b"ACCEPT"):
                    yield int(line.rsplit(b":", 1)[1]), one
                    break
            else:
                raise AssertionError("s_server does not start")
        finally:
            one.kill()


def s_client(port: int, *options: str, stdin: str = "hi\n") -> subprocess.CompletedProcess[str]:
    """OpenSSL's client."""
    command = [openssl(), "s_client", "-connect", f"127.0.0.1:{port}", *options]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=WAIT_S)


@contextlib.contextmanager
def meter(serve: Callable[[socket.socket], object], connections: int = 1) -> Iterator[str]:
    """A TCP server; `serve` gets each connection and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(WAIT_S)

        def run() -> None:
            for _ in range(connections):
                with contextlib.suppress(Exception), listener.accept()[0] as connection:
                    serve(connection)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"tls://127.0.0.1:{listener.getsockname()[1]}"
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join(WAIT_S)


def telling(lmn: Lmn, telegram: bytes, *, end: bool = False) -> Callable[[socket.socket], object]:
    """A meter that sends a telegram right behind the handshake, then waits for the gateway to go."""

    def serve(connection: socket.socket) -> None:
        wire = Wire(lmn.server(), connection)
        wire.send(telegram)
        if end:
            wire.layer.close()
            wire.flush()
        else:
            wire.read_until(b"never")

    return serve
