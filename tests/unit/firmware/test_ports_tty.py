"""Serial ports over real ptys."""

import contextlib
import fcntl
import os
import random
import resource
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from smgw import flocks
from smgw.errors import LocalProtocolError
from smgw.ports import LineSettings, PortBusy, PortError, PortGone, PortWoken, Wake, open_port, tty
from smgw.ports import holder as holder_module
from smgw.ports.holder import holder_of
from soon import LIMIT, soon

LINE = LineSettings()


class Pty:
    """A pty pair: the test is the meter at the master end."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        self.name = os.ttyname(self._slave)
        os.close(self._slave)

    def unplug(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1


@pytest.fixture
def meter() -> Iterator[Pty]:
    pair = Pty()
    yield pair
    pair.unplug()


def after(seconds: float, action: object) -> threading.Timer:
    timer = threading.Timer(seconds, action)  # type: ignore[arg-type]
    timer.start()
    return timer


def test_what_the_meter_sends_is_read(meter: Pty) -> None:
    with open_port(meter.name, LINE) as port:
        assert port.read() == b""
        os.write(meter.master, bytes(range(256)))
        assert port.wait(LIMIT)
        assert port.read() == bytes(range(256))
        assert not port.wait(0)


def test_what_is_written_reaches_the_meter_unchanged(meter: Pty) -> None:
    with open_port(meter.name, LINE) as port:
        port.write(bytes(range(256)))
        assert os.read(meter.master, 512) == bytes(range(256))


def test_octets_gather_into_one_read(meter: Pty) -> None:
    with open_port(meter.name, LINE) as port:
        for octet in b"telegram":
            os.write(meter.master, bytes((octet,)))
        assert port.wait(LIMIT)
        port.gather(0.2)
        assert port.read() == b"telegram"


@pytest.mark.parametrize("call", ["wait", "gather"])
def test_a_wake_interrupts(meter: Pty, call: str) -> None:
    with open_port(meter.name, LINE) as port:
        timer = after(0.1, port.wake)
        assert not soon(lambda: getattr(port, call)(600))
        timer.join()


def test_a_wake_before_the_wait_is_not_lost_and_lasts_until_rearmed(meter: Pty) -> None:
    with open_port(meter.name, LINE) as port:
        port.wake()
        assert not soon(lambda: port.wait(600))
        assert not soon(lambda: port.wait(600))
        port.rearm()
        os.write(meter.master, b"x")
        assert port.wait(LIMIT)


def test_one_wake_ends_the_waits_of_all_ports_that_share_it() -> None:
    pairs = [Pty(), Pty()]
    with Wake() as wake, open_port(pairs[0].name, LINE, wake) as one, open_port(pairs[1].name, LINE, wake) as other:
        threads = [threading.Thread(target=port.wait, args=(600,)) for port in (one, other)]
        for thread in threads:
            thread.start()
        wake.set()
        for thread in threads:
            thread.join(LIMIT)
            assert not thread.is_alive()
    for pair in pairs:
        pair.unplug()


def test_a_port_unplugged_while_it_waits_is_gone(meter: Pty) -> None:
    """R24."""
    with open_port(meter.name, LINE) as port:
        timer = after(0.05, meter.unplug)
        assert port.wait(LIMIT)
        with pytest.raises(PortGone, match=meter.name):
            port.read()
        timer.join()


def test_a_port_unplugged_with_octets_unread_is_gone_once_they_are_read(meter: Pty) -> None:
    with open_port(meter.name, LINE) as port:
        os.write(meter.master, b"half a tele")
        meter.unplug()
        with pytest.raises(PortGone):
            list(iter(port.read, b""))  # the kernel may give the octets first, or drop them


def test_writing_to_an_unplugged_port_says_that_it_is_gone(meter: Pty) -> None:
    with open_port(meter.name, LINE) as port:
        meter.unplug()
        with pytest.raises(PortGone):
            port.write(b"x")


def test_a_write_that_nobody_reads_ends(meter: Pty) -> None:
    with open_port(meter.name, LineSettings(921_600)) as port, pytest.raises(PortError, match="takes no octets"):
        soon(lambda: port.write(bytes(100_000)))


def test_a_slow_reader_gets_every_octet(meter: Pty) -> None:
    sent = random.Random(1).randbytes(50_000)
    got = bytearray()

    def read_slowly() -> None:
        while len(got) < len(sent):
            got.extend(os.read(meter.master, 2000))
            time.sleep(0.002)

    reader = threading.Thread(target=read_slowly)
    with open_port(meter.name, LINE) as port:
        reader.start()  # only now: a master whose slave is closed reads as EIO
        port.write(sent)
        reader.join(10)
    assert bytes(got) == sent


def test_a_wake_ends_a_write(meter: Pty) -> None:
    with open_port(meter.name, LINE) as port:
        timer = after(0.1, port.wake)
        with pytest.raises(PortWoken):
            port.write(bytes(100_000))
        timer.join()


def test_the_second_claimant_in_this_process_is_told(meter: Pty) -> None:
    with open_port(meter.name, LINE), pytest.raises(PortBusy, match="this process has claimed it already") as caught:
        open_port(meter.name, LINE)
    assert caught.value.pid == os.getpid()


@contextlib.contextmanager
def claimed(meter: Pty, opening: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Another process that has opened the port by this statement."""
    script = f"import os, serial; p = {opening.format(repr(meter.name))}; print(1, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            yield holder
        finally:
            holder.kill()


