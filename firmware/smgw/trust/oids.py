"""Every object identifier of the SM-PKI and of its CMS messages, once, with its source.

BSI's own begin with 0.4.0.127.0.7 (bsi-de). What the library `cryptography` names itself (extensions of X.509) is not
repeated here.
"""

from typing import Final

# Public keys and signatures: RFC 5480, RFC 5758; curves: RFC 5480, RFC 5639
EC_PUBLIC_KEY: Final = "1.2.840.10045.2.1"
ECDSA_WITH_SHA256: Final = "1.2.840.10045.4.3.2"
ECDSA_WITH_SHA384: Final = "1.2.840.10045.4.3.3"
ECDSA_WITH_SHA512: Final = "1.2.840.10045.4.3.4"
SECP256R1: Final = "1.2.840.10045.3.1.7"
SECP384R1: Final = "1.3.132.0.34"
BRAINPOOL_P256R1: Final = "1.3.36.3.3.2.8.1.1.7"
BRAINPOOL_P384R1: Final = "1.3.36.3.3.2.8.1.1.11"
BRAINPOOL_P512R1: Final = "1.3.36.3.3.2.8.1.1.13"

# Digests: RFC 5754
SHA256: Final = "2.16.840.1.101.3.4.2.1"
SHA384: Final = "2.16.840.1.101.3.4.2.2"
SHA512: Final = "2.16.840.1.101.3.4.2.3"

# Certificates of the SM-PKI: certificate policy, by TR-03109-4 annex A
SM_PKI_POLICY: Final = "0.4.0.127.0.7.3.4.1.1.1"

# Content types of CMS: RFC 5652 (data, signed, enveloped), RFC 5083 (authEnveloped), RFC 3274 (compressed)
DATA: Final = "1.2.840.113549.1.7.1"
SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
ENVELOPED_DATA: Final = "1.2.840.113549.1.7.3"
AUTH_ENVELOPED_DATA: Final = "1.2.840.113549.1.9.16.1.23"
COMPRESSED_DATA: Final = "1.2.840.113549.1.9.16.1.9"
ZLIB_COMPRESSION: Final = "1.2.840.113549.1.9.16.3.8"

# Attributes of CMS: RFC 5652, section 11
CONTENT_TYPE: Final = "1.2.840.113549.1.9.3"
MESSAGE_DIGEST: Final = "1.2.840.113549.1.9.4"
SIGNING_TIME: Final = "1.2.840.113549.1.9.5"
CONTENT_HINTS: Final = "1.2.840.113549.1.9.16.2.4"  # RFC 2634, section 2.9

# Agreement of the key: TR-03111 (ECKA-EG, as TR-03109-1 prescribes) and RFC 5753 (what `openssl cms` can check)
ECKA_EG_X963KDF_SHA256: Final = "0.4.0.127.0.7.1.1.5.1.1.3"
DH_SINGLE_PASS_STDDH_SHA256KDF: Final = "1.3.132.1.11.1"  # noqa: S105 - not a password

# Wrapping and content encryption: RFC 3565, RFC 5084; CBC with CMAC: BSI, by TR-03109-1 and TR-03116-3
AES128_WRAP: Final = "2.16.840.1.101.3.4.1.5"
AES192_WRAP: Final = "2.16.840.1.101.3.4.1.25"
AES256_WRAP: Final = "2.16.840.1.101.3.4.1.45"
AES128_GCM: Final = "2.16.840.1.101.3.4.1.6"
AES192_GCM: Final = "2.16.840.1.101.3.4.1.26"
AES256_GCM: Final = "2.16.840.1.101.3.4.1.46"
AES_CBC_CMAC_PARAMETERS: Final = "0.4.0.127.0.7.1.3.1.1.1"
AES128_CBC_CMAC: Final = "0.4.0.127.0.7.1.3.1.1.2"
AES192_CBC_CMAC: Final = "0.4.0.127.0.7.1.3.1.1.3"
AES256_CBC_CMAC: Final = "0.4.0.127.0.7.1.3.1.1.4"
