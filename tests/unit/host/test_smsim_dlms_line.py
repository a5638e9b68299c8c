"""smsim's DLMS lines over real ptys, serial devices and sockets: speed, hang-ups, clients too many."""

import asyncio
import os
import termios
import tty
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from smgw.hdlc import Address
from smgw.hdlc.frame import FrameDecoder, encode_frame
from smgw.wire import Refused
from smsim import channel as channel_module
from smsim.asked_line import MOST_CLIENTS
from smsim.channel import Gone, TtyChannel
from smsim.config import parse
from smsim.dlms.line import DlmsLine
from smsim.errors import PortError
from smsim.ports import PtyPort, SerialPort

SNRM = encode_frame(Address(1), Address(16), 0x93)
METER = '\n[[dlms.meter]]\nname = "one"\ndevice = "1UTB0000000071"\nhistory_days = 1\n'


def dlms_line(head: str) -> DlmsLine:
    config = parse(f"[[dlms]]\n{head}{METER}")
    return DlmsLine(config.dlms[0], config.time, lambda: 0)


def run(what: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await what()

    asyncio.run(bounded())


@contextmanager
def reader(path: Path, speed: int = termios.B9600) -> Iterator[int]:
    """A client's end of a pty at some speed."""
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(descriptor)
    attributes = termios.tcgetattr(descriptor)
    attributes[4] = attributes[5] = speed
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def read_of(descriptor: int, octets: int) -> bytes:
    data = b""
    while len(data) < octets:
        data += await asyncio.to_thread(os.read, descriptor, octets - len(data))
    return data


def test_octets_take_their_time_at_the_speed_of_the_line(tmp_path: Path) -> None:
    async def what() -> None:
        channel = TtyChannel(PtyPort(str(tmp_path / "tty")), 9600)
        loop = asyncio.get_running_loop()
        with reader(tmp_path / "tty") as descriptor:
            begin = loop.time()
            await channel.write(bytes(range(192)))
            assert loop.time() - begin >= 192 * 10 / 9600
            assert await read_of(descriptor, 192) == bytes(range(192))
        channel.close()

    run(what)


def test_a_reader_at_another_speed_gets_garbage_and_so_does_the_meter(tmp_path: Path) -> None:
    """R22: what a client that does not follow the change of the speed has of it."""

    async def what() -> None:
        channel = TtyChannel(PtyPort(str(tmp_path / "tty")), 9600, heeds_speed=True)
        with reader(tmp_path / "tty", termios.B300) as descriptor:
            os.write(descriptor, b"/?!\r\n")
            assert len(heard := await channel.read(5.0)) == 5
            assert heard != b"/?!\r\n"
            await channel.write(SNRM)
            assert await read_of(descriptor, len(SNRM)) != SNRM
            channel.change_baud(300)
            os.write(descriptor, b"/?!\r\n")
            assert await channel.read(5.0) == b"/?!\r\n"
        channel.close()

    run(what)


def test_a_reader_may_leave_and_come_back(tmp_path: Path) -> None:
    async def what() -> None:
        line = dlms_line(f'port = "pty:{tmp_path}/tty"\nbaud = 0')
        await line.start()
        serving = asyncio.create_task(line.run())
        for _ in range(2):
            with reader(tmp_path / "tty") as descriptor:
                os.write(descriptor, SNRM)
                (answer,) = FrameDecoder().receive(await read_of(descriptor, 32))
                assert not isinstance(answer, Refused)
                assert answer.control == 0x73
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        line.close()

    run(what)


def test_a_serial_device_is_served_and_its_speed_changed(tmp_path: Path) -> None:
    """Here a pty's far end stands for it."""

    async def what() -> None:
        master, slave = os.openpty()
        channel = TtyChannel(SerialPort(os.ttyname(slave)), 300)
        os.write(master, b"asked")
        assert await channel.read(5.0) == b"asked"
        await channel.write(b"told")
        assert await asyncio.to_thread(os.read, master, 4) == b"told"
        channel.change_baud(9600)
        assert termios.tcgetattr(slave)[5] == termios.B9600
        os.close(slave)
        os.close(master)
        with pytest.raises(Gone):
            await channel.read(5.0)
        channel.close()

    run(what)


def test_a_device_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PortError, match="no such device"):
        TtyChannel(SerialPort(str(tmp_path / "none")), 9600)


def test_nothing_within_the_time_is_no_end(tmp_path: Path) -> None:
    async def what() -> None:
        channel = TtyChannel(PtyPort(str(tmp_path / "tty")), 9600)
        assert await channel.read(0.01) == b""
        channel.close()

    run(what)


def test_a_read_that_is_cancelled_while_octets_arrive_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`asyncio.wait_for` of Python 3.11 would hand out the octets and forget that the simulator stops."""

    async def what() -> None:
        channel = TtyChannel(PtyPort(str(tmp_path / "tty")), 0)
        reading = asyncio.ensure_future(channel.read(20))

        def wake_and_cancel(ready: asyncio.Future[None]) -> None:
            ready.set_result(None)
            reading.cancel()

        monkeypatch.setattr(channel_module, "_wake", wake_and_cancel)
        with reader(tmp_path / "tty") as descriptor:
            os.write(descriptor, b"octets")
            with pytest.raises(asyncio.CancelledError):
                await reading
        channel.close()

    run(what)


def test_clients_over_tcp_have_sessions_of_their_own_and_one_too_many_is_turned_away() -> None:
    async def what() -> None:
        line = dlms_line('port = "tcp:0"')
        (told,) = await line.start()
        port = int(told.rpartition(":")[2])
        clients = []
        for _ in range(MOST_CLIENTS):
            client = await asyncio.open_connection("127.0.0.1", port)
            client[1].write(SNRM)
            clients.append(client)
        for incoming, _ in clients:
            (answer,) = FrameDecoder().receive(await incoming.readexactly(32))
            assert not isinstance(answer, Refused)
        refused, outgoing = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await refused.readexactly(1)
        outgoing.close()
        for _, writer in clients:
            writer.close()
        again, writer = await asyncio.open_connection("127.0.0.1", port)
        while True:
            writer.write(SNRM)
            try:
                await again.readexactly(32)
                break
            except (ConnectionError, asyncio.IncompleteReadError):  # the others are not gone yet
                again, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        line.close()

    run(what)


def test_a_device_that_was_unplugged_is_served_again_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smsim.asked_line._REOPEN_S", 0.05)
    device = tmp_path / "ttyUSB0"

    def plug() -> int:
        master, slave = os.openpty()
        tty.setraw(slave)
        device.unlink(missing_ok=True)
        device.symlink_to(os.ttyname(slave))
        os.close(slave)
        return master

    async def what() -> None:
        master = plug()
        line = dlms_line(f'port = "{device}"')
        await line.start()
        serving = asyncio.create_task(line.run())
        for _ in range(2):
            os.write(master, SNRM)
            assert len(await read_of(master, 32)) == 32
            os.close(master)
            master = plug()
            while not await answers(master):
                await asyncio.sleep(0.05)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        line.close()
        os.close(master)

    async def answers(master: int) -> bool:
        """True once the device is open again: before that nobody reads."""
        os.set_blocking(master, False)
        try:
            os.write(master, SNRM)
            await asyncio.sleep(0.2)
            return len(os.read(master, 4096)) >= 32
        except OSError:
            return False
        finally:
            os.set_blocking(master, True)

    run(what)
