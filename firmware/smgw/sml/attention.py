"""Attention numbers: an SML server's answers without data (docs/sml.md, section 2.3)."""

from enum import IntEnum

_PREFIX = b"\x81\x81\xc7\xc7"


class AttentionCode(IntEnum):
    """The last two octets of an attention number 8181C7C7xxxx. E000 to FCFF are an application's own."""

    OK = 0xFD00
    ORDER_ACCEPTED = 0xFD01  # carried out later
    UNDEFINED = 0xFE00
    UNKNOWN_DESIGNATOR = 0xFE01
    USER_OR_PASSWORD = 0xFE02
    SERVER_ID = 0xFE03
    REQUEST_FILE_ID = 0xFE04
    NOT_WRITABLE = 0xFE05
    NOT_READABLE = 0xFE06
    COMMUNICATION_DISTURBED = 0xFE07
    RAW_DATA = 0xFE08
    RANGE = 0xFE09
    NOT_EXECUTED = 0xFE0A
    CHECKSUM = 0xFE0B
    BROADCAST_UNSUPPORTED = 0xFE0C
    UNEXPECTED_MESSAGE = 0xFE0D
    UNKNOWN_OBJECT = 0xFE0E
    DATA_TYPE = 0xFE0F
    OPTIONAL_ELEMENT = 0xFE10
    NO_PROFILE_ENTRY = 0xFE11
    END_BEFORE_BEGIN = 0xFE12
    NO_ENTRY_IN_RANGE = 0xFE13
    FILE_WITHOUT_CLOSE = 0xFE14
    BUSY = 0xFE15


_EXPLAINED = {
    AttentionCode.UNKNOWN_DESIGNATOR: "the meter does not know this list or parameter",
    AttentionCode.USER_OR_PASSWORD: "the meter refuses the user name or the password",
    AttentionCode.SERVER_ID: "the request names another meter",
    AttentionCode.NOT_WRITABLE: "the meter does not let this be written",
    AttentionCode.NOT_READABLE: "the meter does not let this be read",
    AttentionCode.UNEXPECTED_MESSAGE: "the meter does not expect this kind of message",
    AttentionCode.UNKNOWN_OBJECT: "the meter has no such object",
    AttentionCode.NO_PROFILE_ENTRY: "the profile is empty",
    AttentionCode.END_BEFORE_BEGIN: "the range ends before it begins",
    AttentionCode.NO_ENTRY_IN_RANGE: "the profile has nothing in this range",
    AttentionCode.BUSY: "the meter is busy",
}


class Denied(Exception):  # noqa: N818 - a server's answer, not a fault
    """Raised in the model of a server: the request is answered with this attention."""

    def __init__(self, code: AttentionCode) -> None:
        super().__init__(code.name)
        self.code = code


def attention_number(code: AttentionCode) -> bytes:
    """The six octets for a code."""
    return _PREFIX + code.to_bytes(2, "big")


def attention_code(number: bytes) -> AttentionCode | int | None:
    """The code in an attention number; a plain int for an unknown code, None for other octets."""
    if len(number) != 6 or not number.startswith(_PREFIX):
        return None
    code = int.from_bytes(number[4:], "big")
    try:
        return AttentionCode(code)
    except ValueError:
        return code


def refuses(code: AttentionCode | int | None) -> bool:
    """True unless the attention says that the request is or will be carried out."""
    return code not in (AttentionCode.OK, AttentionCode.ORDER_ACCEPTED)


def explain(number: bytes) -> str:
    """The number in words."""
    code = attention_code(number)
    if not isinstance(code, AttentionCode):
        return f"attention {number.hex()}"
    text = _EXPLAINED.get(code, code.name.lower().replace("_", " "))
    return f"{text} (attention {code:04X})"
