"""Environments for peers that need a later Python than the gateway's; made by the first test that wants one."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def peers(name: str, python: str, *packages: str) -> Path:
    """The Python of an environment with these packages, in the versions of constraints.txt. Skips without `python`."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [shutil.which(python), *pyenv.glob(f"versions/*/bin/{python}")]
    found = next((one for one in candidates if one and not _failed(one)), None)
    if found is None:
        pytest.skip(f"{python} is missing; {name} needs it")
    folder = ROOT / "build" / f"peers-{name}"
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / f"peers-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = folder / "made"
        if not made.exists():
            subprocess.run([str(found), "-m", "venv", "--clear", str(folder)], check=True)
            pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, "-c", str(ROOT / "constraints.txt"), *packages], check=True)
            made.touch()
    return folder / "bin" / "python"


def _failed(python: str | Path) -> bool:
    """A name that pyenv knows need not be a program that runs."""
    return subprocess.run([str(python), "-c", ""], capture_output=True).returncode != 0
