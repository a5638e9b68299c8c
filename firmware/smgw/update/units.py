"""Asks systemd to start the units that do an update."""

import subprocess
import sys
import time
from pathlib import Path

from smgw.update.rauc import UpdateError

_LOOK_S = 0.2


def start(unit: str, *options: str) -> None:
    """Start a unit and wait for its end. UpdateError if it fails."""
    command = ["systemctl", *options, "start", unit]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own units
    if done.returncode:
        raise UpdateError(f"{unit} failed: {done.stderr.strip() or 'no message'}; see journalctl -u {unit}")


def follow(unit: str, log: Path) -> bool:
    """Start a unit, and print what it writes into `log` while it runs. True if it succeeds."""
    command = ["systemctl", "start", unit]
    silent = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=silent, stderr=silent) as asked:  # noqa: S603 - our own units
        shown = 0
        while True:
            ended = asked.poll() is not None
            shown += _show(log, shown)
            if ended:
                return asked.returncode == 0
            time.sleep(_LOOK_S)


def _show(log: Path, after: int) -> int:
    try:
        with log.open("rb") as file:
            file.seek(after)
            octets = file.read()
    except FileNotFoundError:
        return 0
    sys.stdout.write(octets.decode(errors="replace"))
    sys.stdout.flush()
    return len(octets)
