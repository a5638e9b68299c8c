"""`smgw keys request`: make private keys on the gateway, and requests for their certificates."""

import argparse
import sys
from getpass import getpass
from pathlib import Path
from typing import NamedTuple

from smgw.profiles.keys import FILES, TOKEN
from smgw.profiles.password import located
from smgw.profiles.toml_importer import load
from smgw.trust.certificate import read_file
from smgw.trust.errors import FileError
from smgw.trust.files import PUBLIC, make_folder, replace
from smgw.trust.folder import CERTIFICATE, OWN, triples, trust_directory
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
    parser.add_argument(
        "--holder",
        choices=(FILES, TOKEN),
        help="files, or the security module of the configuration, for signature and encryption; the key for TLS is\n"
        "always a file (default: as the configuration says)",
    )
    parser.add_argument("--pin", type=Path, metavar="FILE", help="file (mode 0600) with the PIN of the security module")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for copies of the requests")


def run(arguments: argparse.Namespace) -> int:
    """Make the next triple; exit code 0."""
    trust = trust_directory(arguments.state)
    subject = _subject(arguments)
    passphrase = read_passphrase(arguments.passphrase) if arguments.passphrase else b""
    number = int(known[-1].name) + 1 if (known := triples(trust)) else 1
    folder = trust / OWN / str(number)
    curve = END_CURVES[arguments.curve]
    if (token := _token(arguments)) is None:
        made = write_triple(folder, subject, curve, passphrase)
        print(f"{subject}: three keys in {folder}")
    else:
        from smgw.trust.keys.token_request import keys_in_token

        with keys_in_token(token.module, token.label, token.pin, number) as in_token:
            made = write_triple(folder, subject, curve, passphrase, in_token)
        print(f"{subject}: key for TLS in {folder}, keys for signature and encryption in the token {token.label}")
    if arguments.out:
        make_folder(arguments.out)
        for request in made:
            replace(arguments.out / request.name, read_file(request), PUBLIC)
    order = "renew" if any(file.suffix == CERTIFICATE for one in known for file in one.iterdir()) else "gateway"
    print(f"Next: smgw-pki {order} {subject.owner} --request {arguments.out or folder}")
    return 0


class _Token(NamedTuple):
    module: Path
    label: str
    pin: bytes


def _token(arguments: argparse.Namespace) -> _Token | None:
    """The security module that holds the keys; None for files."""
    if arguments.holder == FILES or (arguments.holder is None and not arguments.config.exists()):
        return None
    configuration = load(arguments.config)
    profile = configuration.keys
    if not profile.in_token or profile.module is None or profile.pin_file is None:
        if arguments.holder == TOKEN:
            raise FileError(
                "its table [keys] names no security module",
                'Write holder = "pkcs11", module, token and pin_file there.',
                file=arguments.config,
            )
        return None
    file = arguments.pin or located(profile.pin_file, configuration.directory)
    if arguments.pin is None and not file.exists() and sys.stdin.isatty():  # the service has it as a credential
        pin = getpass(f"PIN of the token {profile.token}: ").encode()
    else:
        pin = read_passphrase(file)
    return _Token(profile.module, profile.token, pin)


def _subject(arguments: argparse.Namespace) -> Subject:
    return gateway(arguments.id or str(load(arguments.config).gateway.device_id))
