"""Finds the process that holds a serial device or a pty."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from smgw.flocks import flock_holders

_PROC = Path("/proc")
_LONGEST_NAME = 40


class Holder(NamedTuple):
    """A process. `name` is empty if this user may not see it."""

    pid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} (process {self.pid})" if self.name else f"process {self.pid}"


def holder_of(path: str) -> Holder | None:
    """The process that holds this device; None if there is none, or if this user cannot find out.

    The lock is checked first, since every user can see it. A process that has the device open without a lock is found
    only if this user may inspect it.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 (one call, no object)
    except (OSError, ValueError):
        return None
    pids: list[int] = []
    with suppress(OSError):
        holders = flock_holders(found)
        pids = holders.certain or holders.possible
    for pid in pids or _with_open(found.st_rdev):
        if pid > 0 and (_PROC / str(pid)).exists():
            return Holder(pid, process_name(pid))
    return next((Holder(pid, "") for pid in pids if pid > 0), None)


def device_of(url: str) -> str:
    """The path of the device in a path or a spy:// URL."""
    return url.partition("://")[2].partition("?")[0] if "://" in url else url


def _with_open(device: int) -> Iterator[int]:
    """Processes with this device open."""
    for process in _PROC.glob("[0-9]*"):
        if int(process.name) == os.getpid():  # this process asks because it could not open the device
            continue
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    if descriptor.stat().st_rdev == device:
                        yield int(process.name)
                        break


def process_name(pid: int) -> str:
    """`smgw lmn`, `minicom`; of a program in Python the module or script, not the interpreter."""
    name, command = "", [""]
    with suppress(OSError):
        name = (_PROC / str(pid) / "comm").read_text(errors="replace").strip()
        command = (_PROC / str(pid) / "cmdline").read_text(errors="replace").split("\0")
    if Path(command[0]).name.startswith("python"):
        name = _script(command[1:]) or name
    # A process chooses its own name. Only plain characters may reach a terminal.
    return "".join(character for character in name if character.isprintable())[:_LONGEST_NAME]


def _script(arguments: list[str]) -> str:
    """`-m smgw lmn` or `/usr/bin/smgw lmn` -> `smgw lmn`; empty for an interpreter without a script."""
    while arguments and arguments[0] == "-u":
        arguments = arguments[1:]
    if arguments[:1] == ["-m"]:
        arguments = arguments[1:]
    if not arguments or arguments[0].startswith("-"):
        return ""
    command = [Path(arguments[0]).name, *(word for word in arguments[1:2] if word.isalpha())]
    return " ".join(command).strip()
