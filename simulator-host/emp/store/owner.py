"""Who owns a pseudonym, so that no table names a gateway beside its pseudonym: a salt, and a digest of both with it."""

import hmac
import secrets

from smgw.cosem.device_id import DeviceId

_SALT = 16


def mark(gateway: DeviceId, pseudonym: DeviceId) -> bytes:
    """The mark of an owner."""
    return _mark(secrets.token_bytes(_SALT), gateway, pseudonym)


def is_owner(found: bytes, gateway: DeviceId, pseudonym: DeviceId) -> bool:
    """True if this is a mark of the gateway."""
    return hmac.compare_digest(found, _mark(found[:_SALT], gateway, pseudonym))


def _mark(salt: bytes, gateway: DeviceId, pseudonym: DeviceId) -> bytes:
    return salt + hmac.digest(salt, bytes((len(gateway),)) + gateway + pseudonym, "sha256")
