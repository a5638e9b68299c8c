"""Debian's packages for the image: a root file system as a tar, and single packages that are unpacked beside it.

All come from this computer's own package sources, so no address is written here. What was fetched or built stays in
${XDG_CACHE_HOME:-~/.cache}/smgw-image: the tar under the hash of its package list, the others in a private apt state.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
SUITE = "bookworm"
ARCHITECTURE = "arm64"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "smgw-image"
_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
_BINFMT = Path("/proc/sys/fs/binfmt_misc")
#: Programs that the build starts, and the Debian package of each.
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "qemu-aarch64-static": "qemu-user-static",
    "update-binfmts": "binfmt-support",
    "mke2fs": "e2fsprogs",
    "mformat": "mtools",
    "sfdisk": "fdisk",
    "cpio": "cpio",
    "zstd": "zstd",
    "modprobe": "kmod",
    "mkimage": "u-boot-tools",
    "openssl": "openssl",
}


class Fetched(NamedTuple):
    """A package that was unpacked, and what the bill of materials says about it."""

    name: str
    version: str
    folder: Path


def lacks() -> str:
    """Why this computer cannot build an image; empty if it can."""
    if os.geteuid() != 0:
        return "NEEDS ROOT: the root file system belongs to root, and is configured in a chroot"
    if why := missing(TOOLS):
        return why
    if not _SOURCES.exists():
        return f"no {_SOURCES}: the image is made from the packages named there"
    try:
        _enable_emulation()
    except (OSError, subprocess.CalledProcessError) as error:
        return f"this computer cannot run programs of arm64 (binfmt_misc): {error}"
    return ""


def missing(tools: Mapping[str, str]) -> str:
    """The packages of those programs that are not here, in words; empty if all are."""
    path = "/usr/sbin:/sbin:" + os.environ.get("PATH", "/usr/bin:/bin")
    absent = sorted({package for tool, package in tools.items() if shutil.which(tool, path=path) is None})
    return f"MISSING Debian packages, sudo apt-get install {' '.join(absent)}" if absent else ""


def words(file: Path) -> list[str]:
    """The lines of a list, without comments."""
    return [line for raw in file.read_text(encoding="utf-8").splitlines() if (line := raw.partition("#")[0].strip())]


def sources(*components: str) -> str:
    """This computer's own sources, for the image's release and the given components."""
    text = re.sub(r"^#.*\n", "", _SOURCES.read_text(), flags=re.MULTILINE)
    own = re.findall(r"^Suites:\s*(\w+)", text, re.MULTILINE)[0]
    text = re.sub(rf"\b{own}\b", SUITE, text)
    return re.sub(r"^Components:.*$", f"Components: {' '.join(components)}", text, flags=re.MULTILINE)


def root_tar() -> Path:
    """The tar of Debian's part of the root file system; built if the list of packages changed."""
    packages = words(HERE / "packages.txt")
    digest = hashlib.sha256("\n".join([SUITE, sources("main"), *packages, *_ROOT_OPTIONS]).encode()).hexdigest()[:12]
    tar = CACHE / f"root-{digest}.tar"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "root.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second build waits for the tar of the first
        if not tar.exists():
            _make_root(tar, packages)
    return tar


def _make_root(tar: Path, packages: Iterable[str]) -> None:
    new, listed = CACHE / f"{tar.stem}.{os.getpid()}.tar", CACHE / f"{tar.stem}.{os.getpid()}.sources"
    listed.write_text(sources("main"))
    try:
        subprocess.run(
            [
                *("mmdebstrap", "--quiet", f"--architectures={ARCHITECTURE}", "--variant=essential", "--mode=root"),
                *(f"--include={','.join(packages)}", *_ROOT_OPTIONS, SUITE, str(new), str(listed)),
            ],
            check=True,
            timeout=3600,
        )
        new.rename(tar)
    finally:
        listed.unlink(missing_ok=True)
        new.unlink(missing_ok=True)
    for old in CACHE.glob("root-*.tar"):
        if old != tar and "." not in old.stem:
            old.unlink(missing_ok=True)


