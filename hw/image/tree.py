"""The root file system of a slot: Debian's tar, the gateway's package, kernel, initrd, and the files of `files/`."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import modules
import signing
from debian import HERE, Fetched, words

#: Where parts of the data partition come to lie, and what must be empty in a slot.
_MOUNT_POINTS = (
    "data",
    "boot/firmware",
    "etc/smgw",
    "var/cache/private",
    *(f"var/lib/{name}" for name in ("smgw", "rauc", "smgw-image")),
)
_EMPTIED = ("etc/smgw", "var/lib/smgw", "var/lib/systemd", "var/cache", "var/log", "var/tmp", "tmp", "run")
_REMOVED = (
    *("etc/apt", "etc/ssh/ssh_host_*", "etc/.pwd.lock", "etc/*-", "root/.*"),
    *(
        "var/lib/dpkg/*-old",
        "var/lib/dpkg/lock*",
        "var/lib/dpkg/triggers/Lock",
        "var/lib/apt",
        "var/lib/dbus/machine-id",
    ),
    *("usr/share/lintian", "usr/share/bug", "var/backups", "usr/lib/binfmt.d/*", "usr/share/binfmts"),
)
_DIVERTED = "usr/bin/py3compile"


def make(root: Path, tar: Path, deb: Path, kernel: Fetched, others: Mapping[str, Fetched]) -> None:
    """Fill the empty folder `root`."""
    subprocess.run(["tar", "-xf", tar, "-C", root, "--numeric-owner"], check=True)
    _install(root, deb)
    _compile(root)
    version = _kernel(root, kernel)
    _initrd(root, version, others["busybox-static"])
    _wireless(root, others["firmware-brcm80211"])
    for package in (kernel, *others.values()):
        licence = f"usr/share/doc/{package.name}/copyright"
        _copy(package.folder / licence, root / licence)
    _clean(root)
    shutil.copytree(HERE / "files", root, dirs_exist_ok=True, copy_function=_copy)
    (root / "etc/rauc/keyring.pem").write_bytes(signing.certificate().read_bytes())
    _own(root)
    _systemctl(root, "enable", words(HERE / "enabled.txt"))
    _systemctl(root, "mask", words(HERE / "masked.txt"))


def _install(root: Path, deb: Path) -> None:
    """Install the gateway's package; its dependencies are in the tar.

    Debian's helper that enables units is a large program under emulation. So it is only noted what it was asked.
    """
    subprocess.run(
        ["systemd-sysusers", f"--root={root}", str(HERE / "users.conf")], check=True, stderr=subprocess.DEVNULL
    )
    _copy(deb, root / "tmp" / deb.name)
    helper, asked = root / "usr/bin/deb-systemd-helper", root / "tmp/asked"
    real = helper.rename(helper.with_suffix(".real"))
    helper.write_text('#!/bin/sh\necho "$@" >>/tmp/asked\n')
    helper.chmod(0o755)
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LANG": "C.UTF-8"}
    done = subprocess.run(
        ["chroot", str(root), "dpkg", "--install", f"/tmp/{deb.name}"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"make image: {deb.name} cannot be installed: {done.stdout}{done.stderr}")
    real.rename(helper)
    orders = [line.split() for line in asked.read_text().splitlines()]
    _systemctl(root, "enable", sorted({words[1] for words in orders if words[0] == "enable"}))


def _compile(root: Path) -> None:
    """Byte code that is never compared with its source, for nobody changes a slot."""
    real = root / f"{_DIVERTED}.real"
    if real.exists():
        real.replace(root / _DIVERTED)
        (root / "var/lib/dpkg/diversions").write_text("")
    folders = ("usr/lib/python3/dist-packages", "usr/lib/python3.11")
    options = ("-m", "compileall", "-q", "-j0", "--invalidation-mode", "unchecked-hash")
    if sys.version_info[:2] == (3, 11):
        command = [sys.executable, *options, "-s", str(root), *(str(root / folder) for folder in folders)]
    else:
        command = ["chroot", str(root), "python3", *options, *(f"/{folder}" for folder in folders)]
    # A file that is meant to be wrong, such as one of the tests of lib2to3, is no fault.
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _kernel(root: Path, kernel: Fetched) -> str:
    """Kernel, the modules that a gateway needs, and the boards' device trees; gives the kernel's version."""
    source = next((kernel.folder / "lib/modules").iterdir())
    version = source.name
    target = root / "usr/lib/modules" / version
    try:
        chosen = modules.choose(
            words(HERE / "modules.txt"),
            modules.dependencies(kernel.folder, version),
            words(source / "modules.builtin"),
        )
    except KeyError as error:
        raise SystemExit(f"make image: {kernel.name} has no module {', '.join(error.args)} (modules.txt)") from error
    for path in chosen:
        _copy(source / path, target / path)
    for file in (*source.glob("modules.builtin*"), source / "modules.order"):
        _copy(file, target / file.name)
    subprocess.run(["depmod", "-b", str(root), version], check=True, stderr=subprocess.DEVNULL)
    _copy(kernel.folder / f"boot/vmlinuz-{version}", root / "boot/vmlinuz")
    for board in words(HERE / "boards.txt"):
        _copy(kernel.folder / f"usr/lib/linux-image-{version}/broadcom/{board}", root / "boot/dtb" / board)
    return version


def _initrd(root: Path, version: str, busybox: Fetched) -> None:
    """busybox, the few modules that show the card, and a script."""
    folder = root / "tmp/initrd"
    _copy(busybox.folder / "bin/busybox", folder / "bin/busybox")
    _copy(HERE / "initrd/init", folder / "init")
    for place in ("proc", "sys", "dev", "newroot", "lib/modules"):
        (folder / place).mkdir(parents=True)
    loaded: list[str] = []
    for module in words(HERE / "initrd/modules.txt"):
        shown = subprocess.run(
            ["modprobe", "-d", str(root), "-S", version, "--show-depends", module],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        for line in shown.stdout.splitlines():
            if line.startswith("insmod ") and (file := Path(line.split()[1])).name not in loaded:
                loaded.append(file.name)
                _copy(file, folder / "lib/modules" / file.name)
    (folder / "modules").write_text("".join(f"{name}\n" for name in loaded))
    _own(folder)
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (0, 0), follow_symlinks=False)
    names = "\n".join(sorted(str(path.relative_to(folder)) for path in folder.rglob("*")))
    packed = subprocess.run(
        ["cpio", "--create", "--format=newc", "--quiet", "--reproducible", "--owner=0:0"],
        cwd=folder, input=names.encode(), capture_output=True, check=True,
    ).stdout  # fmt: skip
    compressed = subprocess.run(["zstd", "-q", "-9", "-c"], input=packed, capture_output=True, check=True).stdout
    (root / "boot/initrd.img").write_bytes(compressed)


def _wireless(root: Path, firmware: Fetched) -> None:
    """Firmware of the Wi-Fi chips that a Pi has (CYW43430, 43436, 43455, 43456)."""
    for file in sorted((firmware.folder / "lib/firmware").rglob("*")):
        name = file.name.lower()
        is_pi = any(chip in name for chip in ("43430", "43436", "43455", "43456"))
        is_other_board = name.endswith(".txt") and "raspberrypi" not in name
        if is_pi and not is_other_board and not file.is_dir():
            _copy(file, root / "usr/lib" / file.relative_to(firmware.folder / "lib"))


def _clean(root: Path) -> None:
    for pattern in _REMOVED:
        for path in root.glob(pattern):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for name in _EMPTIED:
        (root / name).mkdir(parents=True, exist_ok=True)
        for path in (root / name).iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    for name in _MOUNT_POINTS:
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "var/cache/private").chmod(0o700)
    (root / "etc/machine-id").write_text("")
    (root / "etc/hostname").write_text("smgw\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 smgw\n::1 localhost\n")
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/resolv.conf").symlink_to("/run/systemd/resolve/stub-resolv.conf")
    (root / "var/lib/dbus/machine-id").symlink_to("/etc/machine-id")
    (root / "usr/lib/clock-epoch").touch()


def _own(root: Path) -> None:
    """What came from this tree belongs to root, and its modes do not depend on the builder's umask."""
    for source in (HERE / "files").rglob("*"):
        path = root / source.relative_to(HERE / "files")
        if path.exists() and not path.is_symlink():
            os.chown(path, 0, 0)
            path.chmod(0o755 if path.is_dir() or source.stat().st_mode & 0o100 else 0o644)


def _systemctl(root: Path, verb: str, units: Iterable[str]) -> None:
    subprocess.run(
        ["systemctl", f"--root={root}", "--quiet", verb, *units],
        check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _copy(source: str | Path, target: str | Path) -> Path:
    """Copy a file or a folder."""
    source, target = Path(source), Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        return Path(shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True))
    return Path(shutil.copy2(source, target, follow_symlinks=False))
