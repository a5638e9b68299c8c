"""The certificates of the others: whose they are and for what is read from them, not from the paths of their files."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from smgw.trust.certificate import Certificate, Purpose
from smgw.trust.errors import TrustError
from smgw.trust.folder import CERTIFICATE, Stamp, read_certificates, stamp
from smgw.trust.names import Role

#: A folder with more files than this is looked at once in a second only: a head-end asks for each document.
_MANY: Final = 100
_PAUSE_S: Final = 1.0


class PeersFolder:
    """The folder `peers` with all below it, read again when a file changed. It need not exist: then nobody is pinned.

    A damaged file does not hide the others: it stands in `faults`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stamp: Stamp | None = None
        self._look_again_s = 0.0
        self._all: tuple[Certificate, ...] = ()
        self._known: dict[tuple[str, Role, Purpose], tuple[Certificate, ...]] = {}
        self._faults: tuple[TrustError, ...] = ()

    def of(self, owner: str, role: Role, purpose: Purpose) -> tuple[Certificate, ...]:
        """The certificates of a participant, by its organization or the gateway's id, newest first; () if none.

        :raises FileError: the folder cannot be read.
        """
        self._look()
        return self._known.get((owner, role, purpose), ())

    def every(self) -> tuple[Certificate, ...]:
        """All certificates of participants, newest first.

        :raises FileError: the folder cannot be read.
        """
        self._look()
        return self._all

    @property
    def faults(self) -> tuple[TrustError, ...]:
        """What is wrong with files of the folder; each error names its file.

        :raises FileError: the folder cannot be read.
        """
        self._look()
        return self._faults

    def _look(self) -> None:
        now_s = time.monotonic()
        if now_s < self._look_again_s:
            return
        seen = stamp(self.folder, (CERTIFICATE,), deep=True) if self.folder.exists() else ()
        if seen != self._stamp:
            self._read(Path(name) for name, *_ in seen)
            self._stamp = seen
        self._look_again_s = now_s + _PAUSE_S if len(seen) > _MANY else 0.0

    def _read(self, files: Iterable[Path]) -> None:
        found: set[Certificate] = set()
        faults = []
        for file in files:
            try:
                found.update(one for one in read_certificates(file) if one.purpose is not Purpose.AUTHORITY)
            except TrustError as error:
                faults.append(error)
        newest_first = sorted(found, key=lambda one: (-one.not_before_s, -one.not_after_s, one.fingerprint))
        known: dict[tuple[str, Role, Purpose], list[Certificate]] = {}
        for one in newest_first:
            known.setdefault((one.subject.owner, one.subject.role, one.purpose), []).append(one)
        self._all, self._faults = tuple(newest_first), tuple(faults)
        self._known = {key: tuple(several) for key, several in known.items()}
