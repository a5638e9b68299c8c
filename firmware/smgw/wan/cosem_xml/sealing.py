"""Signs and seals documents for one EMP (CMS)."""

from typing import NamedTuple

from smgw.profiles.outlets.cosem_xml import CosemXmlOptions
from smgw.trust.certificate import Certificate, Purpose
from smgw.trust.cms.message import seal
from smgw.trust.cms.profile import Profile, Suite
from smgw.trust.keys import Keys
from smgw.wan.cosem_xml.parties import Parties
from smgw.webservice.media_type import COSEM_XML_CMS

_SUITES = {"aes-128-gcm": Suite.AES_128_GCM, "aes-128-cbc-cmac": Suite.AES_128_CBC_CMAC}
_PROFILES = {"bsi": Profile.BSI, "rfc5753": Profile.RFC5753}


class Pair(NamedTuple):
    """Whose signature a document gets, and who can read it."""

    signer: Certificate
    recipient: Certificate


class Sealing:
    """Seals for one EMP by its profile. The private key stays with `keys`."""

    media_type = str(COSEM_XML_CMS)

    def __init__(self, parties: Parties, keys: Keys, options: CosemXmlOptions) -> None:
        self._parties = parties
        self._keys = keys
        self._suite = _SUITES[options.cms]
        self._profile = _PROFILES[options.cms_kdf]

    def pair(self) -> Pair:
        """The certificates for a document now.

        :raises TrustError: one of them is not there or not good; the error names the file and the remedy.
        """
        return Pair(self._parties.own(Purpose.SIGNATURE).signature, self._parties.recipient())

    def seal(self, document: bytes, pair: Pair) -> bytes:
        """The sealed document, compressed inside.

        :raises TrustError: the private key cannot be used.
        """
        return seal(document, self._keys, *pair, self._suite, compress=True, profile=self._profile)
