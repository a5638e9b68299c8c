"""APDUs of DLMS by their tag: octets to values. Each value writes itself by its `encode`.

Association requests (60 to 63) are `acse`'s.
"""

from collections.abc import Callable

from smgw.dlms.apdus import action, block, envelope, exception, get, initiate, notify, short
from smgw.dlms.apdus import set as set_service
from smgw.dlms.apdus.action import ActionApdu
from smgw.dlms.apdus.block import GeneralBlock
from smgw.dlms.apdus.cursor import ApduError, Cursor
from smgw.dlms.apdus.envelope import Ciphered
from smgw.dlms.apdus.exception import ConfirmedServiceError, ExceptionResponse
from smgw.dlms.apdus.get import GetApdu, GetResponse
from smgw.dlms.apdus.initiate import InitiateRequest, InitiateResponse
from smgw.dlms.apdus.notify import DataNotification, EventNotification
from smgw.dlms.apdus.set import SetApdu
from smgw.dlms.apdus.short import ShortApdu

Apdu = (
    GetApdu
    | SetApdu
    | ActionApdu
    | ShortApdu
    | GeneralBlock
    | DataNotification
    | EventNotification
    | ExceptionResponse
    | ConfirmedServiceError
    | InitiateRequest
    | InitiateResponse
    | Ciphered
)

# Services whose second octet is the choice of their form.
_BY_CHOICE: dict[tuple[int, int], Callable[[Cursor], Apdu]] = {**get.READERS, **set_service.READERS, **action.READERS}
_CHOOSING = frozenset(tag for tag, _ in _BY_CHOICE)
_BY_TAG: dict[int, Callable[[Cursor], Apdu]] = {
    block.GENERAL_BLOCK_TRANSFER: GeneralBlock.read,
    notify.DATA_NOTIFICATION: DataNotification.read,
    notify.EVENT_NOTIFICATION: EventNotification.read,
    exception.EXCEPTION: ExceptionResponse.read,
    exception.CONFIRMED_SERVICE_ERROR: ConfirmedServiceError.read,
    initiate.REQUEST: InitiateRequest.read,
    initiate.RESPONSE: InitiateResponse.read,
    **short.READERS,
}
_GET_NORMAL = bytes((get.RESPONSE, 1))
_new = tuple.__new__  # makes a NamedTuple in half the time that its constructor takes
_CIPHERED = frozenset({*envelope.PLAIN_TAG, envelope.GENERAL_GLO, envelope.GENERAL_DED})


def read_apdu(cursor: Cursor) -> Apdu:
    """The APDU at the cursor, which moves past it; ApduError if there is none, or an unsupported one."""
    begin = cursor.position
    tag = cursor.octet()
    if tag in _CHOOSING:
        choice = cursor.octet()
        read = _BY_CHOICE.get((tag, choice))
        if read is None:
            raise ApduError(begin + 1, f"an APDU {tag:02x} has no form {choice:02x}")
        return read(cursor)
    if tag in _CIPHERED:
        return Ciphered.read(cursor, tag)
    reader = _BY_TAG.get(tag)
    if reader is None:
        raise ApduError(begin, f"no APDU known here begins with {tag:02x}")
    return reader(cursor)


def decode_apdu(octets: bytes) -> Apdu:
    """The one APDU in these octets; ApduError if there is none, or if octets are left."""
    if octets[:2] == _GET_NORMAL and octets[3:4] == b"\0":  # what most answers are: one value, whole
        return _new(GetResponse, (octets[2], octets[4:]))
    cursor = Cursor(octets)
    apdu = read_apdu(cursor)
    cursor.finish()
    return apdu
