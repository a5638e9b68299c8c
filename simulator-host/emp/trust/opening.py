"""Opens sealed documents (CMS) with the keys of this head-end, and says who signed them."""

import logging
import threading
from typing import Final, NamedTuple

from smgw.cosem.device_id import DeviceId
from smgw.trust.certificate import Certificate, Purpose
from smgw.trust.cms.message import Opened, open_sealed
from smgw.trust.errors import KeyMismatchError, TrustError, WrongRecipientError, WrongSignerError
from smgw.trust.keys import key_name
from smgw.trust.keys.pem import PemFile, PemKeys
from smgw.trust.names import Role
from smgw.trust.own import Triple

from emp.trust.room import Room

_LOG = logging.getLogger(__name__)
_MESSAGE: Final = "CMS message"


class _Key(NamedTuple):
    certificate: Certificate
    keys: PemKeys


class Opener:
    """Opens what gateways sealed for this head-end, with its present key and those before. Thread-safe."""

    def __init__(self, room: Room) -> None:
        """:raises TrustError: the key of the certificate in use cannot be used; the error names the file."""
        self._room = room
        self._lock = threading.Lock()
        self._triples: tuple[Triple, ...] = ()
        self._keys: tuple[_Key, ...] = ()
        self._read(room.active)
        self._own()

    def open(self, octets: bytes, gateway: DeviceId | None, largest: int) -> Opened:
        """The content of a message that a gateway signed and that is believed now. `gateway`: who must have signed.

        :raises TrustError: it is not accepted; nothing of the error may go to the sender.
        """
        signers = self._signers(gateway)
        fault: TrustError | None = None
        for own, keys in self._own():
            try:
                opened = open_sealed(octets, keys, own, signers, largest=largest)
            except WrongRecipientError as error:  # perhaps it is for the key before
                fault = fault or error
            else:
                self._room.believe(opened.signer, Purpose.SIGNATURE)
                return opened
        raise fault or WrongRecipientError("no key is here that could open it", "See the log.", subject=_MESSAGE)

    def _signers(self, gateway: DeviceId | None) -> tuple[Certificate, ...]:
        peers = self._room.peers
        if gateway is not None:
            found = peers.of(str(gateway), Role.SMGW, Purpose.SIGNATURE)
        else:
            found = tuple(
                one for one in peers.every() if (one.purpose, one.subject.role) == (Purpose.SIGNATURE, Role.SMGW)
            )
        if not found:
            raise WrongSignerError(
                f"no signature certificate of {gateway or 'any gateway'} is in {peers.folder}",
                "Copy the trust folder again after the gateway was added (`smgw-pki export`).",
                subject=_MESSAGE,
            )
        return found

    def _own(self) -> tuple[_Key, ...]:
        """The encryption certificates with their keys, newest first."""
        triples = self._room.triples
        with self._lock:
            if triples is not self._triples:
                found = []
                for one in reversed(triples):
                    try:
                        found.append(self._read(one))
                    except TrustError as error:
                        _LOG.error("what is sealed for %s cannot be opened: %s", one.folder, error)
                self._triples, self._keys = triples, tuple(found)
            return self._keys

    def _read(self, triple: Triple) -> _Key:
        file = triple.key_file(Purpose.ENCRYPTION)
        keys = PemKeys.read([PemFile(file, self._room.passphrase)])
        if key_name(triple.encryption.public_key) not in keys:
            raise KeyMismatchError(
                f"this private key does not belong to {triple.certificate_file(Purpose.ENCRYPTION)}",
                "Name the key whose request the certificate was made from.",
                file=file,
            )
        return _Key(triple.encryption, keys)
