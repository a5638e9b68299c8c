"""A Debian machine in a folder, booted by systemd-nspawn: a real systemd as process 1, its own network, no hardware.

    with Machine(rootfs("bookworm"), folder) as machine:
        machine.run("systemctl", "is-system-running")

The root file system is made once by mmdebstrap from this computer's own package sources, and kept in build/rootfs.
cgroup limits, udev and real USB are what it cannot show.
"""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

import pytest
from soon import LIMIT

ROOT = Path(__file__).resolve().parents[2]
_CACHE = ROOT / "build" / "rootfs"
_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
_TOOLS = {"mmdebstrap": "mmdebstrap", "systemd-nspawn": "systemd-container", "nsenter": "util-linux"}
#: What the .deb depends on, and what Raspberry Pi OS has anyway.
_PACKAGES = [
    *("systemd", "systemd-sysv", "udev", "dbus", "passwd", "python3", "python3-serial", "python3-lxml"),
    *("python3-systemd", "python3-ntplib", "python3-urllib3", "python3-cryptography", "python3-tornado"),
    *("python3-aiohttp", "python3-jinja2", "python3-rich", "python3-pytest", "python3-hypothesis"),
]
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root", "TERM": "dumb"}


def unavailable() -> str:
    """Why there is no such machine here; empty if there is."""
    if os.geteuid() != 0:
        return "NEEDS ROOT: systemd-nspawn boots a machine"
    if missing := [package for tool, package in _TOOLS.items() if shutil.which(tool) is None]:
        return f"MISSING Debian packages, sudo apt-get install {' '.join(missing)}"
    if not _SOURCES.exists():
        return f"no {_SOURCES}: the machine is made from the packages named there"
    return ""


def rootfs(suite: str, *more: str) -> Path:
    """A tar of Debian `suite` with what the gateway needs and `more`; CalledProcessError if it cannot be had."""
    sources = _sources(suite)
    packages = [*_PACKAGES, *more]
    digest = hashlib.sha256("\n".join([sources, *packages]).encode()).hexdigest()[:12]
    kind = "_".join((suite, *more))  # apt takes no other sign in the name of a list
    tar = _CACHE / f"{kind}-{digest}.tar"
    if not tar.exists():
        _CACHE.mkdir(parents=True, exist_ok=True)
        for old in _CACHE.glob(f"{kind}-*"):
            old.unlink()
        new, listed = tar.with_suffix(".new.tar"), tar.with_suffix(".sources")
        listed.write_text(sources)
        try:
            subprocess.run(
                [
                    *("mmdebstrap", "--quiet", "--variant=minbase", "--mode=root", f"--include={','.join(packages)}"),
                    *("--aptopt=APT::Install-Recommends false", "--aptopt=Acquire::Languages none"),
                    *("--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"),
                    *(suite, str(new), str(listed)),
                ],
                check=True,
                capture_output=True,
                timeout=1800,
            )
            new.rename(tar)
        finally:
            listed.unlink()
    return tar


def _sources(suite: str) -> str:
    """This computer's own sources, for another release of Debian."""
    text = re.sub(r"^#.*\n", "", _SOURCES.read_text(), flags=re.MULTILINE)
    own = re.findall(r"^Suites:\s*(\w+)", text, re.MULTILINE)[0]
    return re.sub(rf"\b{own}\b", suite, text)


