"""The layers around the records of a radio telegram: who sends, and how it is sealed (OMS volume 2, 7 to 9).

L C M(2) A(6)  [extended link layer]  [authentication and fragmentation]  transport layer

CI of the extended link layer   8C  CC ACC
                                8D  CC ACC SN(4) check(2)          SN says whether all that follows is encrypted
                                8E  CC ACC M(2) A(6)               M, A: whom it is sent to
                                8F  CC ACC M(2) A(6) SN(4) check(2)
CI of AFL                       90  length  FCL(2)  [MCL] [key information 2] [counter 4] [MAC] [length 2]
CI of the transport layer       7A  ACC STS CW(2) [CW]             the sender is the meter
                                72  M, A of the meter, then as 7A  the sender is a radio adapter or the meter
                                78  nothing
                                79  nothing; a compact form whose heads came in an earlier telegram
"""

from enum import Enum
from typing import NamedTuple

from smgw.errors import RemoteProtocolError
from smgw.mbus.radio.crc import crc
from smgw.mbus.radio.link import HEAD
from smgw.mbus.telegram import Identity, identity_of, maker_name

LONG, SHORT, BARE, COMPACT = 0x72, 0x7A, 0x78, 0x79
_AFL = 0x90
#: CI -> octets of the extended link layer, and whether it has a session.
_ELL = {0x8C: (2, False), 0x8D: (8, True), 0x8E: (10, False), 0x8F: (16, True)}
_MAKERS_FORMS = range(0xA0, 0xB8)
_NO_DATA = frozenset((0x47, 0x48))  # C of telegrams without values: a notice that the meter is there
_VALUES = frozenset((0x44, 0x46, 0x08, 0x18, 0x28, 0x38))
_MORE_FRAGMENTS, _HAS_CONTROL, _HAS_LENGTH, _HAS_COUNTER, _HAS_MAC, _HAS_KEY = (
    0x4000, 0x2000, 0x1000, 0x0800, 0x0400, 0x0200,
)  # fmt: skip
#: Kind of authentication -> octets of the MAC.
_MAC_LENGTHS = {3: 2, 4: 4, 5: 8, 6: 12, 7: 16}
_REPEATED = 0x12  # bits of CC that a repeater changes


class Security(Enum):
    """How the records are sealed."""

    NONE = "none"
    CBC = "mode 5"
    MAC_CBC = "mode 7"
    CTR = "encryption of the extended link layer"


class Session(NamedTuple):
    """Of the extended link layer with encryption: what the counter block is made of."""

    communication: int  # CC without the bits that a repeater changes
    number: bytes

    @property
    def encrypts(self) -> bool:
        """True if what follows is encrypted by AES-CTR."""
        return self.number[3] >> 5 == 1


class Authentication(NamedTuple):
    """AFL of a telegram in one fragment."""

    covered: bytes  # its fields that the MAC covers
    counter: int | None
    mac: bytes


class Envelope(NamedTuple):
    """A telegram whose records are still sealed, or not sealed at all."""

    control: int
    sender: Identity
    address: bytes  # M and A of the sender
    identity: Identity  # of the meter: its own where the transport layer says it, else the sender's
    meter: bytes  # M and A of the meter
    security: Security
    information: int  # CI of the transport layer; 0: still encrypted
    access: int | None
    status: int
    configuration: int
    blocks: int  # of 16 octets that are encrypted; 0: all
    body: bytes  # behind the transport layer's header; with CTR all that is encrypted
    session: Session | None = None
    authentication: Authentication | None = None
    transport: bytes = b""  # from its CI to the end, for the MAC

    @property
    def sealed(self) -> bool:
        """True if a key is needed."""
        return self.security is not Security.NONE

    @property
    def same(self) -> tuple[bytes, int | None, bytes]:
        """What copies of one telegram by repeaters have in common."""
        return self.meter, self.access, self.body


