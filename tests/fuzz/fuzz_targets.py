"""The decoders of octets that a stranger can send, one function each, for the fuzzer and for the replay of the corpus.

A target takes any octets. It returns if the decoder keeps its promise: only its documented errors leave it, and a fast
path gives what the full decoder gives. Anything else is a finding. The fuzzer also bounds time and memory.

A random change rarely keeps a check sum. So some targets cut their input at `SEPARATOR` and give each part its sum.
"""

import atexit
import contextlib
import io
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from smgw.clock.gateway_clock import GatewayClock
from smgw.cosem import AttributeName, Capture, ClockState, Data, DataType, DeviceId, Obis, Reading, Stamp
from smgw.cosemxml import document
from smgw.cosemxml.error import CosemXmlError
from smgw.cosemxml.reader import decode as read_xml
from smgw.dlms import data as axdr
from smgw.dlms.apdus.acse import Aare, Aarq, Release
from smgw.dlms.apdus.apdu import decode_apdu
from smgw.dlms.carriers.mbus import MBusListener
from smgw.dlms.carriers.wrapper import Wrapper
from smgw.dlms.data.rows import Rows, fill_nulls
from smgw.dlms.session.association import State
from smgw.dlms.session.client import Client
from smgw.dump.printer import Options, make_printer
from smgw.errors import RemoteProtocolError, SmgwError
from smgw.hdlc import Address, Link, Listener
from smgw.hdlc.control import Kind
from smgw.hdlc.frame import FrameDecoder, encode_frame
from smgw.hdlc.llc import RESPONSE
from smgw.iec62056.identification import Identification
from smgw.iec62056.responder import Responder
from smgw.iec62056.seven_bit import with_parity
from smgw.iec62056.sign_on import SignOn
from smgw.lmn.contract import Surroundings
from smgw.lmn.dlms.push import DlmsPush
from smgw.lmn.sml.push import SmlPush
from smgw.ports.telnet import Telnet
from smgw.profiles.dlms import DlmsProfile, Framing
from smgw.profiles.meter import MeterProfile
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
from smgw.store.errors import StoreError
from smgw.store.file.log_book import Level
from smgw.store.live_reader import read_live
from smgw.store.lmn.store import LmnStore
from smgw.store.lmn.view import LmnView
from smgw.store.paths import LMN
from smgw.store.records import Record
from smgw.trust.certificate import Certificate
from smgw.trust.chain import Authorities
from smgw.trust.crl import RevocationList
from smgw.trust.errors import TrustError
from smgw.webservice import byte_range, headers, literal, media_type, query, uri
from smgw.webservice.error import ServiceError
from smgw.webservice.parcel import ParcelError, unpack
from smgw.wire import Crc
from smgw.wire.guess import guess

SEPARATOR = b"~~~~"
CORPUS = Path(__file__).parent / "corpus"
METER, CLIENT = Address(1, 17), Address(16)
#: File of the live value whose content is tried.
LIVE_FILE = "house.0a01454d480000519725.json"
Target = Callable[[bytes], object]


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


def telnet(octets: bytes) -> None:
    """What a bridge sends. The answers are bounded: two ends that answer each other come to an end."""
    end = Telnet()
    before = len(end.outgoing)
    _pieces(octets, end.receive)
    assert len(end.outgoing) - before <= 6 * len(octets)


def cosem_xml(octets: bytes) -> None:
    """A document, and any resource. What is read as a document can be written and says the same again."""
    with contextlib.suppress(CosemXmlError):
        read_xml(octets)
    with contextlib.suppress(CosemXmlError):
        found = document.decode(octets)
        assert document.decode(document.encode(found)) == found


