"""Kernel modules of a root slot: none lacks what it needs, and each device of the boards has its driver."""

import re
import subprocess
from pathlib import Path

import debian
import modules
import pytest
from board_machine import image
from debian import Fetched

#: Drivers that a gateway does not need: display, camera and sound, Bluetooth, and buses of the pin header.
NOT_NEEDED = {"vc4", "v3d", "vchiq", "snd_soc_bcm2835_i2s", "hci_uart", "spi_bcm2835", "spi_bcm2835aux", "pwm_bcm2835"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of modules and device trees of a slot."""
    folder = tmp_path_factory.mktemp("root")
    slot = image().parent / "root.ext4"
    for part in ("/usr/lib/modules", "/boot/dtb"):
        subprocess.run(["/usr/sbin/debugfs", "-R", f"rdump {part} {folder}", slot], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def kernel() -> Fetched:
    """Debian's package, with all modules."""
    name = debian.kernel_package()
    return debian.fetch([name])[name]


def version(root: Path) -> str:
    return next((root / "modules").iterdir()).name


def inside(root: Path) -> set[str]:
    folder = root / "modules" / version(root)
    return {str(path.relative_to(folder)) for path in folder.rglob("*.ko*")}


def test_no_module_lacks_what_it_needs(root: Path, kernel: Fetched) -> None:
    known = modules.dependencies(kernel.folder, version(root))
    found = inside(root)
    assert len(found) > 100
    assert {path: missing for path in found if (missing := set(known[path]) - found)} == {}


def test_each_device_of_the_boards_has_its_driver(root: Path, kernel: Fetched) -> None:
    devices = {
        name.decode()
        for tree in (root / "dtb").iterdir()
        for name in re.findall(rb"[a-z0-9-]+,[A-Za-z0-9._-]+", tree.read_bytes())
    }
    shown = subprocess.run(
        ["/usr/sbin/depmod", "--dry-run", "-b", kernel.folder, version(root)],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    drivers = re.findall(r"^alias of:N\*T\*C([^*\s]+) (\w+)$", shown, re.MULTILINE)
    wanted = {driver for device, driver in drivers if device in devices}
    assert {"dwc2", "genet", "bcm2835"} <= wanted
    assert wanted - NOT_NEEDED - set(map(modules.name, inside(root))) == set()
