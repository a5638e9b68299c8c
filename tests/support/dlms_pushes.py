"""DLMS pushes made for tests, in the carriers that meters use: HDLC frames, general blocks, M-Bus segments."""

from smgw.dlms.apdus.block import GeneralBlock
from smgw.dlms.carriers.mbus import MBusPush, encode_push
from smgw.hdlc import Address
from smgw.hdlc.control import Kind
from smgw.hdlc.frame import encode_frame
from smgw.hdlc.llc import RESPONSE

METER, CLIENT = Address(1, 17), Address(16)
_ALL_CLIENTS, _METER_SAP = 0x67, 0x01


def in_hdlc(apdu: bytes, size: int = 2000) -> bytes:
    """UI frames with `size` octets of the APDU in each."""
    information = RESPONSE + apdu
    pieces = [information[begin : begin + size] for begin in range(0, len(information), size)]
    return b"".join(
        encode_frame(CLIENT, METER, Kind.UI.value, piece, segmented=number < len(pieces))
        for number, piece in enumerate(pieces, 1)
    )


def in_blocks(apdu: bytes, size: int = 100) -> list[bytes]:
    """The APDU in general blocks, which are APDUs of their own."""
    pieces = [apdu[begin : begin + size] for begin in range(0, len(apdu), size)]
    return [
        GeneralBlock(number == len(pieces), True, 0, number, 0, piece).encode()
        for number, piece in enumerate(pieces, 1)
    ]


def in_mbus(apdu: bytes, size: int = 240) -> bytes:
    """M-Bus frames with `size` octets of the APDU in each."""
    return encode_push(MBusPush(apdu, _METER_SAP, _ALL_CLIENTS), size)
