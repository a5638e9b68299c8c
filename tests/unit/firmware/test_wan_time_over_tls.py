"""Time by NTP inside TLS: whom the gateway believes, what it takes, and what it says of all else."""

import contextlib
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from line_meter import until
from ntp_answers import SECOND_NS, Ticking, answer, good
from smgw.clock.sample import TimeSample
from smgw.clock.source import SystemSource
from smgw.cosem.reading import ClockState
from smgw.trust.names import Role
from smgw.trust.validity import Moment
from smgw.wan import time_over_tls
from smgw.wan.time_over_tls import TlsServer, TlsTrust
from smgw.wan.time_packet import Refusal, Refused
from smgw.wan.time_polls import Sampler
from smgw.wan.time_samples import NtpServerError
from soon import LIMIT
from tls_time_server import TlsTimeServer, context_of, serving_time
from trial_pki import DAY, EMT, GATEWAY, GWA, NOW, Holder, TrialPki, session_pki

Respond = Callable[[bytes], list[bytes] | None]
VALID, INVALID = ClockState.SYNCHRONISED, ClockState.INVALID
YEAR = 365 * DAY


class Board:
    """A gateway with its trust folder, and the GWA's certificate; its clock says what a test wants."""

    def __init__(self, folder: Path, pki: TrialPki) -> None:
        self.folder, self.pki = folder, pki
        self.trust = pki.write_gateway(folder / "trust")
        self.gwa = pki.triple(GWA).tls
        self.source: SystemSource = Ticking()
        self.utc_s, self.state = 0, INVALID

    def moment(self) -> Moment:
        return Moment(self.utc_s, self.state is VALID)

    def at(self, utc_s: int, state: ClockState = VALID) -> None:
        self.utc_s, self.state = utc_s, state

    def server(self, name: str) -> TlsServer:
        return TlsServer(name, self.source, TlsTrust(self.trust, self.moment))

    def ask(self, name: str) -> TimeSample | Refused:
        return self.server(name).ask(threading.Event())

    @contextlib.contextmanager
    def serving(
        self, respond: Respond = lambda request: [good(request)], holder: Holder | None = None, role: Role = Role.SMGW
    ) -> Iterator[TlsTimeServer]:
        context = context_of(self.pki, self.folder / "gwa", holder or self.gwa, role)
        with serving_time(context, respond) as server:
            yield server


@pytest.fixture(params=["brainpool", "p256"])
def either(tmp_path: Path, request: pytest.FixtureRequest) -> Board:
    return Board(tmp_path, session_pki(request.param))


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path, session_pki())


@pytest.fixture
def server(board: Board) -> Iterator[TlsTimeServer]:
    with board.serving() as one:
        yield one


def at(utc_s: int) -> Respond:
    """Answers with this time."""
    return lambda request: [answer(request[40:48], received_s=utc_s, held_s=0, set_s=utc_s - 1)]


def refused(outcome: TimeSample | Refused) -> Refused:
    assert isinstance(outcome, Refused), outcome
    return outcome


# What is taken


