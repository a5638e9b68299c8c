"""Push: pace of the line, a pty with and without a reader, replay of captures."""

import asyncio
import itertools
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import virtual_time
from smgw.cosem import DeviceId
from smgw.sml.file import decode_messages
from smgw.sml.messages import GetListResponse
from smgw.sml.transport import Frame, FrameDecoder
from smsim.errors import ConfigError, PortError
from smsim.line import PtyLine, SerialLine, TcpLine, open_line
from smsim.load.timelapse import TimeLapse
from smsim.ports import PtyPort, SerialPort, TcpPushPort
from smsim.replay import Replay, cut, read_capture
from smsim.sml.meter import Meter, MeterSpec
from smsim.sml.push import Pacer, Pusher, transmit
from soon import LIMIT, soon

NEW_YEAR = 1_767_222_000
SPEC = MeterSpec("m", DeviceId.parse("1UTB0000000001"))


class Listener:
    """Reads a link in a thread."""

    def __init__(self, link: Path) -> None:
        self.octets = b""
        self._descriptor = os.open(link, os.O_RDWR | os.O_NOCTTY)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        os.set_blocking(self._descriptor, False)
        while not self._stop.is_set():
            try:
                octets = os.read(self._descriptor, 4096)
            except BlockingIOError:
                time.sleep(0.0005)
                continue
            except OSError:
                break
            if octets:
                self.octets += octets

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._descriptor)


def wait_for(condition: Callable[[], bool], seconds: float = LIMIT) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def meter_of_the_loop() -> Meter:
    """Its time is the event loop's, from 0 on."""
    return Meter(SPEC, TimeLapse(NEW_YEAR), lambda: int(virtual_time.now() * 1000))


class Sink:
    """A line in memory, with the loop's time of each write."""

    port = SerialPort("/dev/x")

    def __init__(self) -> None:
        self.written: list[tuple[float, bytes]] = []
        self.reader = True

    @property
    def octets(self) -> bytes:
        return b"".join(octets for _, octets in self.written)

    def has_reader(self) -> bool:
        return self.reader

    def write(self, octets: bytes) -> bool:
        if self.reader:
            self.written.append((virtual_time.now(), octets))
        return self.reader

    def close(self) -> None: ...


@pytest.fixture
def sink(monkeypatch: pytest.MonkeyPatch) -> Sink:
    """What every pusher opens."""
    made = Sink()
    monkeypatch.setattr("smsim.sml.push.open_line", lambda port, baud: made)
    return made


async def push_for(pusher: Pusher, seconds: float) -> None:
    await pusher.start()
    task = asyncio.ensure_future(pusher.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("baud", [300, 9600, 115_200])
def test_a_telegram_comes_in_chunks_at_the_speed_of_the_line(baud: int) -> None:
    line, octets = Sink(), bytes(range(250))

    async def send() -> float:
        assert await transmit(line, octets, baud)
        return virtual_time.now()

    assert virtual_time.run(send()) == pytest.approx(250 * 10 / baud, rel=0.01)
    assert line.octets == octets
    assert [len(piece) for _, piece in line.written] == [16] * 15 + [10]
    for place, (moment, _) in enumerate(line.written[:-1], start=1):
        assert moment == pytest.approx(place * 16 * 10 / baud, rel=0.01)


def test_telegrams_come_on_their_interval_and_are_whole(sink: Sink) -> None:
    pusher = Pusher(meter_of_the_loop(), sink.port, 115_200, 0.1)
    virtual_time.run(push_for(pusher, 1.05))
    frames = FrameDecoder().receive(sink.octets)
    assert [type(frame) for frame in frames] == [Frame] * 11
    assert (pusher.telegrams, pusher.lost) == (11, 0)


def test_without_a_reader_telegrams_are_lost_and_the_next_reader_gets_a_fresh_one(sink: Sink) -> None:
    pusher = Pusher(meter_of_the_loop(), sink.port, 1_000_000, 0.05)
    sink.reader = False

    async def run() -> None:
        pushing = asyncio.ensure_future(push_for(pusher, 2))
        await asyncio.sleep(1.2)
        assert (pusher.lost, pusher.telegrams) == (24, 0)
        sink.reader = True
        await pushing

    virtual_time.run(run())
    frame = next(event for event in FrameDecoder().receive(sink.octets) if isinstance(event, Frame))
    body = decode_messages(frame.payload, frame.crc)[1].body
    assert isinstance(body, GetListResponse)
    assert body.sensor_time is not None
    assert body.sensor_time.seconds >= 1  # not one of the first second, kept for a reader that was not there


def test_a_reader_that_does_not_read_stalls_nobody(tmp_path: Path) -> None:
    line = PtyLine(tmp_path / "meter")
    descriptor = os.open(tmp_path / "meter", os.O_RDWR | os.O_NOCTTY)
    results = soon(lambda: [line.write(bytes(1024)) for _ in range(1000)])
    assert results[0]
    assert not results[-1]
    os.close(descriptor)
    line.close()


def test_what_a_reader_sends_is_dropped(tmp_path: Path) -> None:
    line = PtyLine(tmp_path / "meter")
    descriptor = os.open(tmp_path / "meter", os.O_RDWR | os.O_NOCTTY)
    for _ in range(200):
        os.write(descriptor, bytes(100))
        assert line.write(b"x")
        assert os.read(descriptor, 10) == b"x"
    os.close(descriptor)
    line.close()


def test_a_reader_that_leaves_and_another_that_comes_are_both_served(tmp_path: Path) -> None:
    line = PtyLine(tmp_path / "meter")
    for octet in (b"a", b"b"):
        assert not line.write(b"nobody")
        descriptor = os.open(tmp_path / "meter", os.O_RDWR | os.O_NOCTTY)
        assert line.write(octet)
        assert os.read(descriptor, 10) == octet
        os.close(descriptor)
    line.close()


def test_all_octets_pass_unchanged(tmp_path: Path) -> None:
    line = PtyLine(tmp_path / "meter")
    listener = Listener(tmp_path / "meter")
    assert line.write(bytes(range(256)))
    wait_for(lambda: len(listener.octets) == 256)
    listener.close()
    line.close()
    assert listener.octets == bytes(range(256))


def test_the_link_goes_with_the_line_and_an_old_one_is_replaced(tmp_path: Path) -> None:
    link = tmp_path / "meter"
    link.symlink_to("/dev/pts/none")
    line = PtyLine(link)
    assert str(link.readlink()) == line.device
    line.close()
    assert not link.is_symlink()


def test_a_file_in_the_links_place_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "meter").write_text("mine")
    with pytest.raises(PortError, match="a file is there already"):
        open_line(PtyPort(str(tmp_path / "meter")), 9600)
    assert (tmp_path / "meter").read_text() == "mine"


