"""Sockets that systemd opened for this process (sd_listen_fds): so a port below 1024 needs no right of its own."""

import os
import socket
from typing import Final

_FIRST: Final = 3
_MOST: Final = 16


def inherited_sockets() -> list[socket.socket]:
    """The listening sockets of the unit's socket; none without one. They are taken once, and children get none."""
    number = os.environ.pop("LISTEN_FDS", "0")
    mine = os.environ.pop("LISTEN_PID", "") == str(os.getpid())
    os.environ.pop("LISTEN_FDNAMES", None)
    if not mine or not number.isdecimal():
        return []
    found = [socket.socket(fileno=descriptor) for descriptor in range(_FIRST, _FIRST + min(int(number), _MOST))]
    for one in found:
        one.set_inheritable(False)
        one.setblocking(False)
    return found