def test_a_claim_by_another_process_names_it_and_ends_with_it(meter: Pty) -> None:
    """R24."""
    with claimed(meter, "serial.Serial({}, exclusive=True)") as holder:
        with pytest.raises(PortBusy, match=rf"\(process {holder.pid}\) has claimed it; stop it") as caught:
            open_port(meter.name, LINE)
        assert caught.value.pid == holder.pid
        assert caught.value.name.startswith("python")
    open_port(meter.name, LINE).close()


def test_whoever_has_a_device_open_without_a_lock_is_found_too(meter: Pty) -> None:
    assert holder_of(meter.name) is None
    with claimed(meter, "os.open({}, os.O_RDWR | os.O_NOCTTY)") as holder:
        found = holder_of(meter.name)
        assert found is not None
        assert found.pid == holder.pid


def test_a_port_whose_holder_cannot_be_found_is_busy_nevertheless(
    meter: Pty, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(flocks, "_LOCKS", tmp_path / "hidden")
    monkeypatch.setattr(holder_module, "_PROC", tmp_path)
    with (
        claimed(meter, "serial.Serial({}, exclusive=True)"),
        pytest.raises(PortBusy, match="another program has claimed it; stop it") as caught,
    ):
        open_port(meter.name, LINE)
    assert (caught.value.pid, caught.value.name) == (None, "")


@pytest.mark.parametrize(
    ("comm", "command", "name"),
    [
        ("minicom", "minicom\0-D\0/dev/ttyUSB0", "minicom"),
        ("python3", "/usr/bin/python3\0-m\0smgw\0lmn\0--config\0x", "smgw lmn"),
        ("smgw", "/usr/bin/python3\0/usr/bin/smgw\0lmn", "smgw lmn"),
        ("smgw", "/usr/bin/python3\0/usr/bin/smgw\0--version", "smgw"),
        ("python3", "python3", "python3"),
        ("python3", "python3\0-c\0print(1)", "python3"),
        ("\x1b[2Jbad", "\x1b[2Jbad", "[2Jbad"),
        ("", "", ""),
    ],
)
def test_a_holder_is_named_by_its_program(
    comm: str, command: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "4711").mkdir()
    (tmp_path / "4711" / "comm").write_text(f"{comm}\n")
    (tmp_path / "4711" / "cmdline").write_text(f"{command}\0")
    monkeypatch.setattr(holder_module, "_PROC", tmp_path)
    assert holder_module.process_name(4711) == name


def test_a_closed_port_can_be_opened_again(meter: Pty) -> None:
    """R24."""
    for settings in (LineSettings(300, 7, "E"), LineSettings(300, 8, "N"), LineSettings(300, 7, "E", 2)):
        with open_port(meter.name, settings) as port:
            os.write(meter.master, b"\x81")
            assert port.wait(LIMIT)
            assert port.read() == (b"\x01" if settings.bytesize == 7 else b"\x81")


def test_the_speed_is_set(meter: Pty) -> None:
    with open_port(meter.name, LineSettings(300)) as port:
        assert termios.tcgetattr(port.fileno())[4:6] == [termios.B300, termios.B300]


def test_closing_twice_and_closing_what_is_gone_is_no_fault(meter: Pty) -> None:
    port = open_port(meter.name, LINE)
    meter.unplug()
    port.close()
    port.close()


def test_an_opened_port_leaves_no_descriptor_behind(meter: Pty) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        open_port(meter.name, LINE).close()
        with pytest.raises(PortError):
            open_port("/dev/null", LINE)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_an_idle_wait_is_one_wake_up(meter: Pty) -> None:
    """R3."""
    with open_port(meter.name, LINE) as port:
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
        assert not port.wait(0.5)
        assert resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before <= 3


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("/dev/ttyNOT-THERE", "no such device.*by-id"),
        ("/dev/null", "is no serial device"),
        ("/dev", "is no serial device"),
        ("loop://", "is no port of this gateway"),
        ("alt://h:1", "is no port of this gateway"),
        ("spy:///dev/ttyNOT-THERE", "no such device"),
    ],
)
def test_what_is_no_port_says_what_would_be_right(url: str, said: str) -> None:
    with pytest.raises(PortError, match=said) as raised:
        open_port(url, LINE)
    assert str(raised.value).startswith(f"{url}: ")


