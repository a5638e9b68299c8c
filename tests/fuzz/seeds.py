"""Makes the corpus of the fuzzer, tests/fuzz/corpus, from telegrams that this program and its simulator make.

    .venv/bin/python tests/fuzz/seeds.py

What of it comes from captures comes from free ones. Files that a finding added stay.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / part) for part in ("firmware", "simulator-host", "tests/support", "tests/fuzz")]

import dlms_associated  # noqa: E402
import dlms_pair  # noqa: E402
import dlms_pushes  # noqa: E402
import mbus_amis  # noqa: E402
from captures import OWN  # noqa: E402
from captures_made import MIDNIGHT, capture  # noqa: E402
from document_examples import examples  # noqa: E402
from fuzz_input import CORPUS, SEPARATOR  # noqa: E402
from fuzz_targets import LIVE_FILE  # noqa: E402
from meter_targets import CLIENT, METER  # noqa: E402
from ntp_answers import answer  # noqa: E402
from profile_meter import COLUMNS, row  # noqa: E402
from radio_captures import radio_captures  # noqa: E402
from smgw.cosem import DeviceId  # noqa: E402
from smgw.dlms.carriers.wrapper import encode_wrapper  # noqa: E402
from smgw.hdlc import Listener, Pushed  # noqa: E402
from smgw.hdlc.frame import encode_frame as encode_hdlc  # noqa: E402
from smgw.hdlc.parameters import LinkParameters  # noqa: E402
from smgw.mbus.radio.sending import by_amber, by_cul, by_imst  # noqa: E402
from smgw.sml import tlv  # noqa: E402
from smgw.sml.file import encode_messages  # noqa: E402
from smgw.sml.messages import (  # noqa: E402
    CloseResponse,
    GetListResponse,
    GetProcParameterResponse,
    Message,
    OpenResponse,
    ParameterValue,
    Time,
    Tree,
)
from smgw.sml.profiles import LOAD_PROFILE, LoadProfile, to_list, to_pack  # noqa: E402
from smgw.sml.transport import encode_frame as encode_sml  # noqa: E402
from smgw.store.live import LiveWriter  # noqa: E402
from smgw.trust.cms.compressed import compress  # noqa: E402
from smgw.trust.cms.enveloped import envelop  # noqa: E402
from smgw.trust.cms.message import seal  # noqa: E402
from smgw.trust.cms.profile import Profile, Suite  # noqa: E402
from smgw.trust.oids import DATA  # noqa: E402
from smgw.webservice.media_type import COSEM_XML, COSEM_XML_CMS  # noqa: E402
from smgw.webservice.parcel import ParcelWriter  # noqa: E402
from sml_made import a_day  # noqa: E402
from smsim.sml import style  # noqa: E402
from telegrams import SERVER, entries, file_messages, payload_of, unsealed  # noqa: E402
from trial_pki import EMT, TrialPki  # noqa: E402
from trust_targets import PAYLOAD, peers, tls_end, tls_files  # noqa: E402


def sml() -> dict[str, list[bytes]]:
    """Telegrams of three makes, and a file with a load profile and parameters."""
    days = [a_day(name)[11:13] for name in sorted(style.names())[:3]]
    joined = [SEPARATOR.join(unsealed(payload_of(day[0].octets))) for day in days]
    pairs = [SEPARATOR.join(part for one in day for part in unsealed(payload_of(one.octets))) for day in days]
    profile = LoadProfile(Time(2, 1800), 900, COLUMNS, tuple(map(row, (900, 1800))))
    tree = Tree(b"\x81" * 6, ParameterValue(1, tlv.unsigned(7, 4)), (Tree(b"\x81" * 5 + b"\x01", None, ()),))
    bodies = [
        OpenResponse(b"\x00\x00\x00\x01", SERVER),
        GetListResponse(SERVER, entries(), sensor_time=Time(1, 4711)),
        GetProcParameterResponse(SERVER, (b"\x81" * 6,), tree),
        to_pack(SERVER, (LOAD_PROFILE,), profile),
        CloseResponse(),
    ]
    answers = [Message(bytes(3) + b"\x01" + place.to_bytes(2, "big"), body, place) for place, body in enumerate(bodies)]
    further = [Message(b"\x07", body, 0) for body in to_list(SERVER, (LOAD_PROFILE,), profile)]
    answered = SEPARATOR.join(unsealed(encode_messages(answers)))
    listed = SEPARATOR.join(unsealed(encode_messages(further)))
    plain = encode_messages(file_messages())
    return {
        "sml-stream": [days[0][0].octets[-20:] + days[1][0].octets + days[2][0].octets[:60], plain],
        "sml-messages": [*joined, answered, listed],
        "sml-shape": pairs,
        "sml-push": joined,
        "sml-client": [answered, listed, joined[0]],
        "dump": [
            days[0][0].octets,
            encode_sml(encode_messages(answers)),
            dlms_pushes.made_pushes()[dlms_pushes.KAMSTRUP].octets,
        ],
    }


def dlms() -> dict[str, list[bytes]]:
    """Sessions with our server in memory, and pushes of each form."""
    wired, model = dlms_pair.plain_pair(dlms_pair.Model(3)), dlms_pair
    wired.run(wired.client.associate())
    wired.run(wired.client.get(model.ENERGY))
    wired.run(wired.client.get_with_list([model.ENERGY, model.NAME]))
    wired.run(wired.client.get(model.PROFILE))
    wired.run(wired.client.set(model.TEXT, b"\x09\x02ab"))
    wired.run(wired.client.action(model.ECHO, b"\x11\x05"))
    wired.run(wired.client.release())
    short = dlms_associated.ciphered()
    short.run(short.client.get(model.ENERGY))
    traffic = [octets for _, octets in wired.traffic + short.traffic]
    answers = [octets for direction, octets in wired.traffic if direction == "answer"]
    pushes = {name: made.octets for name, made in dlms_pushes.made_pushes().items()}
    apdus = {
        name: [one.apdu for one in Listener().receive(octets) if isinstance(one, Pushed)]
        for name, octets in pushes.items()
    }
    setup = LinkParameters.of().encode()
    frames = [b"\x93\x00" + setup, b"\x73\x00" + setup, b"\x10\x00\xe6\xe6\x00" + answers[1], b"\x11\x00", b"\x53\x00"]
    rows = dlms_pair.profile_octets(40)
    return {
        "apdu": traffic,
        "dlms-client": [SEPARATOR.join(answers), *answers[:2]],
        "dlms-push": [SEPARATOR.join(made) for made in apdus.values() if made] + [dlms_pushes.structures()],
        "dlms-push-stream": list(pushes.values()),
        "hdlc-stream": [b"".join(encode_hdlc(CLIENT, METER, one[0], one[2:]) for one in frames)],
        "hdlc-link": [SEPARATOR.join(frames)],
        "mbus": [pushes[dlms_pushes.KAIFA_MBUS]],
        "wrapper": [b"".join(encode_wrapper(1, 16, one) for one in answers[:3])],
        "axdr-data": [
            rows,
            *(one[16:] for one in apdus[dlms_pushes.KAMSTRUP]),
            b"\x13\x02\x02\x06\x11\x0a" + bytes(10),
            model.Model().values[model.SCALER_UNIT],
        ],
    }


def texts() -> dict[str, list[bytes]]:
    """Documents, requests, live values, archives, sign-ons."""
    shown = examples()
    archive, sealed, live = _files(shown[0].body)
    frames = sorted((OWN / "mbus" / "libmbus" / "test-frames").glob("*.hex"))[:6]
    mbus = [bytes.fromhex(path.read_text()) for path in frames]
    radio = [one.octets for one in radio_captures()]
    requests = [
        "\n".join(
            [
                one.first_line.split(" ")[1] if "HTTP" in one.first_line else "/",
                *(f"{name}: {value}" for name, value in one.headers.items()),
            ]
        )
        for one in shown
    ]
    requests.append(
        "/cosem/ldevs/x/objects/7-0100630100ff/attributes/2?q.fromtime=2025-01-31T14:00:00Z&sa.filtercolumn="
        "{long:3,octet-string:0100010800ff,integer:2,long:0}&sa.fromtype=long:5\nRange: bytes=0-99\n"
        "Accept: text/csv;q=0.5"
    )
    requests.append(
        "/cosem/ldevs/?[{long:3,octet-string:0100010800ff,integer:2,long:0},visible-string:a]\nContent-Encoding: gzip"
    )
    return {
        "cosem-xml": [one.body for one in shown if one.body],
        "request": [one.encode() for one in requests],
        "live-value": [live],
        "store-view": [b"", bytes.fromhex("00100a05"), bytes.fromhex("0010000d002030ff"), bytes.fromhex("00003c7f")],
        "parcel": [archive, sealed],
        "time-answer": [answer(), answer(leap=3, stratum=16), answer(received_s=2_200_000_000, set_s=2_199_999_999)],
        "iec62056": [b"/EMH5\\@01LZQJ0013\r\n~~~~\x06252\r\n", b"/?1!\r\n~~~~\x06252\r\n"],
        "d0": [
            *(path.read_bytes() for path in sorted((OWN / "d0" / "smartmeter-obis").glob("*.txt"))[:2]),
            b"P.01(0230115121500)(08)(15)(2)(1.5)(kW)(2.5)(kW)\r\n(0.1)(0.2)\r\n~~~~/?!\r\n~~~~\x06051\r\n~~~~1.8.0()",
            b"P.98(1230115)(40)()(1)(F.F)()(00)~~~~0.9.1(1185411)0.9.2(1230513)C.1.0(4)1.8.0*01(1,5*kWh)1.6.0(1*kW)(x)",
        ],
        "p1-push": [
            *(path.read_bytes() for path in sorted((OWN / "dsmr" / "dsmr_parser").glob("telegram_[fuv]*.txt"))),
            b"0-1:24.1.0(003)\r\n0-1:96.1.0(41)\r\n0-1:24.2.1(632525252525W)(1.0*m3)~~~~0-0:98.1.0(1)(1-0:1.6.0)(x)",
        ],
        "mbus-line": [b"".join(mbus[:3]), b"\x10\x40\x05\x45\x16~~~~\x10\x7b\x05\x80\x16" + mbus[3]],
        "mbus-records": [octets[7:-2] for octets in mbus],
        "mbus-push": [
            mbus_amis.NORMALISE + mbus_amis.frame() + b"\x10\x68~~~~" + mbus_amis.HEAD + mbus_amis.RECORDS,
            b"\xe5\x00" + mbus[0],
        ],
        "radio-line": [
            *(made(one, 100) for one, made in zip(radio, (by_imst, by_amber, by_cul), strict=False)),
            b"# text\nV 1.67\r\n" + radio[3].hex().encode() + b"\n",
        ],
        "radio-telegram": [SEPARATOR.join(one[1:] for one in radio[at : at + 5]) for at in range(0, len(radio), 5)],
        "telnet": [
            bytes.fromhex("fffd2cfffb00fffd03fffb03") + b"data\xff\xff\xff\xfa\x2c\x65\x00\x00\x25\x80\xff\xf0end"
        ],
    }


def certificates() -> dict[str, list[bytes]]:
    """Certificates of each role, revocation lists."""
    pki = TrialPki()
    gateway = pki.issue().certificate
    readable = [pki.root.certificate, pki.sub_ca.certificate, gateway, pki.issue(EMT).certificate]
    lists = pki.revocations([gateway])
    return {
        "certificate": [*(one.der for one in readable), gateway.pem, lists.der, gateway.der + SEPARATOR + lists.pem]
    }


def tls_lines() -> dict[str, list[bytes]]:
    """Records of a handshake and of a connection, and the certificates in them."""
    client, server = tls_end(server_side=False), tls_end(server_side=True)
    client.begin()
    flights = [client.take()]
    server.receive(flights[0])
    while not (client.established and server.established):
        for source, target in ((server, client), (client, server)):
            flights.append(source.take())
            target.receive(flights[-1])
    server.send(PAYLOAD)
    record = server.take()
    lmn = tls_files()
    alert, hello_request = bytes.fromhex("15030300020100"), bytes.fromhex("160303000400000000")
    flights = [one for one in flights if one]
    return {
        "meter-certificate": [lmn.meter_certificate.der, lmn.gateway_certificate.der],
        "tls-handshake": [*flights, SEPARATOR.join(flights), alert],
        "tls-connection": [record, alert, hello_request, record[:7] + SEPARATOR + record[7:]],
    }


def sealed_messages() -> dict[str, list[bytes]]:
    """Messages of both suites and both forms, envelopes, and compressed data."""
    gateway, emp = peers()
    forms = [(suite, profile, packed) for suite in Suite for profile in Profile for packed in (False, True)]
    messages = [
        seal(PAYLOAD, gateway.keys, gateway.certificate, emp.certificate, suite, compress=packed, profile=profile)
        for suite, profile, packed in forms
    ]
    envelopes = [
        envelop(PAYLOAD, DATA, gateway.keys, emp.certificate, suite, profile) for suite in Suite for profile in Profile
    ]
    damaged = compress(PAYLOAD)[:-4] + bytes(4)
    return {"cms-open": messages, "cms-parts": [*envelopes, compress(PAYLOAD), SEPARATOR.join((envelopes[0], damaged))]}


def _files(document: bytes) -> tuple[bytes, bytes, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        for name, media_type in (("archive", COSEM_XML), ("sealed", COSEM_XML_CMS)):
            with ParcelWriter(path / name, media_type) as writer:
                writer.add(document[:200], 1)
        LiveWriter(path / "live", {"house": "/dev/ttyUSB0"}).capture(capture(MIDNIGHT, device=DeviceId(SERVER)))
        archive, sealed = ((path / name).read_bytes() for name in ("archive", "sealed"))
        return archive, sealed, (path / "live" / LIVE_FILE).read_bytes()


def main() -> None:
    """Write it."""
    for target, inputs in {**sml(), **dlms(), **texts(), **certificates(), **sealed_messages(), **tls_lines()}.items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for number, octets in enumerate(inputs):
            (folder / f"made-{number}").write_bytes(octets)


if __name__ == "__main__":
    main()
