"""File systems and the disk: FAT for the boot firmware, two root slots, the data partition.

Nothing is mounted. The same tree gives the same octets: numbers and times are fixed, and names are sorted.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from debian import HERE, Fetched

MIB = 1024 * 1024
#: The disk's id, and thereby the PARTUUIDs, by which initrd, fstab and U-Boot's script find the card.
DISK_ID = 0x534D4757
_FIRST_MIB = 4
_FAT_MIB = 256
_SLOT_MIB = 640
_DATA_MIB = 64
#: To how many blocks of 4 KiB a file system can grow: 256 GB.
_LARGEST_BLOCKS = 64 * 1024 * 1024
_UUID = "736d6777-0000-4000-8000-{:012d}"
#: Files of the boot firmware; those of cameras and debugging are left out.
_FIRMWARE = ("bootcode.bin", "start.elf", "start4.elf", "fixup.dat", "fixup4.dat")


def slot(tree: Path, file: Path, epoch: int) -> None:
    """An ext4 file system with the tree."""
    used = sum(path.lstat().st_blocks for path in tree.rglob("*")) * 512 // MIB
    if used * 1.15 > _SLOT_MIB:
        raise SystemExit(f"make image: the root needs {used} MiB, too much for a slot of {_SLOT_MIB} MiB")
    _ext4(file, _SLOT_MIB, 1, "smgw-root", epoch, "-d", str(tree))
    _settle_times(tree, file, epoch)


def _settle_times(tree: Path, file: Path, epoch: int) -> None:
    """mke2fs takes the times of access and change from the tree, where nobody can set the latter."""
    names = [f"/{path.relative_to(tree)}" for path in sorted(tree.rglob("*"))]
    orders = [f'sif "{name}" {field} @{epoch}' for name in ("/", *names) for field in ("atime", "ctime")]
    done = subprocess.run(
        ["debugfs", "-w", "-f", "-", str(file)],
        input="\n".join(orders), capture_output=True, text=True, check=True, env=_at(epoch),
    )  # fmt: skip
    faults = [line for line in done.stderr.splitlines() if not line.startswith("debugfs ")]
    if faults:
        raise SystemExit(f"make image: the times of the root slot cannot be set: {faults[0]}")


def _ext4(file: Path, size: int, number: int, label: str, epoch: int, *options: str) -> None:
    file.unlink(missing_ok=True)
    with file.open("wb") as made:
        made.truncate(size * MIB)
    uuid = _UUID.format(number)
    subprocess.run(
        [
            *("mke2fs", "-q", "-t", "ext4", "-b", "4096", "-m", "1", "-L", label, "-U", uuid),
            # A second -E would take the place of this one.
            *("-E", f"hash_seed={uuid},root_owner=0:0,resize={_LARGEST_BLOCKS}", *options, str(file)),
        ],
        check=True,
        env=_at(epoch),
    )


def _at(epoch: int) -> dict[str, str]:
    """The environment in which programs of e2fsprogs believe that it is `epoch`."""
    return {**_PATH, "E2FSPROGS_FAKE_TIME": str(epoch)}


def _fat(file: Path, folder: Path, epoch: int) -> None:
    """FAT32 with the files of a folder."""
    file.unlink(missing_ok=True)
    with file.open("wb") as made:
        made.truncate(_FAT_MIB * MIB)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch), "TZ": "UTC", "MTOOLS_SKIP_CHECK": "1"}
    for path in folder.rglob("*"):
        os.utime(path, (epoch, epoch))
    subprocess.run(
        ["mformat", "-i", file, "-F", "-v", "SMGW", "-N", f"{DISK_ID:08x}", "::"], check=True, env=environment
    )
    names = sorted(folder.iterdir())
    subprocess.run(["mcopy", "-i", file, "-s", "-m", "-Q", *names, "::"], check=True, env=environment)


def firmware(folder: Path, others: Mapping[str, Fetched], kernel: Fetched, epoch: int) -> None:
    """What the first partition holds: the Pi's boot firmware with its licence, U-Boot and its script, `smgw/`."""
    pi, uboot = others["raspi-firmware"], others["u-boot-rpi"]
    for name in _FIRMWARE:
        shutil.copy(pi.folder / "usr/lib/raspi-firmware" / name, folder)
    for package in (pi, uboot):
        shutil.copy(package.folder / f"usr/share/doc/{package.name}/copyright", folder / f"{package.name}-licence.txt")
    shutil.copy(uboot.folder / "usr/lib/u-boot/rpi_arm64/u-boot.bin", folder / "u-boot.bin")
    version = next((kernel.folder / "lib/modules").iterdir()).name
    for board in (HERE / "boards.txt").read_text().splitlines():
        if board and not board.startswith("#"):
            shutil.copy(kernel.folder / f"usr/lib/linux-image-{version}/broadcom/{board}", folder)
    for file in sorted((HERE / "firmware").iterdir()):
        shutil.copy(file, folder)
    shutil.copytree(HERE / "smgw", folder / "smgw")
    shutil.copy(HERE.parents[1] / "config/gateway.debian.toml", folder / "smgw/gateway.toml.example")
    subprocess.run(
        [
            *("mkimage", "-A", "arm64", "-O", "linux", "-T", "script", "-C", "none", "-n", "smgw"),
            *("-d", str(HERE / "boot/boot.cmd"), str(folder / "boot.scr")),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**_PATH, "SOURCE_DATE_EPOCH": str(epoch)},
    )


def card(file: Path, fat_folder: Path, root: Path, work: Path, epoch: int) -> None:
    """The whole disk. Slot B is empty until the first update."""
    starts = [_FIRST_MIB, _FIRST_MIB + _FAT_MIB]
    starts += [starts[1] + _SLOT_MIB, starts[1] + 2 * _SLOT_MIB]
    sizes = [_FAT_MIB, _SLOT_MIB, _SLOT_MIB, _DATA_MIB]
    table = f"label: dos\nlabel-id: {DISK_ID:#x}\nunit: sectors\n"
    for start, size, kind in zip(starts, sizes, ("c, bootable", "83", "83", "83"), strict=True):
        table += f"start={start * MIB // 512}, size={size * MIB // 512}, type={kind}\n"
    file.unlink(missing_ok=True)
    with file.open("wb") as made:
        made.truncate((starts[-1] + _DATA_MIB) * MIB)
    subprocess.run(["sfdisk", "--quiet", str(file)], input=table, text=True, check=True, env=_PATH)
    fat, data = work / "fat", work / "data"
    _fat(fat, fat_folder, epoch)
    # The journal stays small, since it is rewritten in place.
    _ext4(data, _DATA_MIB, 2, "smgw-data", epoch, "-J", "size=8")
    for part, start in zip((fat, root, data), (starts[0], starts[1], starts[3]), strict=True):
        _write(part, file, start * MIB)


_PATH = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


def _write(part: Path, disk: Path, offset: int) -> None:
    """Copy what is not zero."""
    zero = bytes(MIB)
    with part.open("rb") as source, disk.open("r+b") as target:
        for index in range(part.stat().st_size // MIB):
            if (block := source.read(MIB)) != zero:
                target.seek(offset + index * MIB)
                target.write(block)


def clamp(tree: Path, epoch: int) -> None:
    """No time in the tree is later than the commit."""
    for path in (tree, *tree.rglob("*")):
        with suppress(FileNotFoundError):
            if path.lstat().st_mtime > epoch:
                os.utime(path, (epoch, epoch), follow_symlinks=False)
