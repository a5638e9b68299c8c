"""The SD-card image in an emulated Raspberry Pi 3B: services, an output of the header, RS-485 of its UART."""

import shutil
import socket
from collections.abc import Iterator

import debian
import pytest
from board_machine import Pi3Machine, image

_LINE = 17
#: The gateway's own output, looked at by RPi.GPIO.
_GPIO = f"""
import RPi.GPIO as GPIO
from smgw.ports.gpio.output import open_output
output = open_output("gpio://header/{_LINE}")
seen = [type(output).__name__, GPIO.input({_LINE})]
for active in (True, False):
    output.set(active=active)
    seen.append(GPIO.input({_LINE}))
output.close()
print(*seen)
"""
_SENT = b"/?!\r\n"
#: The gateway's own port. TIOCGRS485 says whether the UART is in its RS-485 mode; the driver knows none where it fails.
_RS485 = f"""
import fcntl, struct
from smgw.ports.line_settings import LineSettings
from smgw.ports.port import open_port
port = open_port("/dev/ttyAMA0", LineSettings(9600, 7, "E", 1, "kernel"))
print(struct.unpack("8I", fcntl.ioctl(port.fileno(), 0x542E, bytes(32)))[0] & 3)
port.write({_SENT!r})
port.close()
"""


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pi3Machine]:
    """Booted."""
    made = image()
    if shutil.which("fdtput") is None:
        pytest.skip("MISSING Debian packages, sudo apt-get install device-tree-compiler")
    kernel_name = debian.kernel_package()
    found = debian.fetch([kernel_name, "u-boot-rpi"])
    tree = next(found[kernel_name].folder.glob("usr/lib/linux-image-*/broadcom/bcm2837-rpi-3-b.dtb"))
    uboot = found["u-boot-rpi"].folder / "usr/lib/u-boot/rpi_3/u-boot.bin"
    folder = tmp_path_factory.mktemp("pi3")
    with Pi3Machine(made, folder, uboot, tree) as machine:
        machine.write_card({"authorized_keys": machine.public_key})
        machine.boot()
        yield machine
    shutil.rmtree(folder, ignore_errors=True)


def test_the_card_starts_the_gateway_on_a_pi_3(board: Pi3Machine) -> None:
    assert "Raspberry Pi 3" in board.run("cat", "/proc/device-tree/model")
    board.until(lambda: board.try_run("systemctl", "is-active", "smgw-lmn", "smgw-wan").returncode == 0)
    assert "ready: 1 meters" in board.run("journalctl", "-b", "-u", "smgw-lmn")


def test_the_root_is_the_slot_of_the_sd_card_and_read_only(board: Pi3Machine) -> None:
    source, options = board.run("findmnt", "-n", "-o", "SOURCE,OPTIONS", "/").split()
    assert source in ("/dev/mmcblk0p2", "/dev/mmcblk1p2")
    assert "ro" in options.split(",")


def test_an_output_of_the_header_is_switched_by_rpi_gpio(board: Pi3Machine) -> None:
    assert board.run("python3", "-", given=_GPIO).split() == ["_RpiOutput", "0", "1", "0"]


def test_the_full_uart_switches_the_direction_of_rs485_itself(board: Pi3Machine) -> None:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(120)
        line.connect(str(board.uart))
        enabled_and_rts_on_send = 3
        assert int(board.run("python3", "-", given=_RS485)) == enabled_and_rts_on_send
        came = b""
        while len(came) < len(_SENT):
            came += line.recv(64)
    assert came == _SENT
