"""`smgw keys request`: make private keys on the gateway, and requests for their certificates."""

import argparse
from pathlib import Path

from smgw.profiles.toml_importer import load
from smgw.trust.certificate import read_file
from smgw.trust.files import PUBLIC, make_folder, replace
from smgw.trust.folder import OWN, triples, trust_directory
from smgw.trust.keys.private_file import read_passphrase
from smgw.trust.names import Subject, gateway
from smgw.trust.request import END_CURVES, write_triple


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whose keys, and on which curve."""
    parser.add_argument("--id", default="", help="the gateway's id (default: device_id of the configuration)")
    parser.add_argument("--curve", choices=tuple(END_CURVES), default="brainpool", help="curve (default %(default)s)")
    parser.add_argument(
        "--passphrase", type=Path, metavar="FILE", help="file (mode 0600) with the passphrase for the new keys"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for copies of the requests")


def run(arguments: argparse.Namespace) -> int:
    """Make the next triple; exit code 0."""
    trust = trust_directory(arguments.state)
    subject = _subject(arguments)
    passphrase = read_passphrase(arguments.passphrase) if arguments.passphrase else b""
    number = int(known[-1].name) + 1 if (known := triples(trust)) else 1
    folder = trust / OWN / str(number)
    made = write_triple(folder, subject, END_CURVES[arguments.curve], passphrase)
    print(f"{subject}: three keys in {folder}")
    if arguments.out:
        make_folder(arguments.out)
        for request in made:
            replace(arguments.out / request.name, read_file(request), PUBLIC)
    print(f"Next: smgw-pki gateway {subject.owner} --request {arguments.out or folder}")
    return 0


def _subject(arguments: argparse.Namespace) -> Subject:
    return gateway(arguments.id or str(load(arguments.config).gateway.device_id))
