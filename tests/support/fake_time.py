"""Step CLOCK_REALTIME under a running Python process, by libfaketime; the other clocks and all timeouts stay true.

    clock = tmp_path / "clock"
    process = subprocess.Popen([...], env={**os.environ, **environment(clock)})
    step(clock, -86_400)          # now it is yesterday for this process, at once and in the midst of any wait

Every file time that the process sees is the true one. A killed process leaves two files in /dev/shm; `forget` them.
"""

import os
from pathlib import Path

_LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))  # MT: for programs with threads
_SITE = Path(__file__).with_name("faketime_site")

LIBRARY = _LIBRARIES[0] if _LIBRARIES else None
MISSING = "libfaketime is not installed: run tests/system-packages.sh as root"


def environment(offset_file: Path) -> dict[str, str]:
    """Environment variables for the process; `offset_file` is made with no offset unless it is there."""
    if LIBRARY is None:
        raise FileNotFoundError(MISSING)
    if not offset_file.exists():
        _write(offset_file, 0)
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(offset_file),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(_SITE), os.environ.get("PYTHONPATH")))),
    }


def step(offset_file: Path, seconds: int) -> None:
    """Put the processes' CLOCK_REALTIME forward by `seconds` (back if negative), from where it stands now."""
    _write(offset_file, int(offset_file.read_text()) + seconds)


def forget(pid: int) -> None:
    """Remove what a killed process left in shared memory."""
    for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
        (Path("/dev/shm") / name).unlink(missing_ok=True)


def _write(offset_file: Path, seconds: int) -> None:
    new = offset_file.with_name(offset_file.name + ".new")
    new.write_text(f"{seconds:+d}")
    new.replace(offset_file)  # at once: the process reads it at every call
