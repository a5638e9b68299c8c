"""What `make image` leaves: the same octets from the same commit, a bill of materials, the licences of the firmware."""

import filecmp
import json
import shutil
import subprocess
from pathlib import Path

import debian
import pytest
from board_machine import ROOT, image

_FAT = "@@4194304"  # where the first partition begins


@pytest.fixture(scope="module")
def card() -> Path:
    return image()


def test_the_bill_of_materials_has_a_version_for_every_package(card: Path) -> None:
    bill = json.loads(next(card.parent.glob("smgw-image_*.cdx.json")).read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    named = {component["name"]: component["version"] for component in bill["components"]}
    assert all(named.values())
    expected = {"smgw", "systemd", "python3", "raspi-firmware", "u-boot-rpi", "busybox-static", "firmware-brcm80211"}
    assert expected | set(debian.words(ROOT / "hw/image/packages.txt")) <= set(named)
    assert any(name.startswith("linux-image-") for name in named)


def test_the_licences_of_the_boot_firmware_are_on_the_card(card: Path) -> None:
    def shown(name: str) -> str:
        return subprocess.run(["mtype", "-i", f"{card}{_FAT}", f"::{name}"], capture_output=True, text=True).stdout

    assert "Broadcom" in shown("raspi-firmware-licence.txt")
    assert "GPL" in shown("u-boot-rpi-licence.txt")


def test_two_builds_of_one_commit_are_equal(card: Path, tmp_path: Path) -> None:
    subprocess.run(
        ["/usr/bin/python3", ROOT / "hw/image/build.py", tmp_path], check=True, capture_output=True, timeout=3600
    )
    try:
        names = sorted(path.name for path in tmp_path.iterdir())
        assert card.name in names
        differing = [name for name in names if not filecmp.cmp(card.parent / name, tmp_path / name, shallow=False)]
        assert differing == []
    finally:
        shutil.rmtree(tmp_path)