def request(octets: bytes) -> None:
    """A request: URI, query, headers, literals. The first line is the target, each other one a header."""
    target, *lines = octets.decode("latin-1").split("\n")
    given = {name.title(): value for name, _, value in (line.partition(":") for line in lines)}
    with contextlib.suppress(ServiceError):
        path, filters = uri.split(target)
        with contextlib.suppress(ServiceError):
            found = uri.parse(path)
            assert uri.parse(uri.build(found)) == found
        with contextlib.suppress(ServiceError):
            query.parse(filters)
        literal.parse(filters)
    for check in (
        lambda: headers.check_request("PUT", given),
        lambda: headers.check_request("GET", given),
        lambda: headers.content_encoding(given),
        lambda: headers.parse_cid(given.get("X-Cid", "")),
        lambda: media_type.MediaType.parse(given.get("Content-Type", "")),
        lambda: media_type.choose(given.get("Accept"), [media_type.COSEM_XML, media_type.CSV]),
        lambda: byte_range.parse(given.get("Range", ""), 1000),
    ):
        with contextlib.suppress(ServiceError):
            check()


def live_value(octets: bytes) -> None:
    """The file of a live value: no error leaves the reader."""
    (_directory() / LIVE_FILE).write_bytes(octets)
    read_live(_directory())


def store_view(octets: bytes) -> None:
    """Another process's lmn.db with changed octets. Four octets of the input are a place and what stands there."""
    folder = _directory() / "store"
    made = bytearray(_database(folder))
    for begin in range(0, len(octets) - 3, 4):
        made[int.from_bytes(octets[begin : begin + 3], "big") % len(made)] = octets[begin + 3]
    for old in folder.iterdir():
        old.unlink()
    (folder / LMN).write_bytes(made)
    with contextlib.suppress(StoreError), LmnView.open(folder) as view:
        for read in (view.sources, view.meter_states, view.clock, view.counts, lambda: view.log_entries(10)):
            with contextlib.suppress(StoreError):
                read()
        for source in view.sources():
            for read_of in (view.newest, view.last_target_us, view.last_position, lambda one: view.records(one, 0, 10)):
                with contextlib.suppress(StoreError):
                    read_of(source)


@cache
def _database(folder: Path) -> bytes:
    """Five rows, a state and a log entry."""
    folder.mkdir()
    stamp = Stamp("boot", 1, 1_772_323_200_000_000, 1, ClockState.SYNCHRONISED)
    readings = tuple(Reading(Obis.parse(code), Data(DataType.LONG64, 7), -1, 30) for code in ("1.8.0", "2.8.0"))
    captured = Capture("house", DeviceId.parse("1EMH0011802881"), stamp, None, readings)
    with LmnStore.open(folder, ballast_bytes=0) as store:
        store.append([Record(captured, number * 900_000_000) for number in range(1, 6)])
        store.log("meter-silent", Level.INFO, "house", stamp)
    return (folder / LMN).read_bytes()


def parcel(octets: bytes) -> None:
    """An archive that a person carries."""
    file = _directory() / "archive"
    file.write_bytes(octets)
    with contextlib.suppress(ParcelError):
        for one in unpack(file):
            assert isinstance(one, bytes)


def dump(octets: bytes) -> None:
    """`smgw dump` shows any octets, as a tree and as JSON."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for name in ("sml", "dlms"):
            for as_json in (False, True):
                printer = make_printer(name, Options(as_json=as_json))
                printer.receive(octets)
                printer.finish()
                printer.summary()


def certificate(octets: bytes) -> None:
    """Certificates and revocation lists of a stranger, as DER or PEM; one that can be read is walked to a root."""
    for part in octets.split(SEPARATOR):
        with contextlib.suppress(TrustError):
            RevocationList(part).revoked_s(1)
        with contextlib.suppress(TrustError):
            found = Certificate.from_octets(part)
            Authorities([found], ()).chain(found)


TARGETS: dict[str, Target] = {
    made.__name__.replace("_", "-"): made
    for made in (
        sml_stream, sml_messages, sml_shape, sml_push, sml_client, hdlc_stream, hdlc_link, mbus, wrapper, axdr_data,
        apdu, dlms_client, dlms_push, dlms_push_stream, iec62056, telnet, cosem_xml, request, live_value, store_view,
        parcel, dump, certificate,
    )
}  # fmt: skip


@cache
def _surroundings() -> Surroundings:
    return Surroundings(GatewayClock())


@cache
def _dlms_profile(framing: Framing) -> MeterProfile:
    return MeterProfile("flat", "dlms-push", "/dev/null", options=DlmsProfile(framing=framing))


@cache
def _directory() -> Path:
    made = Path(tempfile.mkdtemp(prefix="smgw-fuzz-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made
