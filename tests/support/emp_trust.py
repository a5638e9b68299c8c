"""A head-end with a trust folder, and gateways with certificates that deliver to it over TLS."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import emp_process
from emp.trust.room import Room
from emp.web.server import Settings
from emp_process import Emp
from sealing import Party
from smgw.cosemxml import document
from smgw.cosemxml.document import Document
from smgw.trust.certificate import Purpose
from smgw.trust.chain import Expected, Moment
from smgw.trust.cms.message import seal
from smgw.trust.folder import AuthoritiesFolder
from smgw.trust.names import Role, Subject, gateway
from smgw.trust.tls import Context, Own, Peer, client_context
from trial_pki import EMT, NOW, TrialPki, session_pki

OURS = gateway(str(emp_process.GATEWAY))
OTHERS = gateway("ESMG0000000002")
CMS = "application/vnd.de-dke-k461-cosem+xml;encap=cms-tr03109"


class Trial:
    """The folders of one trial: `emp` is the head-end's; gateways get theirs when they are asked for."""

    def __init__(self, folder: Path, pki: TrialPki | None = None) -> None:
        self.pki = pki or session_pki()
        self.folder = folder
        self.emp = self.pki.write_emp(folder / "emp", gateways=(OURS, OTHERS))

    def gateway(self, subject: Subject = OURS) -> Path:
        """The trust folder of a gateway."""
        trust = self.folder / subject.file_name
        return trust if trust.exists() else self.pki.write_gateway(trust, subject)

    def context(self, subject: Subject = OURS, number: int = 1) -> Context:
        """What a participant connects with."""
        trust = self.gateway(subject)
        own = Own(trust / "own" / str(number) / "tls.crt", trust / "own" / str(number) / "tls.key")
        curve = self.pki.triple(subject).tls.certificate.curve
        wanted = Expected(Purpose.TLS, frozenset({Role.EMT}), curve)
        return client_context(own, Peer(wanted, AuthoritiesFolder(trust / "authorities"), lambda: Moment(NOW)))

    def party(self, subject: Subject = OURS, purpose: Purpose = Purpose.SIGNATURE, number: int = 1) -> Party:
        """A key and its certificate, of a gateway to sign with."""
        holder = self.pki.triple(subject, number).of(purpose)
        return Party(holder.key, holder.certificate)

    def seal(self, payload: bytes | Document, signer: Party | None = None, recipient: Subject = EMT, **terms) -> bytes:
        """A message of a gateway for the head-end, or for somebody else."""
        octets = payload if isinstance(payload, bytes) else document.encode(payload)
        signer = signer or self.party()
        to = self.pki.triple(recipient).encryption.certificate
        return seal(octets, signer.keys, signer.certificate, to, **{"compress": True, **terms})

    @contextmanager
    def inside(self, **settings: object) -> Iterator[Emp]:
        """The head-end in this process. Its gateway is the first one. It also takes what is not sealed."""
        chosen = Settings(**{"room": Room(self.emp), "seals_required": False, **settings})
        with emp_process.inside(self.folder / "emp.db", chosen) as running:
            yield self.as_gateway(running)

    def as_gateway(self, running: Emp, subject: Subject = OURS) -> Emp:
        """The same head-end, asked by another gateway."""
        return running._replace(tls=self.context(subject))
