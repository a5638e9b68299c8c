"""Private keys for signature and encryption from the trust folder: those of all own triples.

A file is used if its certificate stands beside it. So keys whose certificates are still to come disturb nobody.
"""

import os
from pathlib import Path
from typing import Final

from smgw.errors import reason
from smgw.trust.errors import FileError, KeyMismatchError, TrustError
from smgw.trust.keys.pem import PemFile, PemKeys

_OWN: Final = "own"
_SIGNATURE, _ENCRYPTION = "sig", "enc"
_KEY, _CERTIFICATE = ".key", ".crt"
_Stamp = tuple[tuple[str, int, int, int], ...]


class FolderKeys:
    """Fulfils `Keys`. A key for signature never agrees, and a key for encryption never signs.

    A file that cannot be used does not hide the others: it stands in `faults`, and is the error of a missed key.
    """

    def __init__(self, trust: Path, passphrase: Path | None = None) -> None:
        """Reads nothing yet. `passphrase` is the file with the passphrase of every key, if they have one."""
        self._own = trust / _OWN
        self._passphrase = passphrase
        self._stamp: _Stamp | None = None
        self._signature = self._encryption = PemKeys()
        self.faults: tuple[TrustError, ...] = ()

    def refresh(self) -> bool:
        """Read all files again if one changed; True if so. Faults stand in `faults`."""
        try:
            stamp = _stamp(self._files())
        except FileError as error:
            self.faults = (error,)
            return False
        return stamp != self._stamp and self._read(stamp)

    def sign(self, name: str, digest: bytes) -> bytes:
        """See `Keys`.

        :raises TrustError: the file that may hold the key cannot be used.
        """
        if name not in self._signature:
            self._missed(name, _SIGNATURE)
        return self._signature.sign(name, digest)

    def agree(self, name: str, point: bytes) -> bytes:
        """See `Keys`.

        :raises TrustError: the file that may hold the key cannot be used.
        """
        if name not in self._encryption:
            self._missed(name, _ENCRYPTION)
        return self._encryption.agree(name, point)

    def random(self, count: int) -> bytes:
        """See `Keys`."""
        return os.urandom(count)

    def close(self) -> None:
        """Forget the keys."""
        self._signature = self._encryption = PemKeys()

    @property
    def described(self) -> str:
        """What is held, for people."""
        return f"{len(self._signature)} keys for signature, {len(self._encryption)} for encryption"

    def _missed(self, name: str, kind: str) -> None:
        """Perhaps a new file has it.

        :raises TrustError: it does not.
        """
        if not self.refresh() and self.faults:  # rights or passphrase may be right now
            self._read(_stamp(self._files()))
        if name in (self._signature if kind == _SIGNATURE else self._encryption):
            return
        if faults := [
            one for one in self.faults if one.file is not None and (one.file == self._own or one.file.stem == kind)
        ]:
            raise faults[-1]
        raise KeyMismatchError(
            f"no private key for {'signature' if kind == _SIGNATURE else 'encryption'} here belongs to the certificate"
            f" (key {name})",
            f"Put {kind}{_KEY} back beside its certificate, or make new keys with `smgw keys request`.",
            file=self._own,
        )

    def _files(self) -> list[Path]:
        """The key files whose certificate is there, oldest triple first.

        :raises FileError: the folder cannot be read.
        """
        try:
            folders = [one for one in self._own.iterdir() if one.name.isdecimal()] if self._own.is_dir() else []
        except OSError as error:
            raise FileError(
                f"this folder cannot be read ({reason(error)})", "Check who may read it.", file=self._own
            ) from None
        return [
            folder / f"{kind}{_KEY}"
            for folder in sorted(folders, key=lambda one: int(one.name))
            for kind in (_SIGNATURE, _ENCRYPTION)
            if (folder / f"{kind}{_CERTIFICATE}").exists()
        ]

    def _read(self, stamp: _Stamp) -> bool:
        faults: list[TrustError] = []
        found: dict[str, list[PemKeys]] = {_SIGNATURE: [], _ENCRYPTION: []}
        for name, *_ in stamp:
            file = Path(name)
            try:
                found[file.stem].append(PemKeys.read([PemFile(file, self._passphrase)]))
            except TrustError as error:
                faults.append(error.at(file))
        self._signature, self._encryption = (PemKeys.joined(found[kind]) for kind in (_SIGNATURE, _ENCRYPTION))
        self.faults, self._stamp = tuple(faults), stamp
        return True


def _stamp(files: list[Path]) -> _Stamp:
    """What changes when a file does; absent files are left out."""
    seen = []
    for file in files:
        try:
            status = file.stat()
        except FileNotFoundError:
            continue
        seen.append((str(file), status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(seen)
