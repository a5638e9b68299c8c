"""The SD-card image in an emulated Raspberry Pi 3B: services, an output of the header, RS-485 of its UART."""

import shutil
from collections.abc import Iterator

import debian
import pytest
from board_machine import Pi3Machine, image

_GPIO = """
import RPi.GPIO as GPIO
GPIO.setwarnings(False); GPIO.setmode(GPIO.BCM); GPIO.setup(17, GPIO.OUT, initial=0)
seen = [GPIO.input(17)]
for level in (1, 0):
    GPIO.output(17, level); seen.append(GPIO.input(17))
print(seen)
"""
_RS485 = """
import fcntl, struct, serial
from serial.rs485 import RS485Settings
port = serial.Serial("/dev/ttyAMA0", 9600, parity="E", bytesize=7, timeout=2)
mode = dict(rts_level_for_tx=True, rts_level_for_rx=False, delay_before_tx=0.001, delay_before_rx=0.0)
port.rs485_mode = RS485Settings(**mode)
told = bytearray(32)
fcntl.ioctl(port.fileno(), 0x542E, told)
print(struct.unpack("8I", told)[0] & 1)
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
        machine.power_on()
        machine.until(machine.answers, 1800)
        yield machine
    shutil.rmtree(folder, ignore_errors=True)


def test_the_card_starts_the_gateway_on_a_pi_3(board: Pi3Machine) -> None:
    assert "Raspberry Pi 3" in board.run("cat", "/proc/device-tree/model")
    board.until(lambda: board.try_run("systemctl", "is-active", "smgw-lmn", "smgw-wan").returncode == 0, 600)


def test_the_root_is_the_slot_of_the_sd_card_and_read_only(board: Pi3Machine) -> None:
    source, options = board.run("findmnt", "-n", "-o", "SOURCE,OPTIONS", "/").split()
    assert source in ("/dev/mmcblk0p2", "/dev/mmcblk1p2")
    assert "ro" in options.split(",")


def test_an_output_of_the_header_is_switched_by_rpi_gpio(board: Pi3Machine) -> None:
    assert board.run("python3", "-", given=_GPIO).strip() == "[0, 1, 0]"


def test_the_full_uart_switches_the_direction_of_rs485_itself(board: Pi3Machine) -> None:
    assert board.run("python3", "-", given=_RS485).strip() == "1"
