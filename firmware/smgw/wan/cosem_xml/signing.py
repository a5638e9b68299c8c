"""An outlet before an outlet, which signs the values of rows that are to be signed.

A row with the mark `to_sign` gets one value more: the signatures of its values (`cosemxml.value_signatures`). They are
stored before the row leaves, so a repeated delivery is the same. Rows under a pseudonym have no mark: the signed name
would be the device's own.

The agent of keys may be away for a moment: then the rows wait, as for a fault of the network. Without certificates or
keys of its own the gateway sends the rows unsigned, and notes so: they stay unsigned.
"""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from smgw.cosem.data import Data
from smgw.cosem.device_id import DeviceId
from smgw.cosem.names import CaptureObject
from smgw.cosem.reading import Reading, meter_status
from smgw.cosem.status_word import StatusWord
from smgw.cosemxml.data import carried
from smgw.cosemxml.document import Register
from smgw.cosemxml.value_signatures import SIGNATURES, SIGNER_OCTETS, ValueSignature, cell, is_signable, signed_octets
from smgw.profiles.communication import CommunicationProfile
from smgw.store.records import StoredRecord
from smgw.store.wan.signatures import SignedRow, StoredSignature
from smgw.trust.validity import Moment
from smgw.wan.cosem_xml.outlet import CosemXmlOutlet
from smgw.wan.outlet import Batch, Outcome, OutcomeKind, Outlet, Signatures, Surroundings

if TYPE_CHECKING:
    from smgw.trust.certificate import Certificate
    from smgw.trust.keys import Keys

_log = logging.getLogger(__name__)

#: How long rows wait for an agent of keys that does not answer. Then they leave unsigned.
_PATIENCE_S: Final = 900.0


def opened(gateway: DeviceId, profile: CommunicationProfile, surroundings: Surroundings) -> Outlet:
    """The outlet `cosem-xml` of a profile. It signs where signatures can be stored."""
    outlet = CosemXmlOutlet(gateway, profile, surroundings)
    if surroundings.signatures is None:
        return outlet
    return SigningOutlet(outlet, row_signer(surroundings, surroundings.signatures))


def row_signer(surroundings: Surroundings, stored: Signatures, *, strict: bool = False) -> "RowSigner":
    """What signs the rows of this gateway; `strict` as in ValueSigner."""
    return RowSigner(stored, ValueSigner(surroundings.trust, surroundings.now, surroundings.open_keys, strict=strict))


class RowSigner:
    """Signs rows as they are delivered under a name."""

    def __init__(self, stored: Signatures, signer: "ValueSigner") -> None:
        self._stored = stored
        self._signer = signer

    def sign(self, device: DeviceId, records: Sequence[StoredRecord]) -> str:
        """Make the signatures that are missing, and store them; returns why the rows must wait, or nothing."""
        missing: list[tuple[SignedRow, list[tuple[CaptureObject, bytes]]]] = []
        for record in records:
            if record.to_sign:
                row = SignedRow(record.store_id, record.record_number, device)
                known = {one.column for one in self._stored.value_signatures(row)}
                if left := [one for one in octets_of(record, device) if one[0] not in known]:
                    missing.append((row, left))
        if not missing:
            return ""
        made, fault = self._signer.sign(missing)
        if made:
            self._stored.note_value_signatures(made)
        return fault

    def signed(self, device: DeviceId, record: StoredRecord) -> StoredRecord:
        """The record with its signatures; the record itself if it has none."""
        if not record.to_sign:
            return record
        row = SignedRow(record.store_id, record.record_number, device)
        there = {(one.class_id, one.obis, one.attribute) for one in record.readings}
        signatures = [
            ValueSignature(one.column, one.signer[:SIGNER_OCTETS], one.octets)
            for one in self._stored.value_signatures(row)
            if one.octets and tuple(one.column[:3]) in there
        ]
        if not signatures:
            return record
        reading = Reading(
            SIGNATURES.obis, cell(signatures), class_id=SIGNATURES.class_id, attribute=SIGNATURES.attribute
        )
        return record._replace(readings=(*record.readings, reading))