def test_a_link_in_no_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(PortError, match="the link cannot be made: No such file"):
        open_line(PtyPort(str(tmp_path / "none" / "meter")), 9600)


def test_a_missing_serial_device_is_told() -> None:
    with pytest.raises(PortError, match="port /dev/ttyNONE: there is no such device"):
        open_line(SerialPort("/dev/ttyNONE"), 9600)


def test_a_serial_device_gets_the_same_octets(tmp_path: Path) -> None:
    master, slave = os.openpty()
    line = SerialLine(os.ttyname(slave), 9600)
    assert line.has_reader()
    assert line.write(b"\x1b\x1b\x00\r\n\x11\x13")
    assert os.read(master, 100) == b"\x1b\x1b\x00\r\n\x11\x13"
    assert line.drained()
    line.close()
    os.close(master)
    os.close(slave)


def connected(line: TcpLine) -> socket.socket:
    """A client that the line knows of."""
    assert isinstance(line.port, TcpPushPort)
    client = socket.create_connection(("127.0.0.1", line.port.port), 5)
    assert line.has_reader()
    return client


@pytest.fixture
def tcp_line() -> Iterator[TcpLine]:
    line = TcpLine(TcpPushPort(0))
    yield line
    line.close()


def test_every_tcp_client_gets_the_same_octets_from_when_it_came(tcp_line: TcpLine) -> None:
    assert not tcp_line.has_reader()
    assert not tcp_line.write(b"nobody")
    with connected(tcp_line) as first:
        assert tcp_line.write(b"one")
        with connected(tcp_line) as second:
            assert tcp_line.write(b"two")
            assert (first.recv(6, socket.MSG_WAITALL), second.recv(3)) == (b"onetwo", b"two")
    wait_for(tcp_line.drained)


def test_a_tcp_client_that_left_is_forgotten(tcp_line: TcpLine) -> None:
    client = connected(tcp_line)
    client.sendall(b"what a client says is dropped")
    assert tcp_line.has_reader()
    client.close()
    wait_for(lambda: not tcp_line.has_reader())
    assert not tcp_line.write(b"nobody")


def test_a_tcp_client_that_does_not_read_stalls_nobody(tcp_line: TcpLine) -> None:
    with connected(tcp_line), connected(tcp_line) as reader:
        reader.settimeout(5)
        whole = True
        while whole:  # until the kernel holds no more for the one that does not read
            whole = tcp_line.write(bytes(65_536))
            assert reader.recv(65_536, socket.MSG_WAITALL) == bytes(65_536)
        assert not tcp_line.write(b"x")
        assert reader.recv(1) == b"x"


