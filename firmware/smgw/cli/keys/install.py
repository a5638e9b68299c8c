"""`smgw keys install`: take over certificates; everything is checked before the first file is written."""

import argparse
from pathlib import Path

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
from smgw.trust.request import REQUEST, read_triple


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Their folders."""
    parser.add_argument("--certificates", type=Path, metavar="DIR", help="folder with tls, sig and enc.crt")
    parser.add_argument("--authorities", type=Path, metavar="DIR", help="folder with *.crt and *.crl")


def run(arguments: argparse.Namespace) -> int:
    """Check and write; exit code 0."""
    trust = trust_directory(arguments.state)
    if arguments.authorities:
        _install_authorities(arguments.authorities, trust / AUTHORITIES)
    if arguments.certificates:
        _install_triple(arguments.certificates, trust)
    if not (arguments.authorities or arguments.certificates):
        raise FileError("nothing to install", "Name a folder with --certificates or --authorities.", file=trust)
    return 0


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
