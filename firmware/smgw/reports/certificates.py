"""What can be found about keys and certificates before the start, and what of them ends soon."""

import time
from pathlib import Path
from typing import Final, NamedTuple

from smgw import BUILT_S
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.gateway import Configuration
from smgw.profiles.password import located
from smgw.trust.certificate import TRIPLE, Certificate, Purpose
from smgw.trust.chain import Authorities, Expected, Moment, check
from smgw.trust.errors import ClockNotTrustedError, FileError, KeyMismatchError, TrustError, WrongRoleError
from smgw.trust.folder import AUTHORITIES, PEERS, read_authorities, trust_directory
from smgw.trust.inventory import endings, inventory
from smgw.trust.keys import key_name
from smgw.trust.keys.pem import PemFile, PemKeys
from smgw.trust.names import Role
from smgw.trust.own import Triple, active_triple
from smgw.trust.owners import USERS, owner
from smgw.trust.peers import PeersFolder

_EXPORT: Final = "Run `smgw-pki export` on the PC again, copy the folder here, then `smgw keys install`."


class Findings(NamedTuple):
    """What is wrong, and what a person should know besides."""

    triple: Triple | None
    faults: list[TrustError]
    notes: list[str]


def system_moment() -> Moment:
    """The time of the system's clock. It is not trusted if it is earlier than this program."""
    now_s = int(time.time())
    return Moment(now_s, trusted=now_s >= BUILT_S)


def examine_certificates(configuration: Configuration, state: Path, now: Moment) -> Findings:
    """Look at all that the configuration needs of the trust folder."""
    return _Examination(configuration, trust_directory(state), now).run()


class _Examination:
    def __init__(self, configuration: Configuration, trust: Path, now: Moment) -> None:
        self._configuration, self._trust, self._now = configuration, trust, now
        self._faults: list[TrustError] = []
        self._notes: list[str] = []

    def run(self) -> Findings:
        items, damaged = inventory(self._trust)
        self._files = {one.fingerprint: one.file for one in items}
        self._faults += damaged
        if self._now.trusted:
            self._notes += [one.text for one in endings(items, self._now.utc_s) if one.step]
        triple = None
        try:
            authorities = read_authorities(self._trust / AUTHORITIES)
            triple = active_triple(self._trust, self._now)
            self._own(triple, authorities)
            peers = PeersFolder(self._trust / PEERS)
            for emp in self._configuration.emps:
                if emp.uses_certificates:
                    self._emp(emp, peers, authorities, triple.tls.curve)
            administrators = [one for one in peers.every() if one.subject.role is Role.GWA]
            if self._configuration.gateway.tls_servers and not administrators:
                self._add(
                    FileError(
                        "no certificate of a gateway administrator is here, and the configuration has a time server "
                        "with tls://",
                        f"Make one with `smgw-pki gwa`. {_EXPORT}",
                        file=peers.folder,
                    )
                )
        except TrustError as error:
            self._add(error)
        return Findings(triple, self._faults, self._notes)

    def _add(self, error: TrustError) -> None:
        """Each fault once: a damaged file is found in several ways."""
        if str(error) not in map(str, self._faults):
            self._faults.append(error)

    def _own(self, triple: Triple, authorities: Authorities) -> None:
        for purpose in TRIPLE:
            certificate = triple.certificate(purpose)
            expected = Expected(
                purpose, frozenset({Role.SMGW}), triple.tls.curve, str(self._configuration.gateway.device_id)
            )
            self._judge(certificate, triple.certificate_file(purpose), expected, authorities)
            if purpose is Purpose.TLS or not self._configuration.keys.in_token:
                self._key(triple.key_file(purpose), certificate, purpose)

    def _key(self, file: Path, certificate: Certificate, purpose: Purpose) -> None:
        named = self._configuration.keys.passphrase_file
        passphrase = None if named is None else located(named, self._configuration.directory)
        if hidden := _hidden(file) or (passphrase and _hidden(passphrase)):
            self._notes.append(f"{file} was not checked: {hidden}")
            return
        try:
            keys = PemKeys.read([PemFile(file, passphrase)])
            if key_name(certificate.public_key) not in keys:
                raise KeyMismatchError(
                    f"this private key is not that of {purpose.value}.crt",
                    "Put back the key that the certificate was made for, or make new ones with `smgw keys request`.",
                    subject=certificate.described,
                    file=file,
                )
            if (wanted := owner(USERS[purpose])) and file.stat().st_uid != wanted[0]:
                raise FileError(
                    f"does not belong to the user {USERS[purpose]}, who needs it",
                    f"Give it to this user: chown {USERS[purpose]} {file}",
                    file=file,
                )
        except TrustError as error:
            self._add(error)

    def _emp(self, emp: CommunicationProfile, peers: PeersFolder, authorities: Authorities, curve: str) -> None:
        purposes = (Purpose.TLS, Purpose.ENCRYPTION) if emp.seals else (Purpose.TLS,)
        for purpose in purposes:
            pinned = peers.of(emp.participant, Role.EMT, purpose)
            if not pinned:
                self._add(_absent(emp, purpose, peers))
                continue
            expected = Expected(purpose, frozenset({Role.EMT}), curve, emp.participant)
            before = len(self._faults)
            for one in pinned:
                if self._judge(one, self._files.get(one.fingerprint, peers.folder), expected, authorities):
                    del self._faults[before:]  # one that is good is enough: an old one may end
                    break

    def _judge(self, certificate: Certificate, file: Path, expected: Expected, authorities: Authorities) -> bool:
        try:
            check(certificate, expected, authorities, self._now)
        except ClockNotTrustedError:
            return True  # all else is right
        except TrustError as error:
            self._add(error.at(file))
            return False
        return True


def _absent(emp: CommunicationProfile, purpose: Purpose, peers: PeersFolder) -> TrustError:
    """Nobody is pinned: perhaps because the participant has another role."""
    others = sorted(
        {one.subject.role.described for one in peers.every() if one.subject.owner == emp.participant}
        - {Role.EMT.described}
    )
    use = purpose.value.upper()
    if others:
        return WrongRoleError(
            f"the certificates here make it {' and '.join(others)}, and an EMP must be {Role.EMT.described}",
            f"Make them with `smgw-pki emp`. {_EXPORT}",
            subject=f"{emp.participant} (EMP {emp.name})",
            file=peers.folder,
        )
    return FileError(
        f"no {use} certificate of {emp.participant}.EMT is here",
        f"If the EMP has another name in its certificates, set participant. {_EXPORT}",
        subject=f"EMP {emp.name}",
        file=peers.folder,
    )


def _hidden(file: Path) -> str:
    """What to say if the file may be right and this user cannot read it; "" if it can be looked at."""
    try:
        file.open("rb").close()
    except PermissionError:
        return f"this user may not read {file}; run smgw check as root"
    except OSError:
        pass
    return ""
