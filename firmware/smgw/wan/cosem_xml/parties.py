"""Who the gateway is and who the EMP is, by the certificates of the trust folder. It is looked at anew at each use."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from smgw.cosem import DeviceId
from smgw.trust.certificate import Certificate, Purpose
from smgw.trust.chain import Expected, Moment, check
from smgw.trust.errors import FileError, TrustError
from smgw.trust.folder import AUTHORITIES, CERTIFICATE, OWN, PEERS, AuthoritiesFolder, Stamp, stamp
from smgw.trust.names import Role
from smgw.trust.own import Triple, active_triple
from smgw.trust.peers import PeersFolder

#: A triple is chosen anew at least this often: one that was installed early becomes valid without a change of files.
_CHOSEN_S: Final = 60.0


class Parties:
    """One gateway and one EMP. `now` is the gateway's time."""

    def __init__(self, trust: Path, gateway: DeviceId, participant: str, now: Callable[[], Moment]) -> None:
        self.authorities = AuthoritiesFolder(trust / AUTHORITIES)
        self.now = now
        self._trust = trust
        self._gateway = str(gateway)
        self._participant = participant
        self._peers = PeersFolder(trust / PEERS)
        self._seen: tuple[Stamp, bool] | None = None
        self._triple: Triple | None = None
        self._until_s = 0.0

    def own(self, purpose: Purpose) -> Triple:
        """The gateway's own triple in use. Its certificate for this purpose is one that an EMP can believe.

        :raises TrustError: there is none; the error names the file.
        """
        triple = self._active()
        certificate = triple.certificate(purpose)
        expected = Expected(purpose, frozenset({Role.SMGW}), certificate.curve, self._gateway)
        self._check(certificate, expected, triple.certificate_file(purpose))
        return triple

    def pinned(self, purpose: Purpose) -> tuple[Certificate, ...]:
        """The EMP's certificates in the trust folder, newest first, at least one. They are not checked.

        :raises FileError: there is none.
        """
        if found := self._peers.of(self._participant, Role.EMT, purpose):
            return found
        for fault in self._peers.faults:  # it may be the one
            raise fault
        raise FileError(
            f"there is no certificate {purpose.value.upper()} of {self._participant}.EMT here",
            "Export it on the PC (`smgw-pki export`) and install it (`smgw keys install`), or correct `participant` "
            "in [[emp]].",
            file=self._peers.folder,
        )

    def expected(self, curve: str) -> Expected:
        """Which certificate the EMP must show in TLS.

        :raises FileError: none is pinned.
        """
        pins = frozenset(one.fingerprint for one in self.pinned(Purpose.TLS))
        return Expected(Purpose.TLS, frozenset({Role.EMT}), curve, self._participant, pins)

    def recipient(self) -> Certificate:
        """The EMP's newest certificate for encryption that is valid now.

        :raises TrustError: there is none; if there are several, the newest one's fault.
        """
        faults: list[TrustError] = []
        for one in self.pinned(Purpose.ENCRYPTION):
            expected = Expected(Purpose.ENCRYPTION, frozenset({Role.EMT}), one.curve, self._participant)
            try:
                self._check(one, expected, self._peers.folder)
            except TrustError as error:
                faults.append(error)
            else:
                return one
        raise faults[0]

    def _active(self) -> Triple:
        """The active triple, chosen anew when files or time say so."""
        moment, own = self.now(), self._trust / OWN
        seen = (stamp(own, (CERTIFICATE,), deep=True) if own.exists() else (), moment.trusted)
        if self._triple is None or seen != self._seen or time.monotonic() >= self._until_s:
            self._triple = None  # an error is found anew each time
            self._triple = active_triple(self._trust, moment)
            self._seen, self._until_s = seen, time.monotonic() + _CHOSEN_S
        return self._triple

    def _check(self, certificate: Certificate, expected: Expected, file: Path) -> None:
        try:
            check(certificate, expected, self.authorities.current(), self.now())
        except TrustError as error:
            raise error.at(file) from None
