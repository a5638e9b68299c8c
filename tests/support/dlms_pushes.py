"""DLMS pushes made for tests: lists as makers build them, in the carriers that meters use.

What a clone without the shared captures tests the readers with. The contents are made up; the forms are those of the
captures that are named beside them.
"""

from functools import cache
from typing import NamedTuple

from smgw.cosem import CaptureObject, Data, DataType, Obis, octet_string
from smgw.dlms import data as axdr
from smgw.dlms.apdus.block import GeneralBlock
from smgw.dlms.apdus.envelope import GENERAL_GLO, Ciphered
from smgw.dlms.apdus.notify import DataNotification
from smgw.dlms.carriers.mbus import MBusPush, encode_push
from smgw.dlms.push.lists import Way
from smgw.hdlc import Address
from smgw.hdlc.control import Kind
from smgw.hdlc.frame import encode_frame
from smgw.hdlc.llc import RESPONSE

#: The sample key that stands beside the ciphered samples of Landis+Gyr and TINETZ.
SAMPLE_KEY = bytes(range(0x10, 0x20))
METER, CLIENT = Address(1, 17), Address(16)
TITLE = b"MAD\x10\x20\x30\x40\x50"
TIME = bytes.fromhex("07ea0614060b0000ff800000")
COUNTER = 9334
_CLOCK = Obis.parse("0-0:1.0.0")
_ALL_CLIENTS, _METER_SAP = 0x67, 0x01


class MadePush(NamedTuple):
    """`octets` are what goes over the line; the rest is what is in them."""

    octets: bytes
    apdus: int  # that the carrier delivers
    way: Way
    version: str | None
    device: str
    readings: list[str]
    ciphered: bool = False


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


def ciphered(apdu: bytes, counter: int = COUNTER) -> bytes:
    """Encrypted with the sample key, not authenticated."""
    from smgw.dlms.security.suites import Keys, Protection, Suite, seal

    keys = Keys.of(Suite.AES_GCM_128, SAMPLE_KEY, SAMPLE_KEY)
    return Ciphered(GENERAL_GLO, seal(keys, Protection.ENCRYPTED, TITLE, counter, apdu), TITLE).encode()


def structures(*, counter: int = COUNTER) -> bytes:
    """Kaifa in Tyrol: the clock as a pair, everything else as structures; ciphered."""
    members = [
        octet_string(_CLOCK),
        octet_string(TIME),
        _structure(_name("0-0:96.1.0"), octet_string(b"1MAD0000000035")),
        _structure(_name("0-0:42.0.0"), octet_string(b"MAD1000000000035")),
        _structure(_name("1-0:32.7.0"), _u16(2308), _scaler_unit(-1, 35)),
        _structure(_name("1-0:31.7.0"), _u16(123), _scaler_unit(-2, 33)),
        _structure(_name("1-0:1.7.0"), _u32(284), _scaler_unit(0, 27)),
        _structure(_name("1-0:2.7.0"), _u32(0), _scaler_unit(0, 27)),
        *(_structure(_name(f"1-0:{c}.8.0"), _u32(9108 * c), _scaler_unit(0, 30)) for c in (1, 2)),
        *(_structure(_name(f"1-0:{c}.8.0"), _u32(96 * c), _scaler_unit(0, 32)) for c in (3, 4)),
    ]
    return ciphered(_notification(members), counter)


def objects(setup: str, name: str, *, cipher: bool = False, counter: int = COUNTER) -> bytes:
    """Landis+Gyr and Iskra: a list of objects, its own push setup first, then their values."""
    listed = [
        CaptureObject(40, Obis.parse(setup), 2),
        CaptureObject(40, Obis.parse(setup), 1),
        CaptureObject(1, Obis.parse("0-0:42.0.0"), 2),
        *(CaptureObject(3, Obis.parse(code), 2) for code in ("1-0:1.7.0", "1-0:2.7.0")),
        *(CaptureObject(3, Obis.parse(f"1-1:{c}.8.0"), 2) for c in (1, 2, 5, 6, 7, 8)),
    ]
    values = [octet_string(Obis.parse(setup)), octet_string(name.encode())]
    values += [_u32(777), _u32(0), *(_u32(25_149_419 + c) for c in (1, 2, 5, 6, 7, 8))]
    body = [Data(DataType.ARRAY, tuple(one.data() for one in listed)), *values]
    apdu = _notification(body)
    return ciphered(apdu, counter) if cipher else apdu


