"""The time server of an administrator: what it answers, whom, and what it refuses."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gwa import time_server
from gwa.cli import main
from gwa.packet import ServerClock, answer, is_request, passed_on
from gwa.time_server import TimeServer, Upstream
from ntp_answers import SECOND_NS, good
from served_time import serving
from smgw.clock.sample import TimeSample
from smgw.clock.source import SystemSource
from smgw.trust.certificate import Purpose
from smgw.trust.chain import Expected
from smgw.trust.errors import WrongRoleError
from smgw.trust.folder import AuthoritiesFolder
from smgw.trust.names import Role
from smgw.trust.tls import Own, Peer, client_context
from smgw.trust.validity import Moment
from smgw.wan.time_over_tls import TlsServer, TlsTrust
from smgw.wan.time_packet import Refusal, Refused
from soon import LIMIT
from trial_pki import EMT, GATEWAY, GWA, NOW, session_pki

EXACT = ServerClock(10, 1000)
REQUEST = bytes([4 << 3 | 3]) + bytes(39) + bytes(range(8))


class Trial:
    """An administrator's trust folder, and a gateway's."""

    def __init__(self, folder: Path) -> None:
        self.pki = session_pki()
        self.gateway = self.pki.write_gateway(folder / "gateway")
        self.admin = self.pki.write_emp(folder / "admin", GWA)

    @contextlib.contextmanager
    def serving(
        self, clock: Callable[[], ServerClock | None] = lambda: EXACT, upstream: Upstream | None = None
    ) -> Iterator[int]:
        with serving(TimeServer(self.admin, upstream=upstream, clock=clock)) as port:
            yield port

    def ask(self, port: int) -> TimeSample | Refused:
        trust = TlsTrust(self.gateway, lambda: Moment(0, trusted=False))
        return TlsServer(f"tls://127.0.0.1:{port}", SystemSource(), trust).ask(threading.Event())

    @contextlib.contextmanager
    def connected(self, port: int) -> Iterator[socket.socket]:
        own = Own(self.gateway / "own/1/tls.crt", self.gateway / "own/1/tls.key")
        expected = Expected(Purpose.TLS, frozenset({Role.GWA}))
        peer = Peer(expected, AuthoritiesFolder(self.gateway / "authorities"), lambda: Moment(NOW))
        with (
            socket.create_connection(("127.0.0.1", port), LIMIT) as plain,
            client_context(own, peer).wrap_socket(plain, server_hostname="gwa") as secured,
        ):
            yield secured


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


def refused(outcome: TimeSample | Refused) -> Refused:
    assert isinstance(outcome, Refused), outcome
    return outcome


def test_a_gateway_gets_the_time_of_this_computer_within_the_error_that_it_states(trial: Trial) -> None:
    with trial.serving() as port:
        sample = trial.ask(port)
    assert isinstance(sample, TimeSample)
    source = SystemSource()
    assert abs(sample.offset_us - (source.realtime_ns() - source.boottime_ns()) // 1000) <= sample.dispersion_us
    assert sample.dispersion_us >= EXACT.error_us


def test_a_clock_that_nobody_synchronises_is_said_to_be_so(trial: Trial) -> None:
    with trial.serving(lambda: None) as port:
        assert refused(trial.ask(port)).refusal is Refusal.UNSYNCHRONISED


@pytest.mark.parametrize(
    "octets",
    [REQUEST[:47] + b"", REQUEST + b"\0", bytes([3 << 3 | 3]) + REQUEST[1:], bytes([4 << 3 | 4]) + REQUEST[1:]],
    ids=["47", "49", "version 3", "mode 4"],
)
def test_what_is_no_request_gets_no_answer(trial: Trial, octets: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_server, "IDLE_S", 0.5)
    with trial.serving() as port, trial.connected(port) as secured:
        secured.sendall(octets)
        assert secured.recv(100) == b""


def test_a_connection_may_carry_several_requests(trial: Trial) -> None:
    with trial.serving() as port, trial.connected(port) as secured:
        for number in range(3):
            secured.sendall(REQUEST[:40] + bytes([number] * 8))
            assert secured.recv(100)[24:32] == bytes([number] * 8)


def test_an_emp_gets_no_time_and_the_log_says_why(trial: Trial, caplog: pytest.LogCaptureFixture) -> None:
    holder = trial.pki.triple(EMT).tls
    trial.pki.write_holder(trial.gateway / "own/1", holder)
    with trial.serving() as port, contextlib.suppress(OSError), trial.connected(port) as secured:
        secured.sendall(REQUEST)
        assert secured.recv(100) == b""
    assert "it belongs to an external market participant" in caplog.text


def test_a_gateway_that_was_revoked_meanwhile_gets_no_time(trial: Trial) -> None:
    with trial.serving() as port:
        assert isinstance(trial.ask(port), TimeSample)
        trial.pki.revoke(trial.admin, trial.pki.triple(GATEWAY))
        assert refused(trial.ask(port)).refusal is Refusal.CUT_OFF


def test_the_folder_of_another_role_is_refused_at_the_start(trial: Trial, tmp_path: Path) -> None:
    with pytest.raises(WrongRoleError, match="smgw-pki gwa"):
        TimeServer(trial.pki.write_emp(tmp_path / "emp"))


def test_the_command_names_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["time", "--trust", str(tmp_path / "none")]) == 1
    assert "there are no certificates of one's own here" in capsys.readouterr().err


@contextlib.contextmanager
def upstream(respond: Callable[[bytes], bytes | None]) -> Iterator[Upstream]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.bind(("127.0.0.1", 0))

        def serve() -> None:
            while (got := endpoint.recvfrom(100))[0] != b"stop":
                if octets := respond(got[0]):
                    endpoint.sendto(octets, got[1])

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Upstream(socket.AF_INET, endpoint.getsockname())
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
                caller.sendto(b"stop", endpoint.getsockname())
            thread.join(LIMIT)


def test_an_upstreams_answer_comes_back_one_stratum_further_on(trial: Trial) -> None:
    with upstream(lambda request: good(request, stratum=3)) as other, trial.serving(upstream=other) as port:
        assert isinstance(trial.ask(port), TimeSample)
        with trial.connected(port) as secured:
            secured.sendall(REQUEST)
            assert secured.recv(100)[1] == 4


@pytest.mark.parametrize(
    "respond",
    [lambda _: None, lambda request: good(request, leap=3), lambda request: good(bytes(48))],
    ids=["silent", "not synchronised", "other origin"],
)
def test_without_an_upstream_that_knows_the_time_the_server_says_that_it_has_none(
    trial: Trial, respond: Callable[[bytes], bytes | None]
) -> None:
    with upstream(respond) as other, trial.serving(upstream=other) as port:
        assert refused(trial.ask(port)).refusal is Refusal.UNSYNCHRONISED


def test_a_packet_has_the_fields_of_the_standard() -> None:
    packet = answer(REQUEST, ServerClock(10, 1_000_000), NOW * SECOND_NS, NOW * SECOND_NS + SECOND_NS // 2)
    head = struct.unpack("!BBbbIi4s", packet[:16])
    assert head == (4 << 3 | 4, 10, 6, -20, 0, 65537, b"LOCL")
    assert packet[24:32] == REQUEST[40:]
    assert struct.unpack("!II", packet[40:]) == (NOW + 2_208_988_800, 1 << 31)
    assert answer(REQUEST, None, 0, 0)[:2] == bytes([3 << 6 | 4 << 3 | 4, 16])
    assert is_request(REQUEST)
    assert not is_request(b"")


@pytest.mark.parametrize(("stratum", "then"), [(1, 2), (14, 15), (15, 16), (0, 16), (16, 16)])
def test_a_stratum_of_sixteen_is_not_synchronised(stratum: int, then: int) -> None:
    passed = passed_on(REQUEST, good(REQUEST, stratum=stratum), 0)
    assert passed is not None
    assert (passed[1], passed[0] >> 6) == (then, 3 if then == 16 else 0)


def test_the_servers_time_is_that_of_the_answer(trial: Trial) -> None:
    with trial.serving() as port, trial.connected(port) as secured:
        secured.sendall(REQUEST)
        seconds = int.from_bytes(secured.recv(100)[40:44], "big") - 2_208_988_800
    assert abs(seconds - time.time()) < 60
