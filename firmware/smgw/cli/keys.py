"""`smgw keys`: make private keys and requests for certificates on the gateway, and install the certificates."""

import argparse
from pathlib import Path
from typing import Final

from smgw.profiles.toml_importer import load
from smgw.trust.certificate import TRIPLE, Certificate, read_file
from smgw.trust.errors import FileError, KeyMismatchError, TrustError, WrongPurposeError
from smgw.trust.files import PUBLIC, make_folder, replace
from smgw.trust.folder import (
    AUTHORITIES,
    CERTIFICATE,
    OWN,
    REVOCATION_LIST,
    read_authorities,
    triples,
    trust_directory,
)
from smgw.trust.keys.private_file import read_passphrase
from smgw.trust.names import Subject, gateway
from smgw.trust.request import END_CURVES, REQUEST, read_triple, write_triple

_EPILOG: Final = """\
the way of a trial:
  smgw keys request --out requests         makes three keys here, and requests/{tls,sig,enc}.csr
  smgw-pki gateway ID --request requests   on the PC, which makes the certificates
  smgw keys install --certificates DIR --authorities DIR
DIR are the folders that smgw-pki names. A renewal is the same way again: the old keys stay until you remove them.
Private keys never leave STATE/trust/own/N; each has mode 0600. Install refuses a certificate that does not fit its key.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which of the two, and their folders."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EPILOG
    parser.add_argument("action", choices=("request", "install"))
    parser.add_argument("--id", default="", help="request: the gateway's id (default: device_id of the configuration)")
    parser.add_argument("--curve", choices=tuple(END_CURVES), default="brainpool", help="request: (%(default)s)")
    parser.add_argument(
        "--passphrase", type=Path, metavar="FILE", help="request: file with the passphrase for the new keys (mode 0600)"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="request: folder for copies of the requests")
    parser.add_argument("--certificates", type=Path, metavar="DIR", help="install: folder with tls, sig and enc.crt")
    parser.add_argument("--authorities", type=Path, metavar="DIR", help="install: folder with *.crt and *.crl")


def run(arguments: argparse.Namespace) -> int:
    """Do it; exit code 0."""
    trust = trust_directory(arguments.state)
    if arguments.action == "request":
        _request(arguments, trust)
    else:
        _install(arguments, trust)
    return 0


def _request(arguments: argparse.Namespace, trust: Path) -> None:
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


def _subject(arguments: argparse.Namespace) -> Subject:
    return gateway(arguments.id or str(load(arguments.config).gateway.device_id))


def _install(arguments: argparse.Namespace, trust: Path) -> None:
    if arguments.authorities:
        _install_authorities(arguments.authorities, trust / AUTHORITIES)
    if arguments.certificates:
        _install_triple(arguments.certificates, trust)
    if not (arguments.authorities or arguments.certificates):
        raise FileError("nothing to install", "Name a folder with --certificates or --authorities.", file=trust)


def _install_authorities(source: Path, target: Path) -> None:
    read_authorities(source)
    make_folder(target)
    files = [one for one in sorted(source.iterdir()) if one.suffix in (CERTIFICATE, REVOCATION_LIST)]
    for file in files:
        replace(target / file.name, read_file(file), PUBLIC)
    print(f"{target}: {len(files)} files of certification authorities")


def _install_triple(source: Path, trust: Path) -> None:
    """All three are checked before the first is written."""
    if not (known := triples(trust)):
        raise FileError("there are no keys here", "Make them first: `smgw keys request`.", file=trust / OWN)
    folder = known[-1]
    authorities = read_authorities(trust / AUTHORITIES)
    found = {purpose: source / f"{purpose.value}{CERTIFICATE}" for purpose in TRIPLE}
    for request in read_triple(folder):
        file = found[request.purpose]
        certificate = Certificate.from_file(file)
        try:
            authorities.chain(certificate)
        except TrustError as error:
            raise error.at(file) from None
        if certificate.purpose is not request.purpose:
            raise WrongPurposeError(
                f"it is for {certificate.purpose.value.upper()}",
                f"{file.name} must be for {request.purpose.value.upper()}.",
                subject=certificate.described,
                file=file,
            )
        if certificate.public_key.public_numbers() != request.public_key.public_numbers():
            raise KeyMismatchError(
                f"it is not for the key whose request is {request.file}",
                f"Take the certificate that was made for this {REQUEST[1:]}, or make new keys.",
                subject=certificate.described,
                file=file,
            )
    for purpose, file in found.items():
        replace(folder / f"{purpose.value}{CERTIFICATE}", read_file(file), PUBLIC)
    print(f"{folder}: certificates TLS, SIG and ENC")
