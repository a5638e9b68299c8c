"""Who drives an RS-485 line, and when it lets go. The tty is a pty; its RS-485 and RTS calls are watched."""

import errno
import fcntl
import os
import pty
import struct
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fake_rpi
import pytest
from fake_gpio import FakeKernel
from kernel_headers import of_the_headers
from smgw.lmn.driver import line_settings
from smgw.ports import LineSettings, PortError, open_port
from smgw.ports.gpio import kernel
from smgw.ports.gpio.output import open_output
from smgw.profiles.gpio_line import HEADERS
from smgw.profiles.problems import ConfigurationError
from smgw.profiles.toml_importer import parse

LINE = "gpio://pinctrl-bcm2711/4"
OTHER = "gpio://expander/4"
RS485, RTS = LineSettings(rs485="kernel"), LineSettings(rs485="rts")
CONFIGURATION = """\
[gateway]
device_id = "ESMG0000000001"
[[meter]]
name = "house"
protocol = "dlms"
port = "/dev/ttyAMA0"
rs485 = "{}"
"""


class Tty:
    """A pty, and the calls that a UART's driver would get."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.master, self._slave = pty.openpty()
        self.path = os.ttyname(self._slave)
        self.calls: list[str] = []
        self.flags = 0
        self.has_rs485 = True
        self.queued = [0]
        self.register: list[int] = []  #: answers of TIOCSERGETLSR; empty: the driver does not say
        self._real = fcntl.ioctl
        monkeypatch.setattr("smgw.ports.direction.fcntl.ioctl", self._ioctl)

    def _ioctl(self, descriptor: Any, request: int, argument: Any = 0, *more: Any) -> Any:
        match request:
            case 0x542F if self.has_rs485:
                self.flags = struct.unpack("=8I", argument)[0]
                self.calls.append("rs485")
                return argument
            case 0x542E if self.has_rs485:
                return struct.pack("=8I", self.flags, *[0] * 7)
            case 0x542E | 0x542F:
                raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
            case termios.TIOCMBIS | termios.TIOCMBIC:
                if struct.unpack("=i", argument)[0] & termios.TIOCM_RTS:
                    self.calls.append("send" if request == termios.TIOCMBIS else "listen")
                return b""
            case termios.TIOCOUTQ:
                self.calls.append("queue")
                return struct.pack("=I", self.queued.pop(0) if len(self.queued) > 1 else self.queued[0])
            case 0x5459 if self.register:
                self.calls.append("register")
                return struct.pack("=I", self.register.pop(0) if len(self.register) > 1 else self.register[0])
            case 0x5459:
                raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        return self._real(descriptor, request, argument, *more)

    def close(self) -> None:
        os.close(self.master)
        os.close(self._slave)


@pytest.fixture
def tty(monkeypatch: pytest.MonkeyPatch) -> Iterator[Tty]:
    made = Tty(monkeypatch)
    yield made
    made.close()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeKernel:
    made = FakeKernel("pinctrl-bcm2711", "expander")
    monkeypatch.setattr(kernel, "KERNEL", made)
    return made


def test_an_adapter_that_switches_by_itself_is_left_alone(tty: Tty) -> None:
    with open_port(tty.path, LineSettings()) as port:
        opened = len(tty.calls)
        port.write(b"hello")
    assert len(tty.calls) == opened


def test_rts_drives_the_line_only_while_octets_are_sent(tty: Tty) -> None:
    with open_port(tty.path, RTS) as port:
        assert set(tty.calls) == {"listen"}, "not even the opening drives it"
        tty.calls.clear()
        port.write(b"hello")
        assert os.read(tty.master, 100) == b"hello"
    assert tty.calls == ["send", "queue", "listen"]


def test_the_line_is_let_go_after_buffer_and_shift_register_are_empty(tty: Tty) -> None:
    tty.queued, tty.register = [5, 2, 0], [0, 0, 1]
    with open_port(tty.path, RTS) as port:
        port.write(b"hello")
    assert tty.calls[-8:] == ["send", *["queue"] * 3, *["register"] * 3, "listen"]


def test_a_line_that_takes_nothing_is_let_go_and_said(tty: Tty) -> None:
    tty.queued = [5]
    with open_port(tty.path, RTS) as port, pytest.raises(PortError, match="flow control"):
        port.write(b"hello")
    assert tty.calls[-1] == "listen"


def test_a_stop_lets_go_of_the_line(tty: Tty) -> None:
    tty.queued = [5]
    with open_port(tty.path, RTS) as port:
        port.wake()
        with pytest.raises(PortError):
            port.write(b"hello")
    assert tty.calls[-2:] == ["send", "listen"]


def test_the_kernel_switches_where_its_driver_can(tty: Tty) -> None:
    with open_port(tty.path, RS485) as port:
        port.write(b"hello")
    assert tty.flags == 0b11
    assert tty.calls.count("rs485") == 1


def test_a_driver_without_rs485_is_refused_with_the_other_ways(tty: Tty) -> None:
    tty.has_rs485 = False
    with pytest.raises(PortError, match='no RS-485 mode; write rs485 = "none"'):
        open_port(tty.path, RS485)
    open_port(tty.path, LineSettings()).close()  # it was given back


def test_a_reopened_port_is_set_up_again(tty: Tty) -> None:
    with open_port(tty.path, RS485) as port:
        port.reopen(RS485)
    assert tty.calls.count("rs485") == 2


def test_a_gpio_line_switches(tty: Tty, fake: FakeKernel) -> None:
    with open_port(tty.path, LineSettings(rs485=OTHER)) as port:
        port.write(b"hello")
    assert fake.lines["expander", 4].states == [False, True, False, False]


def test_a_header_line_goes_by_rpi_gpio(monkeypatch: pytest.MonkeyPatch) -> None:
    made = fake_rpi.install(monkeypatch)
    output = open_output(f"{LINE}?active=low")
    output.set(active=True)
    output.close()
    output.close()
    assert made.done == [
        ("mode", made.BCM), ("setup", 4, made.OUT, 1), ("output", 4, 0), ("output", 4, 1), ("cleanup", 4),
    ]  # fmt: skip


def test_without_a_usable_rpi_gpio_the_kernel_does_it(monkeypatch: pytest.MonkeyPatch, fake: FakeKernel) -> None:
    fake_rpi.install(monkeypatch).fails = True
    output = open_output(LINE)
    output.set(active=True)
    output.close()
    assert fake.lines["pinctrl-bcm2711", 4].states == [True, False]


def test_another_chip_never_goes_by_rpi_gpio(monkeypatch: pytest.MonkeyPatch, fake: FakeKernel) -> None:
    made = fake_rpi.install(monkeypatch)
    open_output(OTHER).close()
    assert made.done == []
    assert ("expander", 4) in fake.lines
    assert "expander" not in HEADERS


@pytest.mark.parametrize("value", ["none", "kernel", "rts", LINE])
def test_the_profile_reaches_the_port(value: str) -> None:
    (meter,) = parse(CONFIGURATION.format(value), "g.toml").meters
    assert line_settings(meter).rs485 == value


@pytest.mark.parametrize("value", ["auto", "gpio://4"])
def test_a_wrong_value_is_a_fault_of_the_file(value: str) -> None:
    with pytest.raises(ConfigurationError, match="rs485"):
        parse(CONFIGURATION.format(value), "g.toml")


@pytest.mark.parametrize("port", ["rfc2217://bridge:4001", "socket://bridge:4001"])
def test_a_bridge_switches_its_own_line(port: str) -> None:
    with pytest.raises(ConfigurationError, match="rs485"):
        parse(CONFIGURATION.format("rts").replace("/dev/ttyAMA0", port), "g.toml")


def test_the_numbers_are_those_of_the_kernels_headers(tmp_path: Path) -> None:
    names = "sizeof(struct serial_rs485)", "SER_RS485_ENABLED", "SER_RS485_RTS_ON_SEND", "TIOCGRS485", "TIOCSRS485"
    more = "TIOCSERGETLSR", "TIOCSER_TEMT"
    headers = "linux/serial.h", "asm/ioctls.h"
    assert of_the_headers(tmp_path, *names, *more, headers=headers) == [32, 1, 2, 0x542E, 0x542F, 0x5459, 1]
