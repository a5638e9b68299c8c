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

NEW_YEAR = 1_767_222_000
SPEC = MeterSpec("m", DeviceId.parse("1UTB0000000001"))


class Listener:
    """Reads a link in a thread and notes when octets came."""

    def __init__(self, link: Path) -> None:
        self.octets = b""
        self.pieces: list[tuple[float, int]] = []
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
                self.pieces.append((time.monotonic(), len(octets)))

    def close(self) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._descriptor)


def wait_for(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def meter_since_now() -> Meter:
    begin = time.monotonic()
    return Meter(SPEC, TimeLapse(NEW_YEAR), lambda: int((time.monotonic() - begin) * 1000))


async def push_for(pusher: Pusher, seconds: float) -> None:
    await pusher.start()
    task = asyncio.ensure_future(pusher.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_telegram_takes_the_time_it_takes_at_9600_baud(tmp_path: Path) -> None:
    line = PtyLine(tmp_path / "meter")
    listener = Listener(tmp_path / "meter")
    octets = meter_since_now().telegram()
    begin = time.monotonic()
    assert asyncio.run(transmit(line, octets, 9600))
    took = time.monotonic() - begin
    wait_for(lambda: len(listener.octets) == len(octets))
    listener.close()
    line.close()
    wire_s = len(octets) * 10 / 9600
    first, last = listener.pieces[0][0], listener.pieces[-1][0]
    print(f"{len(octets)} octets: {wire_s * 1000:.0f} ms on the wire, {took * 1000:.1f} ms measured")
    assert listener.octets == octets
    assert wire_s <= took < wire_s + 0.1
    assert last - first >= (len(octets) - 16) * 10 / 9600 - 0.02
    assert len(listener.pieces) > len(octets) / 16 / 2  # it came in pieces, not at once


def test_a_faster_line_is_faster(tmp_path: Path) -> None:
    line = PtyLine(tmp_path / "meter")
    begin = time.monotonic()
    asyncio.run(transmit(line, bytes(960), 96_000))
    assert 0.1 <= time.monotonic() - begin < 0.3
    line.close()


def test_telegrams_come_on_their_interval_and_are_whole(tmp_path: Path) -> None:
    pusher = Pusher(meter_since_now(), PtyPort(str(tmp_path / "meter")), 115_200, 0.1)

    async def run() -> None:
        await pusher.start()
        listener.append(Listener(tmp_path / "meter"))
        task = asyncio.ensure_future(pusher.run())
        await asyncio.sleep(1.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    listener: list[Listener] = []
    asyncio.run(run())
    wait_for(lambda: len(listener[0].octets) >= pusher.octets)
    listener[0].close()
    pusher.close()
    frames = FrameDecoder().receive(listener[0].octets)
    assert all(isinstance(frame, Frame) for frame in frames)
    assert 8 <= len(frames) <= 11
    assert len(frames) - 1 <= pusher.telegrams <= len(frames)
    assert pusher.lost == 0


def test_without_a_reader_telegrams_are_lost_and_the_next_reader_gets_a_fresh_one(tmp_path: Path) -> None:
    pusher = Pusher(meter_since_now(), PtyPort(str(tmp_path / "meter")), 1_000_000, 0.05)
    received = b""

    async def run() -> None:
        nonlocal received
        await pusher.start()
        task = asyncio.ensure_future(pusher.run())
        await asyncio.sleep(1.2)
        assert pusher.lost >= 15
        assert pusher.telegrams == 0
        listener = Listener(tmp_path / "meter")
        await asyncio.sleep(0.3)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        listener.close()
        received = listener.octets

    asyncio.run(run())
    pusher.close()
    frame = next(event for event in FrameDecoder().receive(received) if isinstance(event, Frame))
    body = decode_messages(frame.payload, frame.crc)[1].body
    assert isinstance(body, GetListResponse)
    assert body.sensor_time is not None
    assert body.sensor_time.seconds >= 1  # not one of the first second, kept for a reader that was not there


def test_a_reader_that_does_not_read_stalls_nobody(tmp_path: Path) -> None:
    line = PtyLine(tmp_path / "meter")
    descriptor = os.open(tmp_path / "meter", os.O_RDWR | os.O_NOCTTY)
    begin = time.monotonic()
    results = [line.write(bytes(1024)) for _ in range(1000)]
    assert time.monotonic() - begin < 1
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


def test_meters_do_not_speak_in_chorus() -> None:
    began: list[float] = []

    class Silent:
        def telegram(self) -> bytes:
            began.append(time.monotonic())
            return b"x"

    class Sink:
        port = SerialPort("/dev/x")

        def has_reader(self) -> bool:
            return True

        def write(self, octets: bytes) -> bool:
            return True

        def close(self) -> None: ...

    async def run() -> None:
        for pusher in pushers:
            await pusher.start()
        pacing = asyncio.ensure_future(Pacer(pushers).run())
        while len(began) < 10:
            await asyncio.sleep(0.01)
        pacing.cancel()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("smsim.sml.push.open_line", lambda port, baud: Sink())
        pushers = [Pusher(Silent(), SerialPort("/dev/x"), 115_200, 0.5) for _ in range(10)]
        asyncio.run(run())
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
    monkeypatch.setattr("smsim.sml.push._REOPEN_S", 0.02)
    pusher = Pusher(meter_since_now(), SerialPort("/dev/x"), 1_000_000, 0.05)
    asyncio.run(push_for(pusher, 0.5))
    pusher.close()
    assert opened == 3
    assert pusher.lost > 0  # the third one works; nobody listens


def capture() -> bytes:
    meter = meter_since_now()
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
