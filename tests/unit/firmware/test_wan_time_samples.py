"""Time samples by NTP: what is taken, what is refused, and how often a server is asked."""

import logging
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest
from line_meter import until
from ntp_answers import NTP_DELTA_S, SECOND_NS, TRANSMIT, UTC_S, Ticking, answer, good
from smgw.clock.gateway_clock import GatewayClock
from smgw.clock.sample import TimeSample
from smgw.clock.source import SystemSource
from smgw.cosem.reading import ClockState
from smgw.wan import time_samples
from smgw.wan.time_packet import Exchange, Refusal, judge
from smgw.wan.time_samples import NtpSampler, NtpServer, NtpServerError
from soon import LIMIT


def judged(octets: bytes, *, round_trip_s: float = 0.022) -> TimeSample | Refusal:
    sent_ns = 1000 * SECOND_NS
    return judge(Exchange(TRANSMIT, octets, sent_ns, sent_ns + int(round_trip_s * SECOND_NS)), "boot", "a")


def test_the_offset_is_the_difference_of_the_two_middles_and_the_dispersion_is_what_may_be_wrong_with_it() -> None:
    sample = judged(answer())
    assert isinstance(sample, TimeSample)
    assert (sample.boot_id, sample.boottime_ns, sample.source) == ("boot", 1000 * SECOND_NS + 22_000_000, "a")
    assert abs(sample.offset_us - ((UTC_S - 1000) * 1_000_000 - 10_000)) <= 2
    assert abs(sample.dispersion_us - (5_000 + 3_000 + 10_000)) <= 30


@pytest.mark.parametrize(
    ("octets", "refusal"),
    [
        (b"", Refusal.GARBAGE),
        (b"\xff" * 200, Refusal.GARBAGE),
        (answer()[:47], Refusal.GARBAGE),
        (answer(b"\x00" * 8), Refusal.GARBAGE),
        (answer(version=3), Refusal.GARBAGE),
        (answer(mode=3), Refusal.GARBAGE),
        (answer(mode=5), Refusal.GARBAGE),
        (answer(leap=3), Refusal.UNSYNCHRONISED),
        (answer(stratum=0), Refusal.UNSYNCHRONISED),
        (answer(stratum=0, leap=3, reference=b"INIT"), Refusal.UNSYNCHRONISED),
        (answer(stratum=16), Refusal.UNSYNCHRONISED),
        (answer(stratum=0, reference=b"DENY", leap=3), Refusal.KISS_OF_DEATH),
        (answer(stratum=0, reference=b"RSTR"), Refusal.KISS_OF_DEATH),
        (answer(stratum=0, reference=b"RATE"), Refusal.KISS_OF_DEATH),
        (answer(root_dispersion_s=16), Refusal.IMPRECISE),
        (answer(root_delay_s=32), Refusal.IMPRECISE),
        (answer(precision=127), Refusal.IMPRECISE),
        (answer(held_s=-0.5), Refusal.INCONSISTENT),
        (answer(held_s=0.5), Refusal.INCONSISTENT),
        (answer(set_s=UTC_S + 1), Refusal.INCONSISTENT),
        (answer(received_s=-NTP_DELTA_S), Refusal.INCONSISTENT),
    ],
)
def test_an_answer_that_gives_no_trustworthy_time_is_refused(octets: bytes, refusal: Refusal) -> None:
    assert judged(octets) is refusal


def test_a_round_trip_of_more_than_nine_seconds_is_refused() -> None:
    assert isinstance(judged(answer(), round_trip_s=9), TimeSample)
    assert judged(answer(), round_trip_s=9.001) is Refusal.SLOW


@pytest.mark.parametrize("leap", [1, 2])
def test_an_announced_leap_second_is_no_reason_to_refuse(leap: int) -> None:
    assert isinstance(judged(answer(leap=leap)), TimeSample)