def test_a_uart_that_keeps_its_settings_is_taken(monkeypatch: pytest.MonkeyPatch, meter: Pty) -> None:
    monkeypatch.setattr(tty, "is_pty", lambda _path: False)
    open_port(meter.name, LineSettings(9600, 8, "N", 2)).close()  # a pty keeps these


@pytest.mark.parametrize("parity", ["E", "O"])
def test_a_uart_that_drops_parity_without_a_word_is_refused_aloud(
    monkeypatch: pytest.MonkeyPatch, meter: Pty, parity: str
) -> None:
    """R21."""
    monkeypatch.setattr(tty, "is_pty", lambda _path: False)  # a pty drops parity as the mini-UART does
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(PortError, match=f"does not keep the settings 4800 8{parity}1"):
        open_port(meter.name, LineSettings(4800, 8, parity))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("parity", ["E", "O", "N"])
@pytest.mark.parametrize("pty", [True, False])
def test_seven_data_bits_are_made_in_software_where_the_device_has_eight(
    monkeypatch: pytest.MonkeyPatch, meter: Pty, parity: str, pty: bool
) -> None:
    """R20, R21."""
    monkeypatch.setattr(tty, "is_pty", lambda _path: pty)  # False: as the mini-UART, which has no parity either
    expected = {"E": b"\xaf?!\x8d\n", "O": b"/\xbf\xa1\r\x8a", "N": b"/?!\r\n"}[parity]
    with open_port(meter.name, LineSettings(300, 7, parity)) as port:
        os.write(meter.master, expected)
        assert port.wait(1)
        assert port.read() == b"/?!\r\n"
        port.write(b"/?!\r\n")
        assert os.read(meter.master, 16) == expected


@pytest.mark.parametrize("wrong", [(0, 8, "N", 1), (9600, 9, "N", 1), (9600, 8, "M", 1), (9600, 8, "N", 3)])
def test_line_settings_that_no_line_has_are_refused(wrong: tuple[int, int, str, int]) -> None:
    with pytest.raises(LocalProtocolError, match="right would be 9600 8N1"):
        LineSettings(*wrong)


def test_a_real_device_is_kept_from_programs_that_ask_for_no_lock(monkeypatch: pytest.MonkeyPatch, meter: Pty) -> None:
    """R24."""
    monkeypatch.setattr(tty, "is_pty", lambda _path: False)
    exclusive = bytearray(4)
    with open_port(meter.name, LINE) as port:
        fcntl.ioctl(port.fileno(), getattr(termios, "TIOCGEXCL", 0x80045440), exclusive)
        assert any(exclusive)
    open_port(meter.name, LINE).close()
    check = os.open(meter.name, os.O_RDWR | os.O_NOCTTY)
    fcntl.ioctl(check, 0x80045440, exclusive)
    os.close(check)
    assert not any(exclusive)


def test_spy_writes_down_what_passes(meter: Pty, tmp_path: Path) -> None:
    record = tmp_path / "octets.txt"
    with open_port(f"spy://{meter.name}?file={record}", LINE) as port:
        port.write(b"\xca\xfe")
        os.write(meter.master, b"\xbe\xef")
        assert port.wait(LIMIT)
        assert port.read() == b"\xbe\xef"
    text = record.read_text().upper()
    assert "CA FE" in text
    assert "BE EF" in text


def test_a_wake_set_before_opening_opens_nothing(meter: Pty) -> None:
    with Wake() as wake:
        wake.set()
        with pytest.raises(PortWoken):
            open_port(meter.name, LINE, wake)
        wake.clear()
        open_port(meter.name, LINE, wake).close()
        assert not wake.wait(0)


def test_line_settings_say_what_they_are() -> None:
    assert str(LineSettings(300, 7, "E")) == "300 7E1"
    assert LineSettings(9600).octet_time == pytest.approx(10 / 9600)


def test_the_speed_of_an_open_port_changes_and_nothing_else(meter: Pty) -> None:
    """R22: the port stays open, so nothing that comes meanwhile is lost."""
    with open_port(meter.name, LineSettings(300)) as port:
        before = termios.tcgetattr(port.fileno())
        os.write(meter.master, b"kept")
        port.change_baud(9600)
        after_it = termios.tcgetattr(port.fileno())
        assert after_it[4:6] == [termios.B9600, termios.B9600]
        assert after_it[:2] + after_it[3:4] == before[:2] + before[3:4]
        assert port.settings == LineSettings(9600)
        assert port.wait(5.0)
        assert port.read() == b"kept"
        with pytest.raises(PortError, match="12345 Bd is no speed"):
            port.change_baud(12345)
