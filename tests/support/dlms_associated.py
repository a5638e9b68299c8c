"""DLMS clients wired to our server in memory, associated already: in the clear, and ciphered with suite 0."""

from collections.abc import Callable, Sequence

from dlms_pair import (
    CLIENT,
    Model,
    Pair,
    plain_pair,
)
from smgw.dlms.apdus.apdu import decode_apdu
from smgw.dlms.apdus.exception import ExceptionResponse
from smgw.dlms.apdus.results import ServiceError, StateError
from smgw.dlms.meter.access import Admission
from smgw.dlms.meter.server import Server
from smgw.dlms.security.ciphering import Ciphering, Setting
from smgw.dlms.security.secret import Secret
from smgw.dlms.security.suites import Keys, Suite
from smgw.dlms.session.client import Client
from smgw.dlms.session.events import Associated, Event, Send

KEYS = Keys.of(Suite.AES_GCM_128, b"encryption key !", b"authenticates it")
SECRET = Secret(b"12345678")
NOT_POSSIBLE = ExceptionResponse(StateError.SERVICE_NOT_ALLOWED, ServiceError.OPERATION_NOT_POSSIBLE)
VALUE = bytes.fromhex("060012d687")


def counter(first: int) -> Callable[[], int]:
    return iter(range(first, 1 << 32)).__next__


def associated(**options: object) -> Pair:
    wired = plain_pair(**options)  # type: ignore[arg-type]
    wired.one(wired.client.associate(), Associated)
    return wired


def ciphered() -> Pair:
    """Associated with suite 0."""
    setting = Setting(KEYS, b"UTBMTR01", counter(1))
    server = Server(Model(), CLIENT, Admission(None, lambda: Ciphering(setting)))
    wired = Pair(Client(None, Ciphering(Setting(KEYS, b"UTBCLI01", counter(1)))), server)
    wired.one(wired.client.associate(), Associated)
    return wired


def invoke_of(events: Sequence[Event]) -> int:
    """Of the request that is to be sent."""
    (sent,) = events
    assert isinstance(sent, Send)
    request = decode_apdu(sent.apdu)
    return request.invoke  # type: ignore[union-attr]