def test_ntp_seconds_that_wrapped_in_2036_are_times_after_2036() -> None:
    utc_s = 2_200_000_000
    sample = judged(answer(received_s=utc_s, set_s=utc_s - 1))
    assert isinstance(sample, TimeSample)
    assert abs(sample.offset_us - ((utc_s - 1000) * 1_000_000 - 10_000)) <= 2


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("ptbtime1.example", ("ptbtime1.example", 123)),
        (" 192.0.2.1:1123 ", ("192.0.2.1", 1123)),
        ("2001:db8::1", ("2001:db8::1", 123)),
        ("[2001:db8::1]", ("2001:db8::1", 123)),
        ("[2001:db8::1]:1123", ("2001:db8::1", 1123)),
    ],
)
def test_a_server_is_host_or_host_and_port(text: str, server: tuple[str, int]) -> None:
    assert NtpServer.parse(text) == server
    assert NtpServer.parse(str(NtpServer.parse(text))) == server


@pytest.mark.parametrize(
    "text", ["", " ", "a:", ":123", "a:0", "a:65536", "a:ntp", "a b", "[::1", "[::1]x", "[::1]:", "ntp://a"]
)
def test_a_text_that_names_no_server_is_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(NtpServerError, match="host:port"):
        NtpServer.parse(text)


class Still:
    """The same clocks, but REALTIME stands in 1970."""

    def __init__(self, source: Ticking) -> None:
        self.boot_id = source.boot_id
        self.boottime_ns = source.boottime_ns

    def realtime_ns(self) -> int:
        return self.boottime_ns()


class Server:
    """An NTP server on loopback: `respond` makes the datagrams that follow a request."""

    def __init__(self, respond: Callable[[bytes], list[bytes]]) -> None:
        self.respond = respond
        self.requests: list[bytes] = []
        self.endpoint = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.endpoint.bind(("127.0.0.1", 0))
        self.name = f"127.0.0.1:{self.endpoint.getsockname()[1]}"
        self.thread = Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        while True:
            request, peer = self.endpoint.recvfrom(1000)
            if request == b"stop":
                return
            self.requests.append(request)
            for datagram in self.respond(request):
                self.endpoint.sendto(datagram, peer)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
            caller.sendto(b"stop", self.endpoint.getsockname())
        self.thread.join()
        self.endpoint.close()


@contextmanager
def serving(respond: Callable[[bytes], list[bytes]]) -> Iterator[Server]:
    server = Server(respond)
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_samples, "ANSWER_TIMEOUT_S", 0.5)


def test_a_good_answer_becomes_a_sample_of_this_boot() -> None:
    samples: list[TimeSample] = []
    source = Ticking()
    with serving(lambda request: [good(request)]) as server:
        assert NtpSampler([server.name], source, samples.append).poll_once() == samples
    (sample,) = samples
    assert (sample.boot_id, sample.source) == (source.boot_id, server.name)
    assert abs(sample.offset_us * 1000 + source.boottime_ns() - time.time_ns()) < 50_000_000


