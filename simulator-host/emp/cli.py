"""The command `emp`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from smgw.errors import SmgwError, reason

from emp import DEFAULT_ZONE, __version__, cli_bill, cli_serve, cli_store, cli_transparency

# What only one command needs is imported in its function: the help and `emp status` come at once.

_EPILOG = """\
examples:
  emp serve                                   gateways at 127.0.0.1:8080, people at 127.0.0.1:8081, all in ./emp.db
  emp serve --trust trust --listen 0.0.0.0:8443 --db /var/lib/emp/emp.db    TLS and CMS; smgw-pki makes the folder
  emp serve --listen 127.0.0.1:0              any free ports; the first line on standard output names both
  emp password emp.password                   asks for a password and keeps its hash, for
  emp certificate --out tls --host emp.example.org   makes a certificate for the pages, for
  emp serve --people 0.0.0.0:8081 --password emp.password \\
    --people-certificate tls/people.crt --people-key tls/people.key
  emp status --db emp.db                      what is in the file; works while a server writes it
  emp backup copy.db --db emp.db              a copy of it, also while a server writes it; `emp restore` puts it back
  emp salvage saved.db --db emp.db            all rows of a damaged database that can be read
  emp bill tariff.xml --db emp.db             what each step of a supplier's tariff counted
  emp import backlog.zip --trust trust --url http://127.0.0.1:8081    what `smgw export` packed and sealed

A gateway delivers to it with, in its gateway.toml:
  [[emp]]
  name = "lab"
  url = "http://127.0.0.1:8080"
  insecure = true

For people: pages at /, rows at /devices/<device>.csv, .json and .xml, keys of all rows at /api/keys, /metrics.
For both: the COSEM tree, rows as XML, JSON or CSV at /cosem/ldevs/<device>/objects/7-0100630100ff[?format=json].
Without --trust and --people-certificate only this computer can reach it, unless --insecure allows plain HTTP.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status: 0 well, 1 an error that was told, 2 a wrong command line."""
    options = _parser().parse_args(arguments)
    _set_up_log(options.verbose)
    try:
        return int(options.run(options))
    except SmgwError as error:
        print(f"emp: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 1
    except OSError as error:  # a file or a host that no command has foreseen
        if options.verbose > 1:
            raise
        print(f"emp: {error.filename or 'the system'}: {reason(error)}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="emp",
        description="A head-end (EMP) for a field trial: takes COSEM-XML documents of smart meter gateways by PUT, "
        "keeps every row once, and shows them in a browser and as XML and JSON.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"emp {__version__}")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="log every document; twice: everything")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    cli_serve.add_commands(commands)
    password = commands.add_parser(
        "password",
        help="set the password of people",
        description="Ask for a password (or read a line from a pipe) and keep its hash in a file that only you read.",
    )
    password.add_argument("file", type=Path, metavar="FILE", help="the file, for emp serve --password FILE")
    status = commands.add_parser(
        "status",
        help="say what is stored",
        description="Gateways, devices and rows in a database; does not disturb a server.",
    )
    status.add_argument("--db", type=Path, default=Path("emp.db"), metavar="FILE", help="the SQLite file (emp.db)")
    status.add_argument("--zone", default=DEFAULT_ZONE, metavar="NAME", help=f"time zone ({DEFAULT_ZONE})")
    status.set_defaults(run=_status)
    password.set_defaults(run=_password)
    cli_store.add_commands(commands)
    cli_bill.add_commands(commands)
    cli_transparency.add_commands(commands)
    return parser


def _set_up_log(verbosity: int) -> None:
    import logging
    import time

    class OneLine(logging.Formatter):
        """Log lines without tracebacks; those are for `-vv`."""

        def formatException(self, ei: object) -> str:  # noqa: N802, ARG002 - the base class names it so
            return ""

    handler = logging.StreamHandler()
    form = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
    formatter = logging.Formatter(*form) if verbosity > 1 else OneLine(*form)
    formatter.converter = time.gmtime  # UTC, as the gateway's log
    handler.setFormatter(formatter)
    level = (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbosity, 2)]
    logging.basicConfig(level=level, handlers=[handler], force=True)
    if verbosity < 2:
        # aiohttp reports every garbled request of a stranger as an error of ours.
        logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)


def _password(options: argparse.Namespace) -> int:
    from emp.web import password

    if sys.stdin.isatty():
        import getpass

        chosen = getpass.getpass("Password: ")
        if getpass.getpass("Once more: ") != chosen:
            raise password.PasswordError("the two are not the same; nothing was changed")
    else:
        chosen = sys.stdin.readline().rstrip("\r\n")
    password.write(options.file, chosen)
    print(f"emp: {options.file} written; emp serve --password {options.file}")
    return 0


def _status(options: argparse.Namespace) -> int:
    import time

    from smgw.look.times import Zone, ago

    from emp.store.sqlite_storage import SqliteView

    zone = Zone(options.zone)
    view = SqliteView(options.db)
    try:
        gateways = view.gateways()
    finally:
        view.close()
    now_us = time.time_ns() // 1000
    print(f"{options.db}: {len(gateways)} gateways, {sum(gateway.records for gateway in gateways)} rows")
    for gateway in gateways:
        seen = f"{zone.local(gateway.last_seen_us)} ({ago(gateway.last_seen_us, now_us)})"
        print(f"gateway {gateway.gateway}  {gateway.records} rows  last seen {seen}")
        for one in gateway.signers:
            until = zone.local(one.signer.not_after_us)
            print(f"  signed by {one.signer.subject}  {one.documents} documents  certificate valid until {until}")
            print(f"    SHA-256 {one.signer.fingerprint.hex()}")
        for sighting in gateway.devices:
            seen = f"{zone.local(sighting.last_seen_us)} ({ago(sighting.last_seen_us, now_us)})"
            print(f"  device {sighting.device}  {sighting.records} rows  last seen {seen}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
