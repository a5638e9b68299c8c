"""The ports of meters: the forms `tcp:...`, `tcp-push:...`, `pty:LINK` and `/dev/tty...`."""

import re
from typing import NamedTuple

DEFAULT_TCP_PORT = 33333
LOOPBACK = "127.0.0.1"
RIGHT = "write tcp:33333, tcp-push:33334, pty:/path/of/a/link or a serial device such as /dev/ttyUSB0"
_TCP = re.compile(r"tcp(?:-push)?:(?:(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]]+):)?(?P<port>\d{1,5})")
_PUSH = "tcp-push:"


class TcpPort(NamedTuple):
    """Request and response over TCP. Without `host`: the address of `--listen`, else loopback. Port 0: any free."""

    port: int = DEFAULT_TCP_PORT
    host: str | None = None

    def __str__(self) -> str:
        return f"tcp:{self.host}:{self.port}" if self.host else f"tcp:{self.port}"


class TcpPushPort(NamedTuple):
    """Push to all TCP clients, as a serial server in a meter cabinet does. Address and port 0 as with `TcpPort`."""

    port: int
    host: str | None = None

    def __str__(self) -> str:
        return f"tcp-push:{self.host}:{self.port}" if self.host else f"tcp-push:{self.port}"


class PtyPort(NamedTuple):
    """Push on a pseudo terminal. `link` is the symbolic link to the reader's end."""

    link: str

    def __str__(self) -> str:
        return f"pty:{self.link}"


class SerialPort(NamedTuple):
    """Push on a serial device."""

    device: str

    def __str__(self) -> str:
        return self.device


PushPort = TcpPushPort | PtyPort | SerialPort
Port = TcpPort | PushPort


def parse_port(text: str) -> Port:
    """Read a port; ValueError with the fault."""
    if text.startswith(("tcp:", _PUSH)):
        match = _TCP.fullmatch(text)
        if not match or int(match["port"]) > 0xFFFF:
            raise ValueError(f"{text!r} is no TCP port")
        kind = TcpPushPort if text.startswith(_PUSH) else TcpPort
        return kind(int(match["port"]), match["host"])
    if text.startswith("pty:"):
        if not text.removeprefix("pty:"):
            raise ValueError("pty: without the path of the link")
        return PtyPort(text.removeprefix("pty:"))
    if text.startswith("/"):
        return SerialPort(text)
    raise ValueError(f"{text!r} is no port")


def parse_push_port(text: str) -> PushPort:
    """Read a port for pushes; ValueError with the fault."""
    port = parse_port(text)
    if isinstance(port, TcpPort):
        raise ValueError(f"{text!r} answers requests, nothing can be pushed to it")  # noqa: TRY004 - it is a bad text
    return port
