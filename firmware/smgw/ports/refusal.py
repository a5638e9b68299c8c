"""Why a serial device cannot be opened, and what a person can do."""

import errno
import grp
import os
import pwd
import stat
import termios
from pathlib import Path

from smgw.errors import error_number, reason
from smgw.ports.errors import PortBusy
from smgw.ports.holder import holder_of
from smgw.ports.line_settings import LineSettings

_DEV = Path("/dev")
#: Where serial devices have names that stay; then those that do not.
_NAMES = ("smgw/*", "serial/by-id/*", "ttyUSB*", "ttyACM*", "ttyAMA*")
_MOST_NAMES = 4
_READ_WRITE = 0o6
_SYSTEM_GROUPS = ("root", "wheel", "sudo")  # nobody joins these for a serial port


def busy(url: str, path: str) -> PortBusy:
    """Another process holds it."""
    holder = holder_of(path)
    advice = "stop it, or give each meter a port of its own"
    if holder is None:
        return PortBusy(url, f"another program has claimed it; {advice}")
    if holder.pid == os.getpid():
        return PortBusy(url, "this process has claimed it already; give each meter a port of its own", *holder)
    if "getty" in holder.name:
        service = f"serial-getty@{Path(os.path.realpath(path)).name}"
        advice = f"it is a login console: sudo systemctl disable --now {service}"
    return PortBusy(url, f"{holder} has claimed it; {advice}", *holder)


def why(path: str, line: LineSettings, error: Exception) -> str:
    """What the operating system said, in words."""
    number = error_number(error)
    if isinstance(error, termios.error) and number == errno.EINVAL:
        return settings_refused(line)
    match number:
        case errno.ENOENT | errno.ENODEV | errno.ENXIO:
            return (
                f"there is no such device; plug it in, or look for its name in /dev/serial/by-id ({_those_there_are()})"
            )
        case errno.EACCES | errno.EPERM:
            return _no_access(path)
        case errno.ENOTTY | errno.EISDIR:
            return "is no serial device; give one such as /dev/ttyUSB0"
        case errno.EIO:
            return "the device does not answer; plug it in again"
    return f"cannot be opened: {reason(error)}"


def settings_refused(line: LineSettings) -> str:
    """The driver does not keep these settings."""
    return (
        f"does not keep the settings {line}; a mini-UART has no parity: use parity N with 8 data bits, "
        "or another UART or USB head"
    )


def _those_there_are() -> str:
    """The serial devices of this computer, each once, by its most lasting name."""
    found: dict[str, str] = {}
    for pattern in _NAMES:
        for name in sorted(map(str, _DEV.glob(pattern))):
            found.setdefault(os.path.realpath(name), name)
    names = list(found.values())
    if not names:
        return "there is no serial device"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"there are {', '.join(names[:_MOST_NAMES])}{more}"


def _no_access(path: str) -> str:
    user = _user(os.geteuid())
    try:
        found = os.stat(path)  # noqa: PTH116 (one call, no object)
    except OSError:
        return f"the user {user} may not open it"
    owner, group = _user(found.st_uid), _group(found.st_gid)
    name = Path(path).name
    if os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        return "the sandbox of this service forbids it; see DeviceAllow= in: systemctl cat smgw-lmn"
    if stat.S_IMODE(found.st_mode) >> 3 & _READ_WRITE == _READ_WRITE and group not in _SYSTEM_GROUPS:
        if found.st_gid in os.getgrouplist(user, os.getegid()):
            return f"the user {user} has joined its group {group} since the login; log in again"
        join = f"sudo usermod -aG {group} {user}"
        return f"the user {user} may not open it; its group {group} may: {join}, then log in again"
    if not path.startswith("/dev/") or path.startswith("/dev/pts/"):
        return f"the user {user} may not open it; run this command as the user {owner}, who owns it"
    return (
        f"the user {user} may not open it (owner {owner}, group {group}, mode {stat.S_IMODE(found.st_mode):03o}); "
        f'a udev rule gives it to the group dialout: KERNEL=="{name}", GROUP="dialout", MODE="0660"; '
        f"until then run this command as the user {owner}"
    )


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
