"""The trust folder of a head-end: its own triples, whom it believes, and the certificates of its gateways.

Files may change at any time. Each use looks at them again, so nothing here needs a restart.
"""

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from smgw.cosem.device_id import DeviceId
from smgw.trust.certificate import Certificate, Purpose
from smgw.trust.chain import Expected, Moment, check
from smgw.trust.errors import (
    ClockNotTrustedError,
    ExpiredError,
    NotYetValidError,
    TrustError,
)
from smgw.trust.folder import AUTHORITIES, CERTIFICATE, OWN, PEERS, AuthoritiesFolder, stamp
from smgw.trust.names import Role
from smgw.trust.own import Triple, active_triple, check_role, own_triples
from smgw.trust.peers import PeersFolder
from smgw.trust.request import KEY

_LOG = logging.getLogger(__name__)
_LOOK_S: Final = 1.0  # own triples are looked at once in this time
_TIMES: Final = (ClockNotTrustedError, ExpiredError, NotYetValidError)


def system_moment() -> Moment:
    """The time of the system, which a head-end trusts."""
    return Moment(int(time.time()))


class Room:
    """One trust folder. Thread-safe."""

    def __init__(self, folder: Path, passphrase: Path | None = None, now: Callable[[], Moment] = system_moment) -> None:
        """`passphrase`: the file with that of the private keys.

        :raises TrustError: there is no valid triple of an EMP here, or a file cannot be read.
        """
        self.folder = folder
        self.passphrase = passphrase
        self.now = now
        self.authorities = AuthoritiesFolder(folder / AUTHORITIES)
        self.peers = PeersFolder(folder / PEERS)
        self._lock = threading.Lock()
        self._active = active_triple(folder, now())
        check_role(
            self._active, Role.EMT, "Make certificates with `smgw-pki emp NAME`, and export the folder of that name."
        )
        self._triples = tuple(own_triples(folder))
        self._stamp = self._look()
        self._look_again_s = 0.0
        self._said = ""

    @property
    def active(self) -> Triple:
        """The newest of one's own triples that is valid now."""
        self._learn()
        return self._active

    @property
    def triples(self) -> tuple[Triple, ...]:
        """All of one's own triples, oldest first: what was sealed for an older one can still be opened."""
        self._learn()
        return self._triples

    @property
    def curve(self) -> str:
        """The curve of one's own certificates, and so of all."""
        return self._active.tls.curve

    def expected(self, purpose: Purpose, owner: str = "", role: Role = Role.SMGW) -> Expected:
        """The certificate that a gateway must have."""
        return Expected(purpose, frozenset({role}), self.curve, owner)

    def believe(self, certificate: Certificate, purpose: Purpose, owner: str = "", role: Role = Role.SMGW) -> None:
        """Return if a certificate may be believed now.

        :raises TrustError: the first thing that is wrong with it, or a file of the folder cannot be read.
        """
        check(certificate, self.expected(purpose, owner, role), self.authorities.current(), self.now())

    def knows(self, gateway: DeviceId) -> bool:
        """True if a certificate of the gateway is here that nobody revoked; its time does not matter."""
        for purpose in (Purpose.SIGNATURE, Purpose.TLS):
            for one in self.peers.of(str(gateway), Role.SMGW, purpose):
                try:
                    self.believe(one, purpose, str(gateway))
                except _TIMES:
                    return True
                except TrustError:
                    continue
                return True
        return False

    def _look(self) -> object:
        return stamp(self.folder / OWN, (CERTIFICATE, KEY), deep=True)

    def _learn(self) -> None:
        """Read one's own triples again if a file changed, or if the time has come for another one."""
        now_s = time.monotonic()
        with self._lock:
            if now_s < self._look_again_s:
                return
            self._look_again_s = now_s + _LOOK_S
            try:
                seen = self._look()
                if seen != self._stamp or not self._is_best():
                    self._active, self._triples = (
                        active_triple(self.folder, self.now()),
                        tuple(own_triples(self.folder)),
                    )
                    self._stamp = seen
                    _LOG.warning("%s: certificates of %s are in use", self._active.folder, self._active.subject)
            except TrustError as error:
                if self._said != str(error):
                    _LOG.error("the certificates in use stay those of %s: %s", self._active.folder, error)
                self._said = str(error)
                return
            self._said = ""

    def _is_best(self) -> bool:
        """True if the triple in use is the newest one that is valid now."""
        at = self.now().utc_s
        valid = [one for one in self._triples if one.not_before_s <= at <= one.not_after_s]
        return bool(valid) and valid[-1] == self._active
