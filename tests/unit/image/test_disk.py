"""The image's disk: the same tree gives the same octets, and the table is what U-Boot and initrd expect."""

import filecmp
import os
import shutil
import struct
import subprocess
from pathlib import Path

import disk
import pytest

EPOCH = 1_700_000_000
TOOLS = "/usr/sbin:/sbin:" + os.environ["PATH"]

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool, path=TOOLS) is None for tool in ("mke2fs", "debugfs", "mformat", "sfdisk")),
    reason="MISSING Debian packages, sudo apt-get install e2fsprogs mtools fdisk",
)


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", TOOLS)


def made_tree(folder: Path, epoch: int) -> Path:
    for name in ("boot/vmlinuz", "etc/hostname", "usr/bin/smgw"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    disk.clamp(folder, EPOCH)
    os.utime(folder / "etc/hostname", (epoch, EPOCH))  # somebody read it at another time
    return folder


def test_two_slots_of_one_tree_are_equal_whenever_they_were_made(tmp_path: Path) -> None:
    for number in (1, 2):
        tree = made_tree(tmp_path / str(number), EPOCH + 1000 * number)
        disk.slot(tree, tmp_path / f"{number}.ext4", EPOCH)
    assert filecmp.cmp(tmp_path / "1.ext4", tmp_path / "2.ext4", shallow=False)


def test_a_slot_is_a_whole_file_system(tmp_path: Path) -> None:
    disk.slot(made_tree(tmp_path / "tree", EPOCH), tmp_path / "slot", EPOCH)
    done = subprocess.run(["e2fsck", "-fn", tmp_path / "slot"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_two_cards_of_one_slot_are_equal(tmp_path: Path) -> None:
    slot = tmp_path / "slot"
    disk.slot(made_tree(tmp_path / "tree", EPOCH), slot, EPOCH)
    for number in (1, 2):
        work = tmp_path / f"work{number}"
        work.mkdir()
        disk.card(tmp_path / f"{number}.img", made_tree(work / "files", EPOCH), slot, work, EPOCH)
    assert filecmp.cmp(tmp_path / "1.img", tmp_path / "2.img", shallow=False)


def test_the_card_has_its_id_and_four_partitions_behind_the_boot_state(tmp_path: Path) -> None:
    files = made_tree(tmp_path / "files", EPOCH)
    disk.slot(made_tree(tmp_path / "tree", EPOCH), tmp_path / "slot", EPOCH)
    card = tmp_path / "card.img"
    disk.card(card, files, tmp_path / "slot", tmp_path, EPOCH)
    with card.open("rb") as opened:
        first = opened.read(512)
    assert first[440:444] == b"WGMS", "what the initrd looks for"
    starts = [struct.unpack_from("<I", first, 446 + 16 * part + 8)[0] for part in range(4)]
    kinds = [first[446 + 16 * part + 4] for part in range(4)]
    assert kinds == [0x0C, 0x83, 0x83, 0x83]
    assert starts[0] == 8192, "sectors 2048 and 2056 hold the boot state"
    assert starts == sorted(starts)