class SigningOutlet:
    """Signs rows, then sends them over another outlet; see `wan.outlet.Outlet`."""

    def __init__(self, outlet: Outlet, signer: RowSigner) -> None:
        self._outlet = outlet
        self._signer = signer
        self.end = outlet.end
        self.close = outlet.close

    def send(self, batch: Batch) -> Outcome:
        """Send the rows; StoreError if a signature cannot be stored."""
        following = batch.following

        def unsigned() -> Batch | None:
            """A batch that needs no signature may be prepared meanwhile."""
            coming = following() if following is not None else None
            return None if coming is None or any(record.to_sign for record in coming.records) else coming

        if not any(record.to_sign for record in batch.records):
            return self._outlet.send(batch._replace(following=unsigned))
        device = batch.feed.delivered
        if fault := self._signer.sign(device, batch.records):
            return Outcome(OutcomeKind.RETRY, fault)
        records = tuple([self._signer.signed(device, record) for record in batch.records])
        return self._outlet.send(Batch(batch.feed, records, unsigned))


def octets_of(record: StoredRecord, device: DeviceId) -> list[tuple[CaptureObject, bytes]]:
    """Each value of a record that can be signed, and the octets to be signed."""
    status = StatusWord(record.gateway_status, meter_status(record.readings))
    found = []
    for reading in record.readings:
        value: Data = carried(reading.value)
        if is_signable(value):
            register = Register(reading.obis, reading.scaler, reading.unit, reading.class_id, reading.attribute)
            found.append((register.column, signed_octets(device, register, status, record.stamp.utc_us, value)))
    return found


class ValueSigner:
    """Signs by the key SIG of the gateway."""

    def __init__(
        self, trust: Path, now: Callable[[], Moment], open_keys: "Callable[[], Keys]", *, strict: bool = False
    ) -> None:
        """`strict`: a gateway with certificates sends nothing unsigned: for a command, which may lack the rights."""
        self._trust, self._now, self._open_keys, self._strict = trust, now, open_keys, strict
        self._keys: Keys | None = None
        self._told = ""
        self._waits_since: float | None = None

    def sign(
        self, rows: Sequence[tuple[SignedRow, Sequence[tuple[CaptureObject, bytes]]]]
    ) -> tuple[list[tuple[SignedRow, list[StoredSignature]]], str]:
        """The signatures of the values of some rows, and why the rows must wait for the rest; empty: they need not.

        Where the gateway has no certificates or keys, the signatures are empty.
        """
        from smgw.trust.errors import KeysUnavailableError, TrustError  # a large library, only if something is signed
        from smgw.trust.folder import triples

        made: list[tuple[SignedRow, list[StoredSignature]]] = []
        try:
            certificate = self._certificate()
            signer = bytes.fromhex(certificate.fingerprint)
            for row, values in rows:
                signed = [StoredSignature(name, signer, self._one(octets, certificate)) for name, octets in values]
                made.append((row, signed))
        except TrustError as error:
            strict = self._strict and bool(triples(self._trust))
            if strict or (isinstance(error, KeysUnavailableError) and not self._waited()):
                return made, f"not sent: its values cannot be signed now: {error}"
            if str(error) != self._told:
                _log.warning("values leave unsigned: %s", error, extra={"event": "values-unsigned"})
            self._told = str(error)
            made += [
                (row, [StoredSignature(name, b"", b"") for name, _ in values]) for row, values in rows[len(made) :]
            ]
            return made, ""
        self._told, self._waits_since = "", None
        return made, ""

    def _waited(self) -> bool:
        """True if rows waited long enough for the agent of keys."""
        now = time.monotonic()
        if self._waits_since is None:
            self._waits_since = now
        return now - self._waits_since >= _PATIENCE_S

    def _certificate(self) -> "Certificate":
        from smgw.trust.own import active_triple

        return active_triple(self._trust, self._now()).signature

    def _one(self, octets: bytes, certificate: "Certificate") -> bytes:
        from smgw.trust.plain_signature import sign

        if self._keys is None:
            self._keys = self._open_keys()
        return sign(octets, self._keys, certificate)
