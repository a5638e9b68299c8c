"""The trust folder of a gateway or a head-end: where certificates and revocation lists lie, and who reads what.

    trust/authorities/   *.crt root and sub-CAs, *.crl their revocation lists   who trusts whom; read by all
    trust/own/N/         one triple; N counts renewals from 1                   tls, sig, enc: .key .csr .crt
    trust/peers/         *.crt the pinned certificates of EMPs and of the GWA   read by all

The folder is looked at again at each use, so a new list or sub-CA takes effect without a restart.
"""

import os
from pathlib import Path
from typing import Final

from smgw.errors import reason
from smgw.trust.certificate import Certificate, blocks, read_file
from smgw.trust.chain import Authorities
from smgw.trust.crl import RevocationList
from smgw.trust.errors import FileError, TrustError

AUTHORITIES: Final = "authorities"
OWN: Final = "own"
PEERS: Final = "peers"
CERTIFICATE: Final = ".crt"
REVOCATION_LIST: Final = ".crl"

Stamp = tuple[tuple[str, int, int, int], ...]


def trust_directory(state: Path) -> Path:
    """The trust folder in a state directory."""
    return state / "trust"


def triples(trust: Path) -> list[Path]:
    """The folders of one's own triples, oldest first, with or without certificates."""
    own = trust / OWN
    found = [one for one in own.iterdir() if one.name.isdecimal()] if own.is_dir() else []
    return sorted(found, key=lambda one: int(one.name))


class AuthoritiesFolder:
    """The folder `authorities`, read again when a file in it changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stamp: Stamp | None = None
        self._authorities = Authorities((), ())

    def current(self) -> Authorities:
        """What the folder holds now.

        :raises TrustError: the folder or one of its files cannot be read; the error names it.
        """
        seen = stamp(self.folder, (CERTIFICATE, REVOCATION_LIST))
        if seen != self._stamp:
            self._authorities = read_authorities(self.folder)
            self._stamp = seen
        return self._authorities


def stamp(folder: Path, suffixes: tuple[str, ...], *, deep: bool = False) -> Stamp:
    """What changes when a file with one of these suffixes does: path, time, size and inode of each, by path.

    `deep`: also the files of the folders below.

    :raises FileError: a folder cannot be read.
    """
    seen: list[tuple[str, int, int, int]] = []
    folders = [str(folder)]
    try:
        while folders:
            with os.scandir(folders.pop()) as entries:
                for one in entries:
                    if deep and one.is_dir(follow_symlinks=False):
                        folders.append(one.path)
                    elif one.name.endswith(suffixes) and not one.name.startswith("."):
                        status = one.stat()
                        seen.append((one.path, status.st_mtime_ns, status.st_size, status.st_ino))
    except OSError as error:
        raise _unreadable(Path(error.filename or folder), error) from None
    return tuple(sorted(seen))


def read_authorities(folder: Path) -> Authorities:
    """All certificates and revocation lists of a folder; a file may hold several certificates.

    :raises TrustError: the folder or one of its files cannot be read; the error names it.
    """
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        raise _unreadable(folder, error) from None
    certificates = [one for file in files if file.suffix == CERTIFICATE for one in read_certificates(file)]
    return Authorities(
        certificates, [RevocationList.from_file(file) for file in files if file.suffix == REVOCATION_LIST]
    )


def read_certificates(file: Path) -> list[Certificate]:
    """All certificates of a file, in their order.

    :raises TrustError: the file is not readable or one of them is malformed; the error names the file.
    """
    try:
        return [Certificate(der) for der in blocks(read_file(file), "CERTIFICATE")]
    except TrustError as error:
        raise error.at(file) from None


def _unreadable(folder: Path, error: OSError) -> FileError:
    return FileError(
        f"this trust folder cannot be read ({reason(error)})",
        "Copy it again from `smgw-pki export`, on a gateway with `smgw keys install`. Check who may read it.",
        file=folder,
    )
