"""Programs of Debian packages, unpacked instead of installed: chrony would replace this computer's time daemon."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

CACHE = Path(__file__).resolve().parents[2] / "build" / "unpacked"
_PATH = os.defpath + ":/usr/sbin:/usr/local/sbin:" + os.environ.get("PATH", "")


class Program(NamedTuple):
    """A program that can be run, and the environment that it needs."""

    path: str
    environment: dict[str, str]


class UnavailableError(Exception):
    """The program is not there; the text says why and what to do."""


def program(package: str, name: str) -> Program:
    """The installed program; else the one of the package, downloaded and unpacked once. UnavailableError."""
    if found := shutil.which(name, path=_PATH):
        return Program(found, dict(os.environ))
    folder = CACHE / package
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (folder.parent / f"{package}.lock").open("w") as lock:  # the workers of a test run ask at the same time
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not folder.exists():
                _unpack(package, folder)
    found = shutil.which(name, path=":".join(str(folder / place) for place in ("usr/sbin", "usr/bin")))
    if found is None:
        raise UnavailableError(f"the Debian package {package} has no {name}; remove {folder} to download it again")
    libraries = sorted({str(file.parent) for file in folder.rglob("lib*.so*")})
    return Program(found, {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)})


def _unpack(package: str, folder: Path) -> None:
    """The package and those libraries it depends on that are not installed; all of it or nothing."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise UnavailableError(f"{package} is not installed, and this is no Debian system to download it on")
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        root = Path(made) / "root"
        archive = _download(package, Path(made))
        depends = _run("dpkg-deb", "-f", str(archive), "Depends")
        libraries = [one for one in re.findall(r"(?:^|, )(lib[^ ,|]+)", depends) if not _installed(one)]
        for each in (archive, *(_download(library, Path(made)) for library in libraries)):
            _run("dpkg-deb", "-x", str(each), str(root))
        root.rename(folder)


def _download(package: str, folder: Path) -> Path:
    """Apt's ordinary client, which needs no root."""
    _run("apt-get", "download", "-qq", package, folder=folder)
    return next(folder.glob(f"{package}_*.deb"))


def _installed(package: str) -> bool:
    done = subprocess.run(["dpkg-query", "-W", package], capture_output=True, check=False)
    return done.returncode == 0


def _run(*command: str, folder: Path | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{' '.join(command)}: no end within {error.timeout:.0f} s") from error
    if done.returncode:
        said = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise UnavailableError(f"{' '.join(command)}: {said[0]}; the package lists may be missing: apt-get update")
    return done.stdout
