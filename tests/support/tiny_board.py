"""U-Boot with the script of the image and two tiny kernels, in QEMU: what starts, and what is written in what order.

A kernel is seven instructions that print the letter of their slot and turn the board off. A start takes 3 s.
"""

import shutil
import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from smgw.update.boot_state import COPIES, SECTOR, BootState, decode, encode

ROOT = Path(__file__).resolve().parents[2]
UBOOT = Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin")
_TOOLS = {
    "qemu-system-aarch64": "qemu-system-arm",
    "mkimage": "u-boot-tools",
    "mcopy": "mtools",
    "sfdisk": "fdisk",
    "mke2fs": "e2fsprogs",
}
_PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
_MIB = 2**20
#: Partitions: FAT with the script, slots A and B. All in MiB; the first begins where the image's does.
_FAT, _A, _B, _END = 4, 36, 44, 52
_LOG_MAGIC = 0x6A736677736872


class Written(NamedTuple):
    """One write of the board: sector number and octets."""

    sector: int
    octets: bytes


class Started(NamedTuple):
    """What a start showed."""

    console: str
    slot: str  #: the letter that the kernel printed; empty if none started
    writes: tuple[Written, ...]


def lacks() -> str:
    """Why there is no such board here; empty if there is."""
    path = _PATH["PATH"]
    missing = [package for tool, package in _TOOLS.items() if shutil.which(tool, path=path) is None]
    missing += [] if UBOOT.exists() else ["u-boot-qemu"]
    return f"MISSING Debian packages, sudo apt-get install {' '.join(missing)}" if missing else ""


def kernel(letter: str) -> bytes:
    """An arm64 Image (Documentation/arm64/booting) that prints a letter to the PL011 and calls PSCI SYSTEM_OFF.

    Flag 8: it may lie anywhere.
    """
    code = [
        0xD2A12001,  # mov  x1, #0x09000000
        0x52800000 | ord(letter) << 5,  # mov  w0, #letter
        0xB9000020,  # str  w0, [x1]
        0x52800100,  # mov  w0, #8
        0x72B08000,  # movk w0, #0x8400, lsl #16
        0xD4000002,  # hvc  #0
        0x14000000,  # b    .
    ]
    header = struct.pack("<IIQQQ24x4sI", 0x14000010, 0, 0, 4096, 8, b"ARM\x64", 0)
    return (header + struct.pack(f"<{len(code)}I", *code)).ljust(4096, b"\0")


class TinyBoard:
    """One card and its board."""

    def __init__(self, folder: Path, kernels: Mapping[str, bytes | None], card: Path | None = None) -> None:
        """`kernels`: the kernel of each slot; None for a slot that was never written. Or a copy of a card."""
        self.card = folder / "card"
        self._folder = folder
        if card is not None:
            shutil.copy(card, self.card)
            return
        with self.card.open("wb") as made:
            made.truncate(_END * _MIB)
        table = "label: dos\nlabel-id: 0x534d4757\nunit: sectors\n" + "".join(
            f"start={begin * 2048}, size={(end - begin) * 2048}, type={kind}\n"
            for begin, end, kind in ((_FAT, _A, "c, bootable"), (_A, _B, "83"), (_B, _END, "83"))
        )
        self._run("sfdisk", "--quiet", str(self.card), given=table)
        script = folder / "boot.scr"
        self._run("mkimage", "-A", "arm64", "-T", "script", "-d", str(ROOT / "hw/image/boot/boot.cmd"), str(script))
        at = f"{self.card}@@{_FAT * _MIB}"
        self._run("mformat", "-i", at, "-T", str((_A - _FAT) * 2048), "::")
        self._run("mcopy", "-i", at, str(script), "::boot.scr")
        for name, begin in (("A", _A), ("B", _B)):
            if (octets := kernels.get(name)) is not None:
                self._slot(begin, octets)

    @classmethod
    def copy(cls, card: Path, folder: Path) -> Self:
        """A board with a copy of a card."""
        return cls(folder, {}, card)

    def _slot(self, begin: int, octets: bytes) -> None:
        tree = self._folder / "tree"
        (tree / "boot").mkdir(parents=True)
        (tree / "boot/vmlinuz").write_bytes(octets)
        (tree / "boot/initrd.img").write_bytes(b"no initrd".ljust(512, b"\0"))
        file = self._folder / "slot"
        self._run("mke2fs", "-q", "-t", "ext4", "-d", str(tree), str(file), "8M")
        self._put(begin * _MIB, file.read_bytes())
        file.unlink()
        shutil.rmtree(tree)

    @staticmethod
    def _run(*command: str, given: str = "") -> None:
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=60, env=_PATH)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    def _put(self, at: int, octets: bytes) -> None:
        with self.card.open("r+b") as file:
            file.seek(at)
            file.write(octets)

    def copies(self) -> tuple[bytes, bytes]:
        """Both copies of the boot state, as they are on the card."""
        found = []
        with self.card.open("rb") as file:
            for at in COPIES:
                file.seek(at)
                found.append(file.read(SECTOR))
        return found[0], found[1]

    @property
    def states(self) -> tuple[BootState | None, BootState | None]:
        """What the copies say; None for a damaged one."""
        first, second = self.copies()
        return decode(first), decode(second)

    def put(self, *copies: BootState | bytes) -> None:
        """Write both copies; octets are written as they are."""
        for at, copy in zip(COPIES, copies, strict=True):
            self._put(at, copy if isinstance(copy, bytes) else encode(copy))

    def apply(self, writes: Sequence[Written]) -> None:
        """Write what the board wrote."""
        for write in writes:
            self._put(write.sector * SECTOR, write.octets)

    def start(self) -> Started:
        """Power on, until the kernel turns the board off, or U-Boot resets it."""
        log, console = self._folder / "writes", self._folder / "console"
        with log.open("wb") as made:
            made.truncate(_MIB)
        command = [
            *("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53", "-m", "256", "-display", "none"),
            *("-nodefaults", "-no-reboot", "-monitor", "none", "-bios", str(UBOOT)),
            *("-chardev", f"file,id=c,path={console}", "-serial", "chardev:c"),
            *("-blockdev", f"driver=file,node-name=card,filename={self.card}"),
            *("-blockdev", f"driver=file,node-name=log,filename={log}"),
            *("-blockdev", "driver=blklogwrites,node-name=logged,file=card,log=log"),
            *("-device", "virtio-blk-pci,drive=logged"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        text = console.read_text(errors="replace")
        last = text.rstrip()[-1:]
        return Started(text, last if "Starting kernel" in text and last in "AB" else "", tuple(_writes(log)))


def _writes(log: Path) -> list[Written]:
    """The writes in a log in the form of the kernel's dm-log-writes, in their order."""
    octets = log.read_bytes()
    magic, _, entries, size = struct.unpack_from("<QQQI", octets)
    assert magic == _LOG_MAGIC
    found, at = [], size
    for _ in range(entries):
        sector, count, _, _ = struct.unpack_from("<QQQQ", octets, at)
        at += size
        if count:
            found.append(Written(sector * size // SECTOR, octets[at : at + count * size]))
        at += count * size
    return found
