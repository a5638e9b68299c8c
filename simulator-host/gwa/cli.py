"""The command `gwa`."""

import argparse
import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from smgw.errors import SmgwError, reason
from smgw.trust.keys.private_file import read_passphrase

from gwa import __version__
from gwa.time_server import TimeServer, Upstream

_EPILOG = """\
the whole way, with an administrator Admin:
  smgw-pki gwa Admin                                  keys and certificates of the administrator
  smgw-pki export Admin admin-trust                   its trust folder
  gwa time --trust admin-trust --listen :4123 --upstream 127.0.0.1:123
  ntp = ["tls://HOST:4123"]                           in [gateway] of each gateway

--upstream names an NTP server, best chronyd or ntpd on the same computer. Without it this computer's clock answers, as
long as the kernel says that a time service synchronises it.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status: 0 after a stop, 1 an error that was told, 2 a wrong command line."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=given.log_level.upper(), format="%(levelname)s %(message)s")
    try:
        passphrase = partial(read_passphrase, given.passphrase) if given.passphrase else bytes
        upstream = Upstream.resolved(*given.upstream) if given.upstream else None
        asyncio.run(_serve(TimeServer(given.trust, passphrase, upstream), *given.listen))
    except (SmgwError, OSError) as error:
        print(f"gwa: {error if isinstance(error, SmgwError) else reason(error)}", file=sys.stderr)
        return 1
    return 0


async def _serve(server: TimeServer, host: str, port: int) -> None:
    def ready(bound: int) -> None:
        print(f"time for gateways at {host or 'all addresses'}, port {bound}", flush=True)

    serving = asyncio.ensure_future(server.serve(host, port, ready))
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gwa",
        description="What the administrator of gateways runs in a field trial.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    one = commands.add_parser(
        "time",
        help="give gateways the time over TLS",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one.add_argument("--trust", type=Path, required=True, metavar="DIR", help="the administrator's trust folder")
    one.add_argument("--passphrase", type=Path, metavar="FILE", help="the passphrase of its private key")
    one.add_argument(
        "--listen", type=_address, default=("127.0.0.1", 4123), metavar="HOST:PORT", help="default 127.0.0.1:4123"
    )
    one.add_argument("--upstream", type=_address, metavar="HOST:PORT", help="an NTP server to ask for each request")
    one.add_argument("--log-level", choices=["debug", "info", "warning"], default="info", help="default %(default)s")
    return parser


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no address; write host:port, or :port for all addresses")
    return host.strip("[]"), int(port)
