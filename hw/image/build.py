"""Builds the SD-card image: `make image`.

    python3 hw/image/build.py [OUTPUT-DIRECTORY]

Writes smgw-VERSION.img (to be flashed), root.ext4 (one root slot, from which a bundle for updates is made), and
smgw-image_VERSION.cdx.json (what is in it). Needs root, and the Debian packages that it names if they are missing.
The same commit with the same Debian packages gives the same files, octet for octet.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import bom
import debian
import disk
import tree

ROOT = Path(__file__).resolve().parents[2]
#: The exit code where the packages cannot be had, for tests that are skipped then.
NO_PACKAGES = 75
#: Unpacked beside the root: none of them could be configured quickly under emulation.
_BESIDE = ("busybox-static", "firmware-brcm80211", "raspi-firmware", "u-boot-rpi")


def main(output: Path) -> None:
    """Build everything into `output`."""
    if why := debian.lacks():
        raise SystemExit(f"make image: {why}")
    os.environ["PATH"] = "/usr/sbin:/sbin:" + os.environ.get("PATH", "/usr/bin:/bin")
    os.umask(0o022)
    began = time.monotonic()
    epoch = _epoch()
    output.mkdir(parents=True, exist_ok=True)
    try:
        tar = debian.root_tar()
        others = debian.fetch(_BESIDE)
        name = debian.kernel_package()
        kernel = debian.fetch([name])[name]
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        print(f"make image: Debian's packages could not be had: {error}", file=sys.stderr)
        sys.exit(NO_PACKAGES)
    with _in_memory() as work:
        subprocess.run([str(ROOT / "firmware/deb.sh"), str(work / "deb")], check=True, stdout=subprocess.DEVNULL)
        deb = next((work / "deb").glob("smgw_*.deb"))
        version = deb.name.split("_")[1]
        made = work / "root"
        made.mkdir()
        tree.make(made, tar, deb, kernel, others)
        disk.clamp(made, epoch)
        bom.write(output / f"smgw-image_{version}.cdx.json", version, made, [kernel, *others.values()])
        _sort(made, work / "sorted")
        disk.slot(work / "sorted", output / "root.ext4", epoch)
        fat = work / "fat-files"
        fat.mkdir()
        disk.firmware(fat, others, kernel, epoch)
        card = output / f"smgw-{version}.img"
        disk.card(card, fat, output / "root.ext4", work, epoch)
    print(f"{card}: {card.stat().st_blocks * 512 // disk.MIB} MiB, {time.monotonic() - began:.0f} s")


def _epoch() -> int:
    """When the commit was made."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    shown = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False)
    return int(shown.stdout or (ROOT / "CHANGELOG.md").stat().st_mtime)


@contextlib.contextmanager
def _in_memory() -> Iterator[Path]:
    """A folder in memory. There a folder's names come in the order in which they were made, whatever the disk does."""
    with tempfile.TemporaryDirectory(prefix="smgw-image-") as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def _sort(source: Path, target: Path) -> None:
    """Copy a tree in the order of its names."""
    target.mkdir()
    pack = ("tar", "--create", "--sort=name", "--numeric-owner", "--xattrs", "-C", str(source), ".")
    unpack = ("tar", "--extract", "--numeric-owner", "--xattrs", "-p", "-C", str(target))
    with subprocess.Popen(pack, stdout=subprocess.PIPE) as packing:
        subprocess.run(unpack, stdin=packing.stdout, check=True)
    if packing.returncode:
        raise SystemExit("make image: the tree could not be copied")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "image")