class Machine:
    """One machine. `binds` are devices (to use) or folders (to read) of this computer, under a name in it."""

    def __init__(self, tar: Path, folder: Path, binds: Mapping[Path, str] | None = None) -> None:
        self.root = folder / "root"
        self._log = folder / "console.log"
        self._binds = dict(binds or {})
        self._init = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.root.mkdir(parents=True)
        subprocess.run(["tar", "-xf", tar, "-C", self.root, "--numeric-owner"], check=True, timeout=120)

    def __enter__(self) -> Self:
        try:
            self.boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.power_off()
        shutil.rmtree(self.root, ignore_errors=True)

    def boot(self) -> None:
        """Start it, and wait until all of its units are."""
        binds = [
            f"--bind{'-ro' if outside.is_dir() else ''}={outside}:{inside}" for outside, inside in self._binds.items()
        ]
        command = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *binds, "-D", str(self.root), "--boot", "--console=pipe"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.until(lambda: self._find_init() and self._is_up())

    def _find_init(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text(errors="replace")
        number = self._process.pid
        with contextlib.suppress(OSError, IndexError):
            self._init = int(Path(f"/proc/{number}/task/{number}/children").read_text().split()[0])
            return True
        return False

    def _is_up(self) -> bool:
        done = self.try_run("systemctl", "is-system-running")
        return done.stdout.strip() in ("running", "degraded")

    def power_off(self) -> None:
        """As a person does it."""
        if self._process is None:
            return
        if self._init:
            self.try_run("systemctl", "poweroff")
        try:
            self._process.wait(30 if self._init else 0.1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    @property
    def off(self) -> bool:
        """True once it has switched itself off; then it can be booted again."""
        if self._process is None or self._process.poll() is not None:
            self._process = None
        return self._process is None

    def cut_power(self) -> None:
        """As a power cut does it, but that the disk keeps what it was given."""
        assert self._process is not None
        os.kill(self._init, signal.SIGKILL)
        self._process.wait(30)
        self._process = None

    def try_run(self, *command: str, given: str = "", seconds: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run a command in it as root."""
        return subprocess.run(
            ["nsenter", "-t", str(self._init), "-a", *command],
            input=given, capture_output=True, text=True, timeout=seconds, env=_ENVIRONMENT, cwd="/",
        )  # fmt: skip

    def run(self, *command: str, given: str = "", seconds: float = 60) -> str:
        """Its standard output; the command must succeed."""
        done = self.try_run(*command, given=given, seconds=seconds)
        assert done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Make a file in it."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def copy(self, source: Path, path: str) -> None:
        """Copy a file into it."""
        shutil.copy(source, self.root / path.lstrip("/"))

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit."""
        lines = self.run("systemctl", "show", unit, *(f"--property={name}" for name in names)).splitlines()
        return dict(line.split("=", 1) for line in lines)

    def journal(self, *matches: str) -> list[str]:
        """The messages that match, oldest first."""
        self.run("journalctl", "--sync")
        return self.try_run("journalctl", "--no-pager", "--output=cat", *matches).stdout.splitlines()

    def until(self, condition: Callable[[], object], seconds: float = 5 * LIMIT) -> None:
        """Wait until it holds; a hang fails after `seconds`."""
        ends = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < ends, f"it did not happen\n{self._told()}"
            time.sleep(0.05)

    def _told(self) -> str:
        if not self._init:
            return self._log.read_text(errors="replace")
        return "\n".join(self.journal("-n", "40"))


def built_deb(folder: Path, version: str | None = None) -> Path:
    """The package of this tree."""
    done = subprocess.run(
        [str(ROOT / "firmware" / "deb.sh"), str(folder), *([version] if version else [])],
        capture_output=True, text=True, timeout=1800, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return next(folder.glob("smgw_*.deb"))


def emp_of(deb: Path) -> Path:
    """The head-end's package, which is built beside the gateway's."""
    return next(deb.parent.glob("smgw-emp_*.deb"))


def pki_of(deb: Path) -> Path:
    """The package of the trial PKI, which is built beside the gateway's."""
    return next(deb.parent.glob("smgw-pki_*.deb"))


def tar_of(suite: str, *more: str) -> Path:
    """`rootfs`, or a skip that says why there is none."""
    if why := unavailable():
        pytest.skip(why)
    try:
        return rootfs(suite, *more)
    except subprocess.SubprocessError as error:
        output = getattr(error, "stderr", b"") or b""
        pytest.skip(
            f"Debian {suite} could not be made from packages: {error}: {output.decode(errors='replace')[-500:]}"
        )
