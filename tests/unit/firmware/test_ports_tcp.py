"""TCP ports over real sockets."""

import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from smgw.ports import LineSettings, Port, PortError, PortGone, PortWoken, Wake, open_port, tcp
from soon import LIMIT, soon

LINE = LineSettings()


class Bridge:
    """A TCP bridge at a meter."""

    def __init__(self, family: socket.AddressFamily = socket.AF_INET, host: str = "127.0.0.1") -> None:
        self.listening = socket.create_server((host, 0), family=family)
        self.port = self.listening.getsockname()[1]
        self.url = f"socket://{host}:{self.port}"
        self.peers: list[socket.socket] = []

    def accept(self) -> socket.socket:
        peer, _ = self.listening.accept()
        self.peers.append(peer)
        return peer

    def close(self) -> None:
        for one in (self.listening, *self.peers):
            one.close()


@pytest.fixture
def bridge() -> Iterator[Bridge]:
    made = Bridge()
    yield made
    made.close()


def connect(bridge: Bridge, wake: Wake | None = None) -> tuple[Port, socket.socket]:
    port = open_port(bridge.url, LINE, wake)
    return port, bridge.accept()


def test_octets_go_both_ways(bridge: Bridge) -> None:
    port, peer = connect(bridge)
    with port:
        port.write(b"ask")
        assert peer.recv(10) == b"ask"
        peer.sendall(b"answer")
        assert port.wait(LIMIT)
        port.gather(0.01)
        assert port.read() == b"answer"
        assert port.read() == b""


def test_what_the_peer_sends_at_once_is_kept(bridge: Bridge) -> None:
    greeter = threading.Thread(target=lambda: bridge.accept().sendall(b"greeting"))
    greeter.start()
    with open_port(bridge.url, LINE) as port:
        greeter.join()
        assert port.wait(LIMIT)
        assert port.read() == b"greeting"


def test_small_writes_go_at_once_and_a_dead_peer_is_found(bridge: Bridge) -> None:
    port, _ = connect(bridge)
    with port, socket.socket(fileno=os.dup(port.fileno())) as same:
        assert same.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert same.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert same.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30


@pytest.mark.parametrize("reset", [False, True])
def test_a_peer_that_closes_or_resets_is_gone(bridge: Bridge, reset: bool) -> None:
    port, peer = connect(bridge)
    with port:
        if reset:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        assert port.wait(LIMIT)
        with pytest.raises(PortGone, match="is gone"):
            port.read()


def test_writing_to_a_peer_that_reset_is_gone(bridge: Bridge) -> None:
    port, peer = connect(bridge)
    with port:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        assert port.wait(LIMIT)  # the reset is there
        with pytest.raises(PortGone):
            port.write(b"x")


def test_a_peer_that_does_not_read_ends_the_write(bridge: Bridge) -> None:
    port, _ = connect(bridge)
    with port:
        port.settings = LineSettings(1_000_000_000)
        filled = bytes(1 << 25)
        with pytest.raises(PortError, match="takes no octets"):
            soon(lambda: port.write(filled))


def test_a_wake_interrupts_a_wait(bridge: Bridge) -> None:
    port, _ = connect(bridge)
    with port:
        timer = threading.Timer(0.05, port.wake)
        timer.start()
        assert not soon(lambda: port.wait(600))
        timer.join()


def test_closing_twice_is_seen_by_the_peer(bridge: Bridge) -> None:
    port, peer = connect(bridge)
    port.close()
    port.close()
    assert peer.recv(1) == b""


def test_nobody_listening_is_told_at_once(bridge: Bridge) -> None:
    bridge.close()
    with pytest.raises(PortError, match=r"cannot connect: Connection refused; is the meter's TCP bridge on"):
        open_port(bridge.url, LINE)


def full_backlog(bridge: Bridge) -> list[socket.socket]:
    """Connections until the kernel answers no more of them: what a host that drops packets looks like."""
    bridge.listening.listen(0)
    waiting = []
    for _ in range(4):
        one = socket.socket()
        one.setblocking(False)
        one.connect_ex(("127.0.0.1", bridge.port))
        waiting.append(one)
    return waiting


def test_a_silent_host_is_given_up(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tcp.CONNECT_S <= 5
    monkeypatch.setattr(tcp, "CONNECT_S", 0.3)
    waiting = full_backlog(bridge)
    with pytest.raises(PortError, match="timed out"):
        soon(lambda: open_port(bridge.url, LINE))
    for one in waiting:
        one.close()


def test_a_wake_interrupts_a_connect(bridge: Bridge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "CONNECT_S", 600)
    waiting = full_backlog(bridge)
    with Wake() as wake:
        timer = threading.Timer(0.1, wake.set)
        timer.start()
        with pytest.raises(PortWoken):
            soon(lambda: open_port(bridge.url, LINE, wake))
        timer.join()
    for one in waiting:
        one.close()


@pytest.fixture
def slow_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    answer = threading.Event()
    real = socket.getaddrinfo

    def look_up(host: str, *arguments: Any, flags: int = 0, **named: Any) -> Any:
        if not flags & socket.AI_NUMERICHOST:
            answer.wait(600)
        return real(host, *arguments, flags=flags, **named)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield answer
    answer.set()


def test_a_wake_interrupts_the_search_for_a_host(slow_resolver: threading.Event) -> None:
    with Wake() as wake:
        timer = threading.Timer(0.1, wake.set)
        timer.start()
        with pytest.raises(PortWoken):
            soon(lambda: open_port("socket://localhost:1", LINE, wake))
        timer.join()


def test_a_resolver_that_does_not_answer_is_given_up(
    slow_resolver: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "CONNECT_S", 0.2)
    with pytest.raises(PortError, match="cannot find the host localhost"):
        open_port("socket://localhost:1", LINE)


def test_a_name_is_looked_up(bridge: Bridge) -> None:
    with open_port(f"socket://localhost:{bridge.port}/", LINE):
        bridge.accept()


def test_a_host_that_does_not_exist_is_told() -> None:
    with pytest.raises(PortError, match=r"cannot find the host nowhere\.invalid"):
        open_port("socket://nowhere.invalid:1", LINE)


def test_an_ipv6_address_stands_in_brackets() -> None:
    try:
        made = Bridge(socket.AF_INET6, "::1")
    except OSError:
        pytest.skip("this machine has no IPv6")
    with open_port(f"socket://[::1]:{made.port}", LINE):
        made.accept()
    made.close()


def test_a_host_that_is_no_name_is_told() -> None:
    with pytest.raises(PortError, match="cannot find the host a"):
        open_port("socket://a..b:1", LINE)


@pytest.mark.parametrize(
    "url",
    [
        "socket://",
        "socket://host",
        "socket://host:0",
        "socket://host:65536",
        "socket://h:1?logging=debug",
        "SOCKET://::1:5",
    ],
)
def test_what_is_no_tcp_port_says_what_would_be_right(url: str) -> None:
    with pytest.raises(PortError, match=r'write "socket://host:port"'):
        open_port(url, LINE)


def test_a_failed_connect_leaves_no_descriptor_behind(bridge: Bridge) -> None:
    bridge.close()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(PortError):
            open_port(bridge.url, LINE)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


FORBIDDEN = {"ssl", "asyncio", "http.client", "urllib.request", "email", "lxml", "urllib3"}


def test_ports_bring_no_module_that_the_lmn_process_must_not_have() -> None:
    code = "import sys, smgw.ports, smgw.ports.tcp, serial.urlhandler.protocol_spy; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not FORBIDDEN.intersection(loaded)