#: Byte code is compiled by this computer's own Python later, for the emulated one takes minutes.
_SKIP_COMPILING = (
    'chroot "$1" dpkg-divert --quiet --local --no-rename --add --divert /usr/bin/py3compile.real /usr/bin/py3compile;'
    ' ln -s true "$1/usr/bin/py3compile"'
)
_ROOT_OPTIONS = (
    "--aptopt=APT::Install-Recommends false",
    "--aptopt=Acquire::Languages none",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    "--dpkgopt=path-exclude=/usr/share/info/*",
    f"--essential-hook={_SKIP_COMPILING}",
)


def _enable_emulation() -> None:
    """Let this computer run arm64 programs; they run in the chroot alone."""
    if not (_BINFMT / "register").exists():
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(_BINFMT)], check=True, capture_output=True)
    if not (_BINFMT / "qemu-aarch64").exists():
        subprocess.run(["update-binfmts", "--enable", "qemu-aarch64"], check=True, capture_output=True)


def fetch(names: Iterable[str]) -> Mapping[str, Fetched]:
    """Download packages of the image's architecture, and unpack each into a folder of its own."""
    state = CACHE / f"apt-{SUITE}-{ARCHITECTURE}"
    for part in ("lists/partial", "cache/archives/partial", "debs"):
        (state / part).mkdir(parents=True, exist_ok=True)
    (state / "status").touch()
    (state / "debian.sources").write_text(sources("main", "non-free-firmware"))
    options = [
        *("-o", f"Dir::Etc::sourcelist={state}/debian.sources", "-o", "Dir::Etc::sourceparts=-"),
        *("-o", f"Dir::State::lists={state}/lists", "-o", f"Dir::State::status={state}/status"),
        *("-o", f"Dir::Cache={state}/cache", "-o", "APT::Sandbox::User=root"),
        *("-o", f"APT::Architecture={ARCHITECTURE}", "-o", f"APT::Architectures={ARCHITECTURE}"),
    ]
    wanted = {name: _version(options, name) for name in names}
    if any(version is None or _unpacked(state, name, version) is None for name, version in wanted.items()):
        subprocess.run(["apt-get", "-qq", *options, "update"], check=True, timeout=600)
        wanted = {name: _version(options, name) for name in names}
    found = {}
    for name, version in wanted.items():
        if version is None:
            raise SystemExit(f"make image: the package sources of this computer have no package {name}")
        folder = _unpacked(state, name, version) or _unpack(state, options, name, version)
        found[name] = Fetched(name, version, folder)
    return found


def kernel_package() -> str:
    """The package that Debian's linux-image-arm64 stands for today."""
    meta = fetch(["linux-image-arm64"])["linux-image-arm64"]
    control = subprocess.run(
        ["dpkg-deb", "--field", str(next((meta.folder.parent).glob(f"{meta.folder.name}.deb"))), "Depends"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return re.split(r"[ ,]", control.stdout.strip())[0]


def _version(options: list[str], name: str) -> str | None:
    policy = subprocess.run(["apt-cache", *options, "policy", name], capture_output=True, text=True, check=True)
    found = re.search(r"Candidate: (\S+)", policy.stdout)
    return found[1] if found and found[1] != "(none)" else None


def _unpacked(state: Path, name: str, version: str) -> Path | None:
    folder = state / "debs" / f"{name}_{version.replace(':', '%')}"
    return folder if folder.is_dir() else None


def _unpack(state: Path, options: list[str], name: str, version: str) -> Path:
    folder = state / "debs" / f"{name}_{version.replace(':', '%')}"
    work = folder.with_name(f"{folder.name}.{os.getpid()}")
    work.mkdir()
    try:
        subprocess.run(
            ["apt-get", "-qq", *options, "download", f"{name}={version}"], cwd=work, check=True, timeout=1800
        )
        deb = next(work.glob("*.deb"))
        deb.rename(folder.with_name(f"{folder.name}.deb"))
        subprocess.run(["dpkg-deb", "-x", f"{folder}.deb", str(work)], check=True)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for old in folder.parent.glob(f"{name}_*"):
        if old.name not in (folder.name, f"{folder.name}.deb"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    return folder
