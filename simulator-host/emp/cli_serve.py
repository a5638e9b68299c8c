"""The commands `emp serve` and `emp certificate`."""

import argparse
from pathlib import Path
from typing import Any

from smgw.errors import SmgwError

from emp import DEFAULT_ZONE


def add_commands(commands: Any) -> None:
    """`commands`: what argparse's add_subparsers gave."""
    serve = commands.add_parser(
        "serve",
        help="take documents and show them",
        description="Take documents and show them, until SIGTERM or Ctrl-C.",
    )
    serve.add_argument(
        "--listen",
        type=_address,
        default=("127.0.0.1", 8080),
        metavar="HOST:PORT",
        help="where gateways deliver (127.0.0.1:8080); port 0: any free one. An address that other computers reach "
        "needs --trust, or --insecure: then whoever reaches it may deliver",
    )
    serve.add_argument(
        "--trust",
        type=Path,
        metavar="DIR",
        help="the trust folder, made by smgw-pki: gateways speak TLS and show their certificates; each reads and "
        "writes only its own resources",
    )
    serve.add_argument(
        "--cms",
        choices=("required", "accepted"),
        default="required",
        help="with --trust: gateways must sign and seal their documents (required), or may (accepted)",
    )
    serve.add_argument(
        "--passphrase", type=Path, metavar="FILE", help="the passphrase of the private keys in the trust folder"
    )
    serve.add_argument(
        "--people",
        type=_address,
        metavar="HOST:PORT",
        help="where pages, data and metrics are (127.0.0.1:8081, or any free port if --listen has port 0); "
        "an address that other computers reach needs --password, and a certificate or --insecure",
    )
    serve.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="NAME",
        help="another name of this computer in the header Host, besides localhost: for a proxy in front that passes "
        "its own name on; may be given several times",
    )
    serve.add_argument(
        "--people-certificate", type=Path, metavar="FILE", help="people speak TLS with this certificate, a chain in PEM"
    )
    serve.add_argument("--people-key", type=Path, metavar="FILE", help="its private key in PEM")
    serve.add_argument(
        "--insecure",
        action="store_true",
        help="plain HTTP also at addresses that other computers reach; only in a network of your own",
    )
    serve.add_argument("--password", type=Path, metavar="FILE", help="the password of people, made by emp password")
    serve.add_argument(
        "--zone", default=DEFAULT_ZONE, metavar="NAME", help=f"time zone of days and times on pages ({DEFAULT_ZONE})"
    )
    serve.add_argument("--db", type=Path, default=Path("emp.db"), metavar="FILE", help="the SQLite file (emp.db)")
    serve.add_argument(
        "--poc", type=_poc, default="", metavar="/PATH", help="point of contact: what stands before /cosem (nothing)"
    )
    serve.add_argument(
        "--max-body", type=_positive, default=4096, metavar="KIB", help="largest body, also unpacked, in KiB (4096)"
    )
    serve.add_argument(
        "--header-timeout", type=_positive, default=10, metavar="S", help="seconds for a request's headers (10)"
    )
    serve.add_argument("--body-timeout", type=_positive, default=30, metavar="S", help="seconds for a body (30)")
    serve.set_defaults(run=_serve)
    certificate = commands.add_parser(
        "certificate",
        help="make a certificate for the pages of people",
        description="Make a self-signed certificate (P-256) and its key for the pages of people. Compare its "
        "fingerprint with the one that the browser shows.",
    )
    certificate.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder for both files")
    certificate.add_argument(
        "--host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name or an address by which people reach this computer, besides localhost and its own name; may be "
        "given several times",
    )
    certificate.add_argument("--days", type=_positive, default=730, metavar="N", help="days that it is valid (730)")
    certificate.add_argument("--renew", action="store_true", help="replace the one that is there")
    certificate.set_defaults(run=_certificate)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no HOST:PORT; write 127.0.0.1:8080 or [::1]:8080")
    return host, int(port)


def _poc(text: str) -> str:
    text = text.rstrip("/")
    if text and not text.startswith("/"):
        raise argparse.ArgumentTypeError(f"{text!r} is no path; write /hes")
    return text


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 to 1000000")
    return int(text)


def _serve(options: argparse.Namespace) -> int:
    import asyncio

    from smgw.look.times import Zone

    from emp.store.sqlite_storage import SqliteStorage
    from emp.trust.people_tls import Files
    from emp.trust.room import Room
    from emp.web import password
    from emp.web.bounds import Bounds
    from emp.web.listener import Address
    from emp.web.server import Settings, serve

    bounds = Bounds(
        body_octets=options.max_body * 1024,
        header_timeout=float(options.header_timeout),
        body_timeout=float(options.body_timeout),
    )
    gateways = Address(*options.listen)
    people = Address(*options.people) if options.people else Address("127.0.0.1", 8081 if gateways.port else 0)
    room = None if options.trust is None else Room(options.trust, options.passphrase)
    known = None if options.password is None else password.read(options.password)
    if (options.people_certificate is None) != (options.people_key is None):
        raise SmgwError("--people-certificate and --people-key belong together; name both")
    settings = Settings(
        options.poc,
        bounds,
        known,
        Zone(options.zone),
        tuple(options.name),
        room,
        seals_required=options.cms == "required",
        people_files=Files(options.people_certificate, options.people_key) if options.people_key else None,
        insecure=options.insecure,
    )
    storage = SqliteStorage(options.db)
    try:
        asyncio.run(serve(storage, gateways, people, settings))
    finally:
        storage.close()
    return 0


def _certificate(options: argparse.Namespace) -> int:
    import socket

    from emp.trust.people_tls import make

    hosts = [*options.host, socket.gethostname(), "localhost", "127.0.0.1", "::1"]
    files, fingerprint = make(options.out, hosts, options.days, renew=options.renew)
    print(f"{files.certificate}: for {', '.join(hosts)}; {options.days} days\nSHA-256 {fingerprint}")
    print(f"Next: emp serve --people-certificate {files.certificate} --people-key {files.key}")
    return 0
