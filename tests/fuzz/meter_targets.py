"""Decoders of what a meter or its line can send."""

import contextlib
from collections.abc import Callable
from datetime import UTC
from functools import cache
from typing import Any

from fuzz_input import SEPARATOR, Target
from smgw.clock.gateway_clock import GatewayClock
from smgw.cosem import AttributeName, Obis
from smgw.dlms import data as axdr
from smgw.dlms.apdus.acse import Aare, Aarq, Release
from smgw.dlms.apdus.apdu import decode_apdu
from smgw.dlms.carriers.mbus import MBusListener
from smgw.dlms.carriers.wrapper import Wrapper
from smgw.dlms.data.rows import Rows, fill_nulls
from smgw.dlms.session.association import State
from smgw.dlms.session.client import Client
from smgw.errors import RemoteProtocolError, SmgwError
from smgw.hdlc import Address, Link, Listener
from smgw.hdlc.control import Kind
from smgw.hdlc.frame import FrameDecoder, encode_frame
from smgw.hdlc.llc import RESPONSE
from smgw.iec62056.d0.blocks import BlockReader, Message
from smgw.iec62056.d0.check import bcc
from smgw.iec62056.d0.meter import D0Meter
from smgw.iec62056.d0.profile import rows_of
from smgw.iec62056.d0.read_out import ReadOut, ReadOutReader
from smgw.iec62056.d0.values import values
from smgw.iec62056.identification import Identification
from smgw.iec62056.responder import Responder
from smgw.iec62056.seven_bit import with_parity
from smgw.iec62056.sign_on import SignOn
from smgw.lmn.contract import Surroundings
from smgw.lmn.dlms.push import DlmsPush
from smgw.lmn.p1.push import P1Push
from smgw.lmn.sml.push import SmlPush
from smgw.ports.telnet import Telnet
from smgw.profiles.dlms import DlmsProfile, Framing
from smgw.profiles.meter import MeterProfile
from smgw.profiles.p1 import P1Profile
from smgw.profiles.secrets import Secrets
from smgw.sml.client import Answers
from smgw.sml.client import Client as SmlClient
from smgw.sml.client import Request as SmlRequest
from smgw.sml.file import FileError, decode_messages, find_messages
from smgw.sml.messages import Body, GetProcParameterResponse, GetProfileListResponse, GetProfilePackResponse
from smgw.sml.parameters import read_object, read_object_list
from smgw.sml.profiles import LOAD_PROFILE, from_list, from_pack
from smgw.sml.shape import Shapes
from smgw.sml.telegram import TelegramReader
from smgw.sml.transport import encode_frame as encode_sml
from smgw.wire import Crc
from smgw.wire.crc_arc import crc_arc
from smgw.wire.guess import guess

METER, CLIENT = Address(1, 17), Address(16)


def _pieces(octets: bytes, receive: Callable[[bytes], Any], finish: Callable[[], Any] = list) -> list[Any]:
    """The events of these octets, in one piece and then octet by octet."""
    found = [*receive(octets), *finish()]
    for place in range(min(len(octets), 500)):
        receive(octets[place : place + 1])
    finish()
    return found


def _sealed(parts: list[bytes], crc: Crc = Crc.X25) -> bytes:
    return b"".join(part + b"\x63" + crc.wire(part).to_bytes(2, "big") + b"\x00" for part in parts)


def sml_stream(octets: bytes) -> None:
    """Octets of a line: frames, then telegrams; and messages without a transport."""
    reader = TelegramReader()
    _pieces(octets, reader.receive, reader.finish)
    list(find_messages(octets))
    guess(octets)


def sml_messages(octets: bytes) -> None:
    """Messages with right check sums."""
    with contextlib.suppress(FileError):
        decode_messages(_sealed(octets.split(SEPARATOR)), Crc.X25)


def sml_shape(octets: bytes) -> None:
    """Two telegrams of one meter: the fast path gives what the full decoder gives, refusals too."""
    parts = octets.split(SEPARATOR)
    half = len(parts) // 2
    shapes = Shapes()
    for payload in (_sealed(parts[:half]), _sealed(parts[half:]), _sealed(parts[:half])):
        for _ in range(2):
            fast, full = _outcome(shapes.decode, payload), _outcome(decode_messages, payload)
            assert fast == full, f"fast path {fast}, full decoder {full}"


def _outcome(decode: Callable[[bytes, Crc], Any], payload: bytes) -> Any:
    try:
        return _typed(decode(payload, Crc.X25))
    except FileError as error:
        return str(error)


def _typed(value: Any) -> Any:
    """With the type of everything in it, since True equals 1."""
    return (type(value), [_typed(part) for part in value] if isinstance(value, tuple | list) else value)


