"""Sealed documents that a person brings in an export archive: the signature proves which gateway made them."""

from pathlib import Path

from smgw.cosemxml import document
from smgw.trust.errors import TrustError, WrongRecipientError
from smgw.webservice.parcel import LARGEST_DOCUMENT, Packed, ParcelError

from emp.store.importing import Brought, RefusedError
from emp.trust.opening import Opener
from emp.trust.senders import is_own, proof, sender_of


class Unsealer:
    """Reads documents of sealed archives. A bare one could name any gateway, so it is refused."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener

    def read(self, parcel: Path, packed: Packed) -> Brought:
        """Open a document; see `emp.store.importing.Read`. An archive for another EMP is refused whole."""
        if not packed.sealed:
            raise ParcelError(
                parcel,
                "is not sealed, so nobody proves which gateway made it; to take it all the same leave --trust out",
            )
        try:
            opened = self._opener.open(packed.octets, None, LARGEST_DOCUMENT)
        except WrongRecipientError as error:
            raise ParcelError(parcel, f"{packed.name}: {error}") from None
        except TrustError as error:
            raise RefusedError(str(error)) from None
        found, sender = document.decode(opened.payload), sender_of(opened.signer)
        if not is_own(found, sender):
            raise RefusedError(f"gateway {sender} signed it, and it names the gateway {found.gateway}")
        return Brought(found, proof(found, sender, opened.signer))
