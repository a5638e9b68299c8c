"""SHA-256 without OpenSSL: `hashlib` loads libcrypto, 3.6 MB that the LMN process has no other use for."""

try:
    from _sha2 import sha256  # Python 3.12 on
except ImportError:
    try:
        from _sha256 import sha256  # Python 3.11
    except ImportError:  # an interpreter built without its own
        from hashlib import sha256

__all__ = ["sha256"]