def sml_push(octets: bytes) -> None:
    """A pushing meter: from right frames to readings."""
    meter = SmlPush(MeterProfile("house", "sml-push", "/dev/null"), Secrets(), _surroundings())
    for _ in range(2):
        meter.receive(encode_sml(_sealed(octets.split(SEPARATOR))), _surroundings().clock.stamp())
    meter.finish()


def sml_client(octets: bytes) -> None:
    """The answers of a polled meter, whose transaction ids begin at 00000001; load profiles and parameters in them."""
    parts = octets.split(SEPARATOR)
    client = SmlClient(b"test", bytes(4))
    wanted: list[SmlRequest] = [
        client.get_list(),
        client.get_parameter(b"\x81" * 6),
        client.get_profile((LOAD_PROFILE,), None, None),
    ]
    client.send(wanted, 0.0)
    for event in client.receive(encode_sml(_sealed(parts))):
        if isinstance(event, Answers):
            for place in range(len(wanted)):
                _profiles(event.messages(place))
    client.expire(1e9)
    with contextlib.suppress(FileError):
        _profiles(tuple(message.body for message in decode_messages(_sealed(parts), Crc.X25)))


def _profiles(bodies: tuple[Body, ...]) -> None:
    with contextlib.suppress(RemoteProtocolError):
        from_list(body for body in bodies if isinstance(body, GetProfileListResponse))
    for body in bodies:
        if isinstance(body, GetProfilePackResponse):
            with contextlib.suppress(RemoteProtocolError):
                from_pack(body)
        elif isinstance(body, GetProcParameterResponse):
            for read in (read_object, read_object_list):
                with contextlib.suppress(RemoteProtocolError):
                    read(body.tree)


def hdlc_stream(octets: bytes) -> None:
    """Octets of a line, as frames, as pushes, and at both ends of a link."""
    for receive, finish in ((made.receive, made.finish) for made in (FrameDecoder(), FrameDecoder(CLIENT), Listener())):
        _pieces(octets, receive, finish)
    guess(octets)


def hdlc_link(octets: bytes) -> None:
    """Right frames with any control field at a link. The first octet of a part is the control field."""
    client, server = Link.client(CLIENT, METER), Link.server(METER)
    now = 0.0
    client.connect(now)
    for part in octets.split(SEPARATOR):
        control, information = (part[:1] or b"\x00")[0], part[2:2032]
        segmented = part[1:2] == b"\x01"
        now += 1.0
        client.receive(encode_frame(CLIENT, METER, control, information, segmented=segmented), now)
        server.receive(encode_frame(METER, CLIENT, control, information, segmented=segmented), now)
        if client.connected and not client.busy:
            client.send(information, now)
        due = client.deadline(now)
        if due is not None and control & 1:
            client.expire(due)


def mbus(octets: bytes) -> None:
    """Octets of an M-Bus."""
    listener = MBusListener()
    _pieces(octets, listener.receive, listener.finish)


def wrapper(octets: bytes) -> None:
    """Octets of a TCP connection, at both ends."""
    for end in (Wrapper.client(16, 1), Wrapper.server(1)):
        end.connect(0.0)
        _pieces(octets, lambda data, end=end: end.receive(data, 0.0))  # type: ignore[misc]


def axdr_data(octets: bytes) -> None:
    """A value: measured and decoded, it ends at the same octet. Rows of a buffer: the fast path gives the same."""
    try:
        value, end = axdr.decode(octets)
    except axdr.AxdrError:
        value, end = None, None
    try:
        measured = axdr.end(octets)
    except axdr.AxdrError:
        measured = None
    assert end is None or measured == end, f"decoded to {end}, measured {measured}"
    try:
        rows = list(Rows(octets))
    except axdr.AxdrError:
        return
    fill_nulls(rows, 0, 900)
    if value is not None and octets[:1] == b"\x01":
        assert [_typed(row) for row in rows] == [_typed(one.value) for one in value.value]  # type: ignore[union-attr]


def apdu(octets: bytes) -> None:
    """One APDU, or one of an association. An APDU can be written, and says the same when it is read again."""
    for decode in (
        Aarq.decode,
        Aare.decode,
        lambda one: Release.decode(one, 0x62),
        lambda one: Release.decode(one, 0x63),
    ):
        with contextlib.suppress(RemoteProtocolError):
            decode(octets)
    try:
        written = decode_apdu(octets).encode()
    except RemoteProtocolError:
        return
    assert decode_apdu(written).encode() == written


def dlms_client(octets: bytes) -> None:
    """The answers of a meter at a session: each part is an APDU. A driver handles every SmgwError (lmn/contract.py)."""
    energy, clock = AttributeName(3, Obis.parse("1.8.0"), 2), AttributeName(8, Obis.parse("0-0:1.0.0"), 2)
    client = Client()
    client.associate()
    for part in octets.split(SEPARATOR):
        with contextlib.suppress(SmgwError):
            client.receive(part)
            if client.state is State.IDLE:
                client.associate()
            elif client.state is State.ASSOCIATED and not client.busy:
                client.get(energy)
                client.receive(part)
                if not client.busy:
                    client.get_with_list([energy, clock])