def read_envelope(octets: bytes) -> Envelope | None:
    """The layers of a telegram without check sums. None: it holds no values of a meter. RemoteProtocolError."""
    if len(octets) < HEAD or octets[0] != len(octets) - 1:
        raise RemoteProtocolError(f"{len(octets)} octets are no telegram of {octets[0] + 1 if octets else 0}")
    control = octets[1]
    if control in _NO_DATA or control not in _VALUES or len(octets) == HEAD:
        return None
    address = octets[2:HEAD]
    sender = _identity(address)
    at, access, session = HEAD, None, None
    information = octets[at]
    if information in _ELL:
        length, has_session = _ELL[information]
        layer = octets[at + 1 : at + 1 + length]
        at += 1 + length
        if at >= len(octets):
            raise RemoteProtocolError("the extended link layer is cut off")
        access = layer[1]
        if has_session:
            session = Session(layer[0] & ~_REPEATED, layer[length - 6 : length - 2])
            if not plain_check(layer[-2:], octets[at:]):
                if not session.encrypts:
                    raise RemoteProtocolError("the check sum of the extended link layer is wrong: damaged")
                return Envelope(
                    control, sender, address, sender, address, Security.CTR, 0, access, 0, 0, 0, octets[at - 2 :],
                    session,
                )  # fmt: skip
    return transport_of(
        Envelope(
            control, sender, address, sender, address, Security.NONE, 0, access, 0, 0, 0, octets[at:], session
        )
    )  # fmt: skip


def plain_check(check: bytes, payload: bytes) -> bool:
    """True if this is the check sum, low octet first, of the payload of the extended link layer."""
    return crc(payload) == int.from_bytes(check, "little")


def transport_of(outer: Envelope) -> Envelope:
    """With what AFL and the transport layer say, which begin in its body. RemoteProtocolError."""
    octets, at = outer.body, 0
    authentication = None
    if octets[0] == _AFL:
        authentication, at = _authentication(octets)
    information = octets[at] if at < len(octets) else 0
    found = outer._replace(information=information, authentication=authentication, transport=octets[at:])
    if information in (BARE, COMPACT):
        return found._replace(body=octets[at + 1 :])
    if information not in (LONG, SHORT):
        if information in _MAKERS_FORMS:
            raise RemoteProtocolError(f"CI {information:02x}: a form of the maker {outer.sender.maker}, not of OMS")
        raise RemoteProtocolError(f"CI {information:02x} is no answer of a meter that is known")
    at += 1
    if information == LONG:
        found = _with_meter(found, octets[at : at + 8])
        at += 8
    head = octets[at : at + 4]
    if len(head) < 4:
        raise RemoteProtocolError("the header of the transport layer is cut off")
    at += 4
    configuration = int.from_bytes(head[2:], "little")
    mode, blocks = configuration >> 8 & 0x1F, configuration >> 4 & 0x0F
    found = found._replace(access=head[0], status=head[1], configuration=configuration)
    if mode == 0:
        return found._replace(body=octets[at:])
    if mode == 5:
        return found._replace(security=Security.CBC, blocks=blocks, body=octets[at:])
    if mode == 7:
        derivation = octets[at] >> 4 & 3 if at < len(octets) else 0
        if derivation != 1:
            raise RemoteProtocolError(f"security mode 7 with key derivation {derivation}, of which nothing is known")
        return found._replace(security=Security.MAC_CBC, blocks=blocks, body=octets[at + 1 :])
    raise RemoteProtocolError(f"security mode {mode} is not known; report this meter ({outer.sender})")


def _with_meter(outer: Envelope, octets: bytes) -> Envelope:
    """With the identity of a long header: id, maker, version, medium."""
    if len(octets) < 8:
        raise RemoteProtocolError("the header of the transport layer is cut off")
    return outer._replace(identity=identity_of(octets), meter=octets[4:6] + octets[:4] + octets[6:])


def _identity(address: bytes) -> Identity:
    """The identity in M and A of the link layer."""
    return Identity(address[5:1:-1].hex().upper(), maker_name(address[:2]), address[6], address[7])


def _authentication(octets: bytes) -> tuple[Authentication, int]:
    """AFL at the begin of these octets, and where the next layer begins. RemoteProtocolError."""
    end = 2 + (octets[1] if len(octets) > 1 else len(octets))
    fields = octets[2:end]
    if len(octets) < end or len(fields) < 2:
        raise RemoteProtocolError("the authentication layer is cut off")
    control, at = int.from_bytes(fields[:2], "little"), 2
    if control & _MORE_FRAGMENTS:
        raise RemoteProtocolError("a message in several fragments; report this meter")

    def field(present: int, size: int) -> bytes:
        nonlocal at
        taken = fields[at : at + size] if control & present else b""
        at += len(taken)
        return taken

    kind = field(_HAS_CONTROL, 1)
    field(_HAS_KEY, 2)
    counter = field(_HAS_COUNTER, 4)
    mac = field(_HAS_MAC, _MAC_LENGTHS.get(kind[0] & 0x0F, 0) if kind else 0)
    covered = kind + counter + field(_HAS_LENGTH, 2)
    return Authentication(covered, int.from_bytes(counter, "little") if len(counter) == 4 else None, mac), end
