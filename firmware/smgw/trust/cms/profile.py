"""What two sides must agree on before they seal: the suite of the content, and the form of the message."""

from enum import Enum
from typing import Final

from smgw.trust import oids


class Suite(Enum):
    """How content is encrypted and authenticated (TR-03116-3; both must be supported). The value is its OID."""

    AES_128_GCM = oids.AES128_GCM
    AES_128_CBC_CMAC = oids.AES128_CBC_CMAC


class Profile(Enum):
    """The form of a message. A receiver accepts the one that it is configured for.

    BSI      ECKA-EG with the X9.63 KDF and empty SharedInfo (TR-03111); signed attributes are content type and digest
    RFC5753  ECDH with ECC-CMS-SharedInfo (RFC 5753); the attribute signing time may stand there too. This is what
             `openssl cms` speaks. It is for tests with other programs.
    """

    BSI = oids.ECKA_EG_X963KDF_SHA256
    RFC5753 = oids.DH_SINGLE_PASS_STDDH_SHA256KDF


#: Curves of keys that sign and open messages: TR-03116-3, and P-256 as the choice of a trial.
CURVES: Final = ("brainpoolP256r1", "secp256r1")
#: Octets of a coordinate on these curves.
COORDINATE: Final = 32