def dlms_push(octets: bytes) -> None:
    """A pushing meter: each part is an APDU in an intact frame, up to its readings."""
    for secrets in (Secrets(), Secrets(encryption_key=bytes(range(0x10, 0x20)))):
        meter = DlmsPush(_dlms_profile(Framing.HDLC), secrets, _surroundings())
        for part in octets.split(SEPARATOR):
            meter.receive(_in_frames(part), _surroundings().clock.stamp())
        meter.finish()


def _in_frames(apdu: bytes) -> bytes:
    information = RESPONSE + apdu
    pieces = [information[begin : begin + 2000] for begin in range(0, len(information), 2000)]
    return b"".join(
        encode_frame(CLIENT, METER, Kind.UI.value, piece, segmented=number < len(pieces))
        for number, piece in enumerate(pieces, 1)
    )


def dlms_push_stream(octets: bytes) -> None:
    """A pushing meter: the octets of the line."""
    for framing in (Framing.HDLC, Framing.MBUS):
        meter = DlmsPush(_dlms_profile(framing), Secrets(), _surroundings())
        meter.receive(octets, _surroundings().clock.stamp())
        meter.finish()


def iec62056(octets: bytes) -> None:
    """Octets with and without parity at both ends of a sign-on."""
    for made in (octets, with_parity(bytes(octet & 0x7F for octet in octets))):
        client = SignOn(device_address="1")
        client.start(0.0)
        responder = Responder(Identification("EMH", "5", "2", "meter"))
        now = 0.0
        for part in made.split(SEPARATOR):
            client.receive(part, now)
            responder.receive(part)
            now = client.deadline(now) or now
            client.expire(now)


def p1_push(octets: bytes) -> None:
    """A meter with a P1 port: the octets of the line, with and without a key; and each part with a right check sum."""
    stamp = _surroundings().clock.stamp()
    for secrets in (Secrets(), Secrets(encryption_key=bytes(range(16)))):
        meter = P1Push(_p1_profile(), secrets, _surroundings())
        meter.receive(octets, stamp)
        meter.finish()
        for part in octets.split(SEPARATOR):
            text = b"/XXX5\r\n\r\n" + part.replace(b"!", b"").replace(b"/", b"") + b"\r\n!"
            meter.receive(text + b"%04X\r\n" % crc_arc(text), stamp)


@cache
def _p1_profile() -> MeterProfile:
    return MeterProfile("flat", "dsmr-p1", "/dev/null", options=P1Profile())


def d0(octets: bytes) -> None:
    """Read-outs of a line; each part as the body of one with a right check value, as a message, and as a profile."""
    reader, blocks = ReadOutReader(), BlockReader()
    _pieces(octets, reader.receive, reader.finish)
    _pieces(octets, blocks.receive)
    station = D0Meter(Identification("EMH", "5", "", "meter"), _Registers())
    for part in octets.split(SEPARATOR):
        text = bytes(octet & 0x7F for octet in part)
        body = text.translate(None, b"\x02\x03") + b"!\r\n\x03"
        reader = ReadOutReader()
        for event in reader.receive(with_parity(b"/XXX5T\r\n\x02" + body + bytes((bcc(body),)))):
            if isinstance(event, ReadOut):
                values(event.sets, 1)
        with contextlib.suppress(RemoteProtocolError):
            rows_of(text, 1, UTC)
        station.receive(part)
        station.receive(Message("R5", text.translate(None, b"\x03\x04")).encode())


class _Registers:
    """A meter without registers."""

    def read_out(self) -> str:
        return "C.1.0(1)\r\n"

    def register(self, code: str) -> str | None:
        return None

    def profile(self, code: str, since: str, until: str) -> str:
        return "P.01(ERROR)"


def telnet(octets: bytes) -> None:
    """What a bridge sends. The answers are bounded: two ends that answer each other come to an end."""
    end = Telnet()
    before = len(end.outgoing)
    _pieces(octets, end.receive)
    assert len(end.outgoing) - before <= 6 * len(octets)


@cache
def _surroundings() -> Surroundings:
    return Surroundings(GatewayClock())


@cache
def _dlms_profile(framing: Framing) -> MeterProfile:
    return MeterProfile("flat", "dlms-push", "/dev/null", options=DlmsProfile(framing=framing))


METER_TARGETS: tuple[Target, ...] = (
    sml_stream, sml_messages, sml_shape, sml_push, sml_client, hdlc_stream, hdlc_link, mbus, wrapper, axdr_data,
    apdu, dlms_client, dlms_push, dlms_push_stream, iec62056, d0, p1_push, telnet,
)  # fmt: skip
