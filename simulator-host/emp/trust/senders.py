"""Which documents a gateway may deliver: its own, and those under a pseudonym that stands for gateway and device."""

from smgw.cosem.device_id import DeviceId
from smgw.cosemxml.document import Document
from smgw.trust.certificate import Certificate

from emp.store.storage import Proof, Signer


def sender_of(certificate: Certificate) -> DeviceId:
    """The gateway that a certificate belongs to."""
    return DeviceId.parse(certificate.subject.owner)


def is_own(document: Document, sender: DeviceId) -> bool:
    """True if a document names its sender as its gateway, or one pseudonym as gateway and device."""
    if document.gateway.is_pseudonym or document.device.is_pseudonym:
        return document.gateway == document.device
    return document.gateway == sender


def proof(document: Document, sender: DeviceId, signer: Certificate | None) -> Proof:
    """What the store keeps of the sender of a document. Who signed for a pseudonym is checked and forgotten."""
    if signer is None or document.gateway.is_pseudonym:
        return Proof(sender)
    fingerprint = bytes.fromhex(signer.fingerprint)
    return Proof(sender, Signer(fingerprint, str(signer.subject), signer.not_after_s * 1_000_000))
