"""What meters and sticks send, for the simulator and for tests: the counterpart of `opening` and `sticks`."""

from smgw.mbus.radio.crc import crc
from smgw.mbus.radio.link import add_a, add_b
from smgw.mbus.telegram import Identity, maker_octets
from smgw.wire.crc import Crc

SEND_NO_REPLY = 0x44
_BLOCK, _FILLER = 16, b"\x2f"
_REPEATED, _SYNCHRONOUS = 0x02, 0x20


def address_of(identity: Identity) -> bytes:
    """M and A."""
    return maker_octets(identity.maker) + bytes.fromhex(identity.id)[::-1] + bytes((identity.version, identity.medium))


def in_the_clear(identity: Identity, access: int, records: bytes, status: int = 0) -> bytes:
    """A telegram with a short header and no encryption."""
    return _link(identity, bytes((0x7A, access, status, 0, 0)) + records)


def by_mode_5(identity: Identity, access: int, records: bytes, key: bytes, status: int = 0) -> bytes:
    """A telegram encrypted by AES-CBC, without a counter (security profile A of OMS)."""
    from smgw.mbus import aes

    text = _padded(records)
    sealed = aes.encrypt(key, text, aes.start_of_mode_5(address_of(identity), access))
    return _link(identity, bytes((0x7A, access, status, len(text) // _BLOCK << 4, 0x05)) + sealed)


def by_mode_7(identity: Identity, access: int, records: bytes, key: bytes, counter: int, status: int = 0) -> bytes:
    """A telegram encrypted and authenticated under keys of its own (security profile B of OMS)."""
    from smgw.mbus import aes

    text, for_text, for_mac = _padded(records), *aes.derived(key, counter, address_of(identity))
    sealed = aes.encrypt(for_text, text)
    transport = bytes((0x7A, access, status, len(text) // _BLOCK << 4, 0x07, 0x10)) + sealed
    covered = b"\x25" + counter.to_bytes(4, "little")
    mac = aes.mac(for_mac, covered + transport, 8)
    extended = bytes((0x8C, _SYNCHRONOUS, access))
    return _link(identity, extended + b"\x90\x0f\x00\x2c" + covered + mac + transport)


def by_session(identity: Identity, access: int, records: bytes, key: bytes, minute: int, information: int) -> bytes:
    """A telegram encrypted by AES-CTR in the extended link layer. `information`: CI of the records, 78 or 79."""
    from smgw.mbus import aes

    session = (1 << 29 | (minute & 0x1FFFFFF) << 4).to_bytes(4, "little")
    payload = bytes((information,)) + records
    text = crc(payload).to_bytes(2, "little") + payload
    sealed = aes.count(key, text, address_of(identity), _SYNCHRONOUS, session)
    return _link(identity, bytes((0x8D, _SYNCHRONOUS, access)) + session + sealed)


def repeated(telegram: bytes) -> bytes:
    """The copy that a repeater sends of a telegram with an extended link layer; other telegrams stay as they are."""
    if not 0x8C <= telegram[10] <= 0x8F:
        return telegram
    return telegram[:11] + bytes((telegram[11] | _REPEATED,)) + telegram[12:]


def by_imst(telegram: bytes, signal: int) -> bytes:
    """As an iM871A passes it on, with its signal octet and check sum."""
    content = bytes((0xC2, 0x03)) + telegram + bytes((signal,))
    return b"\xa5" + content + Crc.X25.wire(content).to_bytes(2, "big")


def by_amber(telegram: bytes, signal: int) -> bytes:
    """As a stick of Amber passes it on, wrapped as a command, with its signal octet."""
    frame = bytes((0xFF, 0x03, telegram[0] + 1)) + telegram[1:] + bytes((signal,))
    check = 0
    for octet in frame:
        check ^= octet
    return frame + bytes((check,))


def by_cul(telegram: bytes, signal: int, *, format_b: bool = False) -> bytes:
    """As a CUL passes it on: a line of text, with quality and signal."""
    octets = (add_b if format_b else add_a)(telegram) + bytes((0x80, signal))
    return (b"bY" if format_b else b"b") + octets.hex().upper().encode() + b"\r\n"


def _link(identity: Identity, rest: bytes) -> bytes:
    content = bytes((SEND_NO_REPLY,)) + address_of(identity) + rest
    return bytes((len(content),)) + content


def _padded(records: bytes) -> bytes:
    text = 2 * _FILLER + records
    return text + _FILLER * (-len(text) % _BLOCK)