def test_one_round_with_two_true_servers_and_a_liar_synchronises_a_clock() -> None:
    def year_ahead(request: bytes) -> list[bytes]:
        now = time.time() + 31_556_952
        return [answer(request[40:48], received_s=now, held_s=0, set_s=now - 1)]

    source = Ticking()
    with serving(year_ahead) as liar, serving(lambda r: [good(r)]) as one, serving(lambda r: [good(r)]) as other:
        names = [liar.name, one.name, other.name]
        clock = GatewayClock(source=Still(source), sources=names)
        NtpSampler(names, source, clock.feed).poll_once()
    stamp = clock.stamp()
    assert stamp.state is ClockState.SYNCHRONISED
    assert abs(stamp.utc_us - time.time_ns() // 1000) < 1_000_000


def test_a_request_says_nothing_but_version_mode_and_a_random_number() -> None:
    with serving(lambda _: []) as server:
        for _ in range(2):
            NtpSampler([server.name], Ticking(), print).poll_once()
    first, second = server.requests
    assert first[:40] == second[:40] == bytes([4 << 3 | 3]) + bytes(39)
    assert first[40:] != second[40:]


def test_datagrams_that_are_not_for_us_do_not_keep_the_answer_out() -> None:
    with serving(lambda request: [b"", b"noise", answer(b"\x00" * 8), good(request)]) as server:
        assert len(NtpSampler([server.name], Ticking(), print).poll_once()) == 1


@pytest.mark.parametrize(
    ("respond", "says"),
    [
        (lambda _: [], "does not answer"),
        (lambda _: [b"HTTP/1.1 400 Bad Request"], "no answer to an NTP request"),
        (lambda request: [good(request, leap=3)], "not synchronised"),
        (lambda request: [good(request, stratum=0, reference=b"DENY")], "kiss of death"),
    ],
)
def test_a_bad_server_is_told_once_and_raises_nothing(
    respond: Callable[[bytes], list[bytes]], says: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = Ticking()
    with serving(respond) as server:
        sampler = NtpSampler([server.name], source, print)
        for _ in range(3):
            assert sampler.poll_once() == []
            source.ahead_ns += 3601 * SECOND_NS
    assert len(server.requests) == 3
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert server.name in record.getMessage()
    assert says in record.getMessage()


def test_a_closed_port_and_a_name_that_is_none_raise_nothing(caplog: pytest.LogCaptureFixture) -> None:
    closed = "127.77.0.1:9"  # nobody binds an address like this
    sampler = NtpSampler([closed, "a" * 70], Ticking(), print)
    assert sampler.poll_once() == []
    text = caplog.text
    assert "nothing gives the time on its port" in text
    assert text.count("cannot be resolved") == 1


def test_an_address_without_a_route_raises_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert NtpSampler(["255.255.255.255:9"], Ticking(), print).poll_once() == []
    assert "cannot be reached" in caplog.text


def asked_after(respond: Callable[[bytes], list[bytes]], *waits_s: int) -> list[int]:
    """How many requests a server has got at once and after each wait."""
    source = Ticking()
    counts = []
    with serving(respond) as server:
        sampler = NtpSampler([server.name], source, lambda _: None)
        for wait_s in (0, *waits_s):
            source.ahead_ns += wait_s * SECOND_NS
            sampler.poll_once()
            counts.append(len(server.requests))
    return counts


def test_a_good_server_is_asked_every_256_seconds() -> None:
    assert asked_after(lambda request: [good(request)], 0, 60, 190, 7) == [1, 1, 1, 1, 2]


def test_a_bad_server_is_asked_no_more_than_once_a_minute() -> None:
    assert asked_after(lambda _: [], 0, 59, 6) == [1, 1, 1, 2]


def test_a_kiss_of_death_is_obeyed_for_an_hour() -> None:
    assert asked_after(lambda request: [good(request, stratum=0, reference=b"RATE")], 3598, 3) == [1, 1, 2]


def test_a_stop_ends_the_wait_for_an_answer_and_the_wait_for_the_next_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_samples, "ANSWER_TIMEOUT_S", 600)
    for respond in (lambda _: [], lambda request: [good(request)]):
        stop = Event()
        with serving(respond) as server:
            thread = Thread(target=NtpSampler([server.name], SystemSource(), lambda _: None).run, args=(stop,))
            thread.start()
            until(lambda server=server: server.requests)
            stop.set()
            thread.join(LIMIT)
            assert not thread.is_alive()


def test_a_stop_does_not_wait_for_a_name_service_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, hanging = Event(), Event()

    def hang(*_: object, **__: object) -> list[object]:
        asked.set()
        hanging.wait(600)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    stop = Event()
    thread = Thread(target=NtpSampler(["a"], SystemSource(), lambda _: None).run, args=(stop,))
    thread.start()
    assert asked.wait(LIMIT)
    stop.set()
    thread.join(LIMIT)
    assert not thread.is_alive()
    hanging.set()


def test_without_servers_the_sampler_waits_for_its_stop() -> None:
    stop = Event()
    thread = Thread(target=NtpSampler([], SystemSource(), lambda _: None).run, args=(stop,))
    thread.start()
    stop.set()
    thread.join(LIMIT)
    assert not thread.is_alive()


def test_the_module_brings_nothing_of_the_metering_side_along() -> None:
    program = "import sys, smgw.wan.time_samples; print(*sys.modules)"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {name for name in printed if name.startswith(("smgw.lmn", "smgw.metering", "smgw.ports", "serial"))}