def test_the_time_of_an_administrator_becomes_a_sample_that_names_it(either: Board) -> None:
    with either.serving() as server:
        sample = either.ask(server.name)
    assert isinstance(sample, TimeSample)
    assert (sample.source, sample.name) == (f"{server.name} (Admin.GWA)", server.name)
    assert abs(sample.offset_us + either.source.boottime_ns() // 1000 - time.time_ns() // 1000) < 1_000_000


def test_a_request_says_nothing_but_version_mode_and_a_random_number(board: Board, server: TlsTimeServer) -> None:
    board.ask(server.name), board.ask(server.name)
    first, second = server.requests
    assert (len(first), first[:40]) == (48, bytes([4 << 3 | 3]) + bytes(39))
    assert first[40:] != second[40:]


def test_each_poll_is_a_connection_and_all_but_the_first_resume_its_session(either: Board) -> None:
    with either.serving() as server:
        asked = either.server(server.name)
        for _ in range(3):
            assert isinstance(asked.ask(threading.Event()), TimeSample)
    assert server.resumed == [False, True, True]


def test_an_answer_in_two_records_is_one_answer(board: Board) -> None:
    def in_two(octets: bytes) -> list[bytes]:
        whole = good(octets)
        return [whole[:47], whole[47:]]

    with board.serving(in_two) as server:
        assert isinstance(board.ask(server.name), TimeSample)


def test_a_new_certificate_of_the_administrator_is_taken_without_a_restart(board: Board) -> None:
    renewed = board.pki.triple(GWA, 2).tls
    with board.serving(holder=renewed) as server:
        asked = board.server(server.name)
        assert refused(asked.ask(threading.Event())).kind.startswith("WrongPinError")
        board.pki.write_peer(board.trust, GWA, 2)
        assert isinstance(asked.ask(threading.Event()), TimeSample)


def test_a_renewed_certificate_of_the_gateway_is_used_at_the_next_poll(board: Board, server: TlsTimeServer) -> None:
    asked = board.server(server.name)
    asked.ask(threading.Event())
    second = board.pki.write_triple(board.trust, number=2, begins=NOW - 60)
    asked.ask(threading.Event())
    assert [one.subject.owner for one in server.peers] == [GATEWAY.owner] * 2
    assert server.peers[1] == second.tls.certificate


# A clock that is wrong, and a certificate that is


@pytest.mark.parametrize("utc_s", [0, NOW - 10 * YEAR, NOW, NOW + 30 * YEAR], ids=["1970", "behind", "right", "ahead"])
def test_with_a_clock_that_is_not_trusted_the_time_is_taken_whatever_the_clock_shows(
    board: Board, server: TlsTimeServer, utc_s: int
) -> None:
    board.at(utc_s, INVALID)
    assert isinstance(board.ask(server.name), TimeSample)


@pytest.mark.parametrize(
    ("gives", "own", "refusal", "says"),
    [
        (NOW + 3 * YEAR, 0, Refusal.UNPROVEN, "it expired at"),
        (NOW - YEAR, 0, Refusal.UNPROVEN, "it is valid from"),
        (NOW + 91 * DAY, 0, Refusal.UNPROVEN, "newest revocation list should have been replaced"),
        (NOW + 3 * YEAR, NOW + 3 * YEAR, Refusal.EXPIRED, "it expired at"),
        (NOW + 3 * YEAR, NOW, Refusal.FALSE_TIME, "it expired at"),
        (NOW, NOW + 3 * YEAR, Refusal.CLOCKS_DIFFER, "it expired at"),
        (NOW, NOW + 91 * DAY, Refusal.CLOCKS_DIFFER, "newest revocation list"),
        (NOW, NOW - YEAR, Refusal.CLOCKS_DIFFER, "it is valid from"),
    ],
    ids=[
        "expired",
        "not yet valid",
        "old list",
        "both say expired",
        "its clock",
        "our clock",
        "our clock ahead of lists",
        "our clock behind",
    ],
)
def test_a_certificate_that_expired_and_a_clock_that_is_wrong_are_told_apart(
    board: Board, gives: int, own: int, refusal: Refusal, says: str
) -> None:
    board.at(own, VALID if own else INVALID)
    with board.serving(at(gives)) as server:
        outcome = refused(board.ask(server.name))
    assert outcome.refusal is refusal
    assert says in outcome.detail


def test_a_time_before_a_revocation_list_was_made_is_not_taken(tmp_path: Path) -> None:
    pki = TrialPki(now=NOW - 2 * YEAR)
    for subject in (GATEWAY, GWA, EMT):
        pki.triple(subject)
    pki.triple(GATEWAY, days=900)
    pki.now = NOW  # from now on it makes revocation lists
    board = Board(tmp_path, pki)
    pki.write_triple(board.trust, days=900)
    with board.serving(at(NOW - YEAR)) as server:
        outcome = refused(board.ask(server.name))
    assert outcome.refusal is Refusal.PAST
    assert "sub.crl" in outcome.detail or "root.crl" in outcome.detail


# Whom it refuses


def test_a_revoked_administrator_is_refused_at_the_next_poll(board: Board, server: TlsTimeServer) -> None:
    asked = board.server(server.name)
    assert isinstance(asked.ask(threading.Event()), TimeSample)
    board.pki.revoke(board.trust, board.pki.triple(GWA))
    outcome = refused(asked.ask(threading.Event()))
    assert (outcome.refusal, server.requests[1:]) == (Refusal.UNTRUSTED, [])
    assert "its authority revoked it" in outcome.detail


def _stranger(board: Board) -> Holder:
    return board.pki.issue(GWA, by=board.pki.stranger)


@pytest.mark.parametrize(
    ("holder", "says"),
    [
        (lambda board: board.pki.triple(EMT).tls, "it belongs to an external market participant"),
        (lambda board: board.pki.triple(GWA, 2).tls, "is not one of those"),
        (_stranger, "refuses the peer's chain"),
    ],
    ids=["wrong role", "wrong pin", "another PKI"],
)
@pytest.mark.parametrize("state", [VALID, INVALID])
def test_who_is_not_the_administrator_is_not_asked_for_the_time(
    board: Board, holder: Callable[[Board], Holder], says: str, state: ClockState
) -> None:
    board.at(NOW, state)
    with board.serving(holder=holder(board)) as server:
        outcome = refused(board.ask(server.name))
    assert (outcome.refusal, server.requests) == (Refusal.UNTRUSTED, [])
    assert says in outcome.detail


def test_a_server_that_refuses_our_certificate_is_told_as_one_that_closes(board: Board) -> None:
    with board.serving(role=Role.EMT) as server:
        assert refused(board.ask(server.name)).refusal is Refusal.CUT_OFF


@pytest.mark.parametrize(
    ("respond", "refusal", "says"),
    [
        (lambda _: None, Refusal.CUT_OFF, ""),
        (lambda request: [good(request)[:47]], Refusal.GARBAGE, "47 octets in place of 48, then silence"),
        (lambda request: [good(request) + b"\0"], Refusal.GARBAGE, "49 octets in place of 48"),
        (lambda _: [], Refusal.SILENT, "within 0.3 s"),
        (lambda _: [good(bytes(48))], Refusal.GARBAGE, ""),
        (lambda request: [good(request, leap=3)], Refusal.UNSYNCHRONISED, ""),
        (lambda request: [good(request, version=3)], Refusal.GARBAGE, ""),
        (lambda request: [good(request, mode=3)], Refusal.GARBAGE, ""),
        (lambda request: [good(request, stratum=0, reference=b"RATE")], Refusal.UNSYNCHRONISED, ""),
    ],
    ids=["closes", "47", "49", "silent", "other origin", "leap 3", "version 3", "mode 3", "kiss"],
)
def test_an_answer_that_is_none_is_refused_and_named(
    board: Board, respond: Respond, refusal: Refusal, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if says.endswith(("silence", "0.3 s")):
        monkeypatch.setattr(time_over_tls, "ROUND_TRIP_LIMIT_S", 0.3)
    with board.serving(respond) as server:
        outcome = refused(board.ask(server.name))
    assert outcome.refusal is refusal
    assert says in outcome.detail


def test_an_answer_to_an_earlier_request_is_refused(board: Board) -> None:
    seen: list[bytes] = []

    def replay(request: bytes) -> list[bytes]:
        seen.append(good(request))
        return [seen[0]]

    with board.serving(replay) as server:
        assert isinstance(board.ask(server.name), TimeSample)
        assert refused(board.ask(server.name)).refusal is Refusal.GARBAGE


def test_an_answer_after_more_than_nine_seconds_is_discarded(board: Board) -> None:
    def late(request: bytes) -> list[bytes]:
        board.source.ahead_ns += 9 * SECOND_NS  # type: ignore[attr-defined]
        return [good(request)]

    with board.serving(late) as server:
        assert refused(board.ask(server.name)).refusal is Refusal.SLOW


@contextlib.contextmanager
def saying(octets: bytes, *, closing: bool = False, came: threading.Event | None = None) -> Iterator[str]:
    """Somebody without TLS, who says this at once; `came` is set when a client came."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        kept = []

        def serve() -> None:
            with contextlib.suppress(OSError):
                plain, _ = listener.accept()
                plain.sendall(octets)
                if closing:
                    plain.close()
                kept.append(plain)
                if came:
                    came.set()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"tls://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(LIMIT)
            for plain in kept:
                plain.close()


def test_a_peer_without_tls_is_named(board: Board) -> None:
    with saying(b"220 mail.example ESMTP\r\n") as name:
        outcome = refused(board.ask(name))
    assert outcome.refusal is Refusal.UNTRUSTED
    assert "does not speak TLS" in outcome.detail


def test_a_peer_that_closes_in_the_handshake_is_named(board: Board) -> None:
    with saying(b"", closing=True) as name:
        assert refused(board.ask(name)).refusal is Refusal.CUT_OFF


def test_a_peer_that_is_silent_in_the_handshake_costs_a_bounded_time(
    board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_over_tls, "CONNECT_S", 0.3)
    with saying(b"") as name:
        outcome = refused(board.ask(name))
    assert (outcome.refusal, outcome.kind) == (Refusal.SILENT, "handshake")


def test_nobody_there_is_named(board: Board) -> None:
    assert refused(board.ask("tls://127.77.0.1:9")).refusal is Refusal.CLOSED


# What the gateway lacks


def test_its_own_certificate_that_expired_is_named_when_the_server_refuses_it(board: Board) -> None:
    board.at(NOW + 3 * YEAR)
    with board.serving(role=Role.EMT) as server:
        outcome = refused(board.ask(server.name))
    assert outcome.refusal is Refusal.EXPIRED
    assert "own/1" in outcome.detail
    assert "smgw keys request" in outcome.detail


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (shutil.rmtree, "there are no certificates of one's own here"),
        (lambda trust: shutil.rmtree(trust / "peers"), "no certificate for TLS of a gateway administrator"),
        (lambda trust: shutil.rmtree(trust / "authorities"), "this trust folder cannot be read"),
        (lambda trust: (trust / "own" / "1" / "tls.key").chmod(0o644), "tls.key"),
        (lambda trust: (trust / "authorities" / "sub.crl").write_text("x"), "sub.crl"),
    ],
    ids=["nothing", "no peer", "no authorities", "open key", "damaged list"],
)
def test_a_trust_folder_that_lacks_something_is_told_with_its_file(
    board: Board, server: TlsTimeServer, spoil: Callable[[Path], object], says: str
) -> None:
    spoil(board.trust)
    outcome = refused(board.ask(server.name))
    assert says in outcome.detail
    assert server.requests == []


@pytest.mark.parametrize("text", ["host:1", "tls://", "tls://:1", "tls://a b:1"])
def test_a_text_that_names_no_server_is_refused(board: Board, text: str) -> None:
    with pytest.raises(NtpServerError):
        board.server(text)


# When it is asked, and what is told


def test_nothing_is_skipped_for_ever_and_each_change_is_told_once(
    board: Board, server: TlsTimeServer, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[str, bool, str]] = []
    samples: list[TimeSample] = []
    sampler = Sampler([board.server(server.name)], board.source, samples.append, lambda *what: told.append(what))

    def later(seconds: int) -> None:
        board.source.ahead_ns += seconds * SECOND_NS  # type: ignore[attr-defined]
        sampler.poll_once()

    board.pki.revoke(board.trust, board.pki.triple(GWA))
    sampler.poll_once()
    for seconds in (5, 60, 60, 60):
        later(seconds)
    until(lambda: len(server.peers) == 3)  # once a minute
    board.pki.write(board.trust / "authorities")
    later(64)
    later(200)
    later(60)
    assert [(name, gives) for name, gives, _ in told] == [(server.name, False), (server.name, True)]
    assert len(samples) == len(server.requests) == 2
    events = [(record.event, record.SERVER) for record in caplog.records if hasattr(record, "SERVER")]
    assert events == [("time-server-refused", server.name)]
    assert "its authority revoked it" in caplog.text


def test_another_reason_is_told_anew(board: Board, server: TlsTimeServer) -> None:
    told: list[str] = []
    sampler = Sampler([board.server(server.name)], board.source, print, lambda *what: told.append(what[2]))
    board.pki.revoke(board.trust, board.pki.triple(GWA))
    sampler.poll_once()
    (board.trust / "peers").rename(board.trust / "away")
    board.source.ahead_ns += 64 * SECOND_NS  # type: ignore[attr-defined]
    sampler.poll_once()
    assert len(told) == 2


@pytest.mark.parametrize("place", ["handshake", "answer"])
def test_a_stop_ends_a_poll_at_once(board: Board, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_over_tls, "CONNECT_S", 600)
    monkeypatch.setattr(time_over_tls, "ROUND_TRIP_LIMIT_S", 600)
    stop = threading.Event()
    outcomes: list[TimeSample | Refused] = []
    came = threading.Event()
    with saying(b"", came=came) if place == "handshake" else board.serving(lambda _: came.set() or []) as peer:
        asked = board.server(peer if isinstance(peer, str) else peer.name)
        thread = threading.Thread(target=lambda: outcomes.append(asked.ask(stop)))
        thread.start()
        assert came.wait(LIMIT)
        stop.set()
        thread.join(LIMIT)
    assert outcomes == [Refused(Refusal.STOPPED)]
