"""The commands of `emp` that copy the database or bring rows into it."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emp.store.importing import Read

_DB = Path("emp.db")


def add_commands(commands: Any) -> None:
    """`commands`: what argparse's add_subparsers gave."""
    backup = commands.add_parser(
        "backup",
        help="copy the database; works while a server writes it",
        description="Copy the database into one file, checked and whole. Works while a server writes it.",
    )
    backup.add_argument(
        "file", type=Path, metavar="FILE", help="the copy; one that is there is replaced when all went well"
    )
    backup.set_defaults(run=_backup)
    restore = commands.add_parser(
        "restore",
        help="put a copy back; works while a server runs",
        description="Put a copy back in the place of the database, also while a server runs. Its last state is kept "
        "beside it. What gateways delivered after the copy was made they do not deliver again: get it from them with "
        "`smgw export --all` and `emp import`.",
    )
    restore.add_argument("file", type=Path, metavar="FILE", help="what `emp backup` made")
    restore.set_defaults(run=_restore)
    salvaged = commands.add_parser(
        "salvage",
        help="copy what can be read of a damaged database",
        description="Copy every row of a damaged database that can be read whole into a new file; the damaged one "
        "stays as it is. Then `emp restore FILE` puts the new file in its place, also while a server runs. Get rows "
        "that are lost from the gateways with `smgw export --all` and `emp import`.",
    )
    salvaged.add_argument("file", type=Path, metavar="FILE", help="the new file")
    salvaged.set_defaults(run=_salvage)
    allowed = commands.add_parser(
        "allow",
        help="let a gateway deliver a device that another one delivered before",
        description="With --trust a device belongs to the gateway that delivers it. This lets a second one deliver it, "
        "for a meter that was moved; works while a server runs.",
    )
    allowed.add_argument("device", metavar="DEVICE", help="the device, such as 1EMH0005347109")
    allowed.add_argument("gateway", metavar="GATEWAY", help="the gateway, such as ESMG0000000002")
    allowed.set_defaults(run=_allow)
    imported = commands.add_parser(
        "import",
        help="take what `smgw export` packed",
        description="Take the rows that a gateway packed for want of a network. What is here already is recognised.",
    )
    imported.add_argument("file", type=Path, metavar="FILE", help="what `smgw export` made")
    imported.add_argument("--url", metavar="URL", help="point of contact of a server that runs; without it, into --db")
    imported.add_argument(
        "--trust",
        type=Path,
        metavar="DIR",
        help="for a sealed file, also with --url: the trust folder of the EMP, as for emp serve",
    )
    imported.add_argument(
        "--passphrase", type=Path, metavar="FILE", help="the passphrase of the private keys in the trust folder"
    )
    imported.add_argument(
        "--password", type=Path, metavar="FILE", help="with --url: a file with the password of people in its first line"
    )
    imported.add_argument(
        "--certificate", type=Path, metavar="FILE", help="with an https URL: the certificate of the server, in PEM"
    )
    imported.set_defaults(run=_import)
    for command in (backup, restore, salvaged, allowed, imported):
        command.add_argument("--db", type=Path, default=_DB, metavar="FILE", help=f"the SQLite file ({_DB})")


def _backup(options: argparse.Namespace) -> int:
    from emp.store.backup import back_up

    print(f"{options.file}: {back_up(options.db, options.file)} rows of {options.db}")
    return 0


def _restore(options: argparse.Namespace) -> int:
    from emp.store.backup import restore

    rows, kept = restore(options.file, options.db)
    print(f"{options.db}: {rows} rows restored" + (f"; what was there is in {kept}" if kept else ""))
    return 0


def _salvage(options: argparse.Namespace) -> int:
    from emp.store.salvage import salvage

    done = salvage(options.db, options.file)
    print(f"{options.file}: {done.rows} rows of {options.db}")
    if done.damaged:
        torn = f"{done.torn} rows could not be read whole, and more may be lost" if done.torn else "some may be lost"
        print(f"emp salvage: {options.db} is damaged: {torn}", file=sys.stderr)
    print(f"Next: emp restore {options.file} --db {options.db}")
    return 0


def _allow(options: argparse.Namespace) -> int:
    from smgw.cosem.device_id import DeviceId

    from emp.store.allowing import allow

    device, gateway = DeviceId.parse(options.device), DeviceId.parse(options.gateway)
    allow(options.db, device, gateway)
    print(f"{options.db}: gateway {gateway} may deliver device {device}")
    return 0


def _import(options: argparse.Namespace) -> int:
    from emp.store.importing import Access, import_into_file, import_over_http

    read = _reader(options.trust, options.passphrase)
    if options.url:
        password = None if options.password is None else _first_line(options.password)
        done = import_over_http(options.file, Access(options.url, password, options.certificate), read)
    else:
        done = import_into_file(options.file, options.db, read)
    for why, documents in done.refused.items():
        what = "a document is" if documents == 1 else f"{documents} documents are"
        print(f"emp import: {what} refused: {why}", file=sys.stderr)
    print(
        f"{options.file}: {done.rows} rows in {done.documents} documents taken, those that were there already once; "
        f"{done.refused.total()} documents refused"
    )
    return 1 if done.refused else 0


def _reader(trust: Path | None, passphrase: Path | None) -> "Read":
    """What reads the documents of an archive."""
    from emp.store.importing import bare

    if trust is None:
        return bare
    from emp.trust.bringing import Unsealer
    from emp.trust.opening import Opener
    from emp.trust.room import Room

    return Unsealer(Opener(Room(trust, passphrase))).read


def _first_line(file: Path) -> str:
    return file.read_text().partition("\n")[0]