def pairs() -> bytes:
    """Kamstrup: the list's name, then names and values, one behind the other."""
    members = [
        Data(DataType.VISIBLE_STRING, "Kamstrup_V0001"),
        *(_name("1-1:0.0.5"), Data(DataType.VISIBLE_STRING, "5700000000000407")),
        *(_name("1-1:96.1.1"), Data(DataType.VISIBLE_STRING, "6841131BN243101040")),
        *(_name("1-1:1.7.0"), _u32(826)),
        *(_name("1-1:2.7.0"), _u32(0)),
        *(_name("1-1:31.7.0"), _u32(237)),
        *(_name("1-1:32.7.0"), _u16(232)),
    ]
    return _notification(members)


_OBJECTS = ["1-0:1.7.0*255 777 W", "1-0:2.7.0*255 0 W", "1-1:1.8.0*255 25149420 Wh", "1-1:2.8.0*255 25149421 Wh",
            "1-1:5.8.0*255 25149424 varh", "1-1:6.8.0*255 25149425 varh", "1-1:7.8.0*255 25149426 varh",
            "1-1:8.8.0*255 25149427 varh"]  # fmt: skip
_STRUCTURES = ["1-0:32.7.0*255 230.8 V", "1-0:31.7.0*255 1.23 A", "1-0:1.7.0*255 284 W", "1-0:2.7.0*255 0 W",
               "1-0:1.8.0*255 9108 Wh", "1-0:2.8.0*255 18216 Wh", "1-0:3.8.0*255 288 varh",
               "1-0:4.8.0*255 384 varh"]  # fmt: skip
_PAIRS = ["1-1:1.7.0*255 826 W", "1-1:2.7.0*255 0 W", "1-1:31.7.0*255 2.37 A", "1-1:32.7.0*255 232 V"]
KAIFA_MBUS = "made/kaifa_mbus.bin"
ISKRA_AM550 = "made/iskra_am550.bin"
LANDIS_E450 = "made/lg_e450.bin"
LANDIS_E570_CIPHERED = "made/lg_e570_ciphered.bin"
KAMSTRUP = "made/kamstrup.bin"
NAMES = (KAIFA_MBUS, ISKRA_AM550, LANDIS_E450, LANDIS_E570_CIPHERED, KAMSTRUP)


@cache
def made_pushes() -> dict[str, MadePush]:
    """One of each form, by name; names with `mbus` are carried by M-Bus, the others by HDLC."""
    kaifa, iskra = structures(), objects("0-6:25.9.0", "ISK1000000000859")
    e450 = in_blocks(objects("0-8:25.9.0", "44000011"))
    e570 = in_blocks(objects("0-8:25.9.0", "LGZ1000000000253", cipher=True))
    device = "MAD1000000000035"
    return {
        KAIFA_MBUS: MadePush(in_mbus(kaifa), 1, Way.NAMED, None, device, _STRUCTURES, ciphered=True),
        ISKRA_AM550: MadePush(in_hdlc(iskra, 120), 1, Way.OBJECTS, None, "ISK1000000000859", _OBJECTS),
        LANDIS_E450: MadePush(b"".join(map(in_hdlc, e450)), len(e450), Way.OBJECTS, None, "44000011", _OBJECTS),
        LANDIS_E570_CIPHERED: MadePush(
            b"".join(map(in_hdlc, e570)), len(e570), Way.OBJECTS, None, "LGZ1000000000253", _OBJECTS, ciphered=True
        ),
        KAMSTRUP: MadePush(in_hdlc(pairs()), 1, Way.NAMED, "Kamstrup_V0001", "5700000000000407", _PAIRS),
    }


def _notification(members: list[Data]) -> bytes:
    return DataNotification(1, TIME, axdr.encode(Data(DataType.STRUCTURE, tuple(members)))).encode()


def _structure(*members: Data) -> Data:
    return Data(DataType.STRUCTURE, members)


def _name(code: str) -> Data:
    return octet_string(Obis.parse(code))


def _u16(value: int) -> Data:
    return Data(DataType.LONG_UNSIGNED, value)


def _u32(value: int) -> Data:
    return Data(DataType.DOUBLE_LONG_UNSIGNED, value)


def _scaler_unit(scaler: int, unit: int) -> Data:
    return _structure(Data(DataType.INTEGER, scaler), Data(DataType.ENUM, unit))