def test_tcp_clients_beyond_the_32nd_are_turned_away(tcp_line: TcpLine) -> None:
    clients = [connected(tcp_line) for _ in range(33)]
    assert tcp_line.write(b"x")
    assert [client.recv(1) for client in clients] == [b"x"] * 32 + [b""]
    for client in clients:
        client.close()


def test_a_tcp_port_in_use_is_told(tcp_line: TcpLine) -> None:
    with pytest.raises(PortError, match="cannot listen: Address already in use; name another"):
        TcpLine(tcp_line.port)


def test_meters_do_not_speak_in_chorus(sink: Sink) -> None:
    began: list[float] = []

    class Silent:
        def telegram(self) -> bytes:
            began.append(virtual_time.now())
            return b"x"

    async def run() -> None:
        pushers = [Pusher(Silent(), sink.port, 115_200, 0.5) for _ in range(10)]
        for pusher in pushers:
            await pusher.start()
        pacing = asyncio.ensure_future(Pacer(pushers).run())
        while len(began) < 10:
            await asyncio.sleep(0.01)
        pacing.cancel()

    virtual_time.run(run())
    gaps = [later - earlier for earlier, later in itertools.pairwise(began)]
    assert began[-1] - began[0] > 0.3
    assert max(gaps) < 0.25


def test_an_unplugged_device_is_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = 0

    class Unplugged:
        port = SerialPort("/dev/x")

        def has_reader(self) -> bool:
            return True

        def write(self, octets: bytes) -> bool:
            raise OSError(5, "Input/output error")

        def close(self) -> None: ...

    def open_once(port: object, baud: int) -> object:
        nonlocal opened
        opened += 1
        if opened == 2:
            raise PortError("x", "still gone")
        return Unplugged() if opened == 1 else PtyLine(tmp_path / "meter")

    monkeypatch.setattr("smsim.sml.push.open_line", open_once)
    pusher = Pusher(meter_of_the_loop(), SerialPort("/dev/x"), 1_000_000, 0.05)
    virtual_time.run(push_for(pusher, 60))
    pusher.close()
    assert opened == 3
    assert pusher.lost > 0  # the third one works; nobody listens


def capture() -> bytes:
    meter = Meter(SPEC, TimeLapse(NEW_YEAR), itertools.count(step=1000).__next__)
    return b"\x00tail of a telegram" + b"".join(meter.telegram() for _ in range(5)) + meter.telegram()[:100]


def test_a_capture_is_cut_at_its_start_escapes_and_nowhere_else() -> None:
    octets = capture()
    pieces = cut(octets)
    assert b"".join(pieces) == octets
    assert len(pieces) == 7
    assert all(piece.startswith(b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01") for piece in pieces[1:])


def test_a_capture_without_a_start_is_one_piece() -> None:
    assert cut(b"/ISk5\r\n") == [b"/ISk5\r\n"]


def test_replay_gives_a_reader_the_captures_octets(tmp_path: Path) -> None:
    octets = capture()
    replay = Replay(cut(octets), PtyPort(str(tmp_path / "meter")), baud=1_000_000, interval_s=0.02)

    async def run() -> bytes:
        playing = asyncio.ensure_future(replay.run())
        await asyncio.sleep(0.2)
        assert replay.octets == 0  # it waits for a reader
        listener = Listener(tmp_path / "meter")
        await playing
        wait_for(lambda: len(listener.octets) == len(octets))
        replay.close()
        listener.close()
        return listener.octets

    assert asyncio.run(run()) == octets
    assert (replay.telegrams, replay.octets, replay.lost) == (7, len(octets), 0)


def test_replay_in_a_loop_begins_again(tmp_path: Path) -> None:
    octets = capture()
    replay = Replay(cut(octets), PtyPort(str(tmp_path / "meter")), baud=1_000_000, interval_s=0.01, loop=True)

    async def run() -> bytes:
        listener = Listener(tmp_path / "meter")
        playing = asyncio.ensure_future(replay.run())
        while replay.octets < 2 * len(octets):
            await asyncio.sleep(0.01)
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        wait_for(lambda: len(listener.octets) >= 2 * len(octets))
        replay.close()
        listener.close()
        return listener.octets

    assert asyncio.run(run()).startswith(octets * 2)


def test_an_empty_or_missing_capture_is_told(tmp_path: Path) -> None:
    (tmp_path / "empty.bin").touch()
    with pytest.raises(ConfigError, match="is empty"):
        read_capture(tmp_path / "empty.bin")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_capture(tmp_path / "none.bin")
