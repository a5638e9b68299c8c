"""Lines of DLMS meters from the configuration: [[dlms]], its meters, their clients and faults."""

from pathlib import Path
from typing import NamedTuple

from smgw.cosem import DeviceId
from smgw.dlms.apdus.acse import Mechanism
from smgw.dlms.security.secret import Secret
from smgw.errors import SmgwError
from smgw.hdlc import Address, LinkParameters
from smgw.hdlc.address import LENGTHS
from smgw.iec62056.identification import BAUD_RATES, Identification
from smgw.iec62056.responder import Confirmation

from smsim.dlms.association import ClientSpec
from smsim.dlms.device import DeviceSpec
from smsim.dlms.faults import DlmsFaults
from smsim.dlms.station import Framing
from smsim.dlms.table import MODELS
from smsim.ports import PtyPort, SerialPort, TcpPort, TcpPushPort, parse_port
from smsim.tls import Tls, tls_of
from smsim.toml_section import Section

RIGHT = "write tcp:4059, pty:/path/of/a/link or a serial device such as /dev/ttyUSB0"
WRAPPER, HDLC = "wrapper", "hdlc"
PUBLIC = 16
_MECHANISMS = {
    "none": Mechanism.NONE,
    "lls": Mechanism.LOW,
    "hls-aes": Mechanism.HIGH,
    "hls-md5": Mechanism.HIGH_MD5,
    "hls-sha1": Mechanism.HIGH_SHA1,
    "hls-gmac": Mechanism.HIGH_GMAC,
    "hls-sha256": Mechanism.HIGH_SHA256,
    "hls-ecdsa": Mechanism.HIGH_ECDSA,
}
_KEY_OCTETS = (16, 16, 32)  # by security suite
_MOST_DAYS = 36_525


class SignOnConfig(NamedTuple):
    """The sign-on of the meters of a line."""

    identification: Identification
    device_address: str
    confirmation: Confirmation


class DlmsMeterConfig(NamedTuple):
    """One meter of a line."""

    spec: DeviceSpec
    framing: Framing
    clients: tuple[ClientSpec, ...]
    max_pdu: int = 1024
    short_names: bool = False


class LineConfig(NamedTuple):
    """One line and its meters."""

    port: TcpPort | PtyPort | SerialPort
    meters: tuple[DlmsMeterConfig, ...]
    faults: DlmsFaults
    baud: int = 9600
    wrapper: bool = False
    sign_on: SignOnConfig | None = None
    tls: Tls | None = None


def lines(whole: Section, certificates: Path) -> tuple[LineConfig, ...]:
    """All lines of a configuration. ConfigError for any fault. `certificates`: folder of those of meters with TLS."""
    return tuple(_line(section, certificates) for section in whole.tables("dlms"))


def _line(section: Section, certificates: Path) -> LineConfig:
    port = _port(section)
    wrapper = section.choice("framing", HDLC, (HDLC, WRAPPER)) == WRAPPER
    if wrapper and not isinstance(port, TcpPort):
        raise section.fault("framing", f"the wrapper on {port}", 'it is for TCP; write framing = "hdlc"')
    baud = section.integer("baud", 9600, 0, 4_000_000)
    sign_on = _sign_on(section, wrapper, baud)
    faults = _faults(section.table("faults"))
    tls = tls_of(section, port, certificates)
    tables = section.tables("meter")
    meters = tuple(_meter(table, wrapper) for table in tables)
    if not meters:
        raise section.fault("meter", "there is none", "give each meter of the line a section [[dlms.meter]]")
    addresses = [meter.framing.address for meter in meters]
    if len(set(addresses)) < len(addresses):
        raise section.fault("meter", "two meters have the same address", "give each another `address`")
    section.finish()
    return LineConfig(port, meters, faults, baud, wrapper, sign_on, tls)


def _port(section: Section) -> TcpPort | PtyPort | SerialPort:
    try:
        port = parse_port(section.text("port", "tcp:4059", RIGHT))
    except ValueError as error:
        raise section.fault("port", str(error), RIGHT) from None
    if isinstance(port, TcpPushPort):
        raise section.fault("port", f"{port} pushes, a DLMS meter is asked", RIGHT)
    return port


def _sign_on(section: Section, wrapper: bool, baud: int) -> SignOnConfig | None:
    if not section.has("sign_on"):
        section.take("sign_on", {})
        return None
    code = next((code for code, rate in BAUD_RATES.items() if rate == baud), "5")
    if wrapper:
        raise section.fault("sign_on", "the wrapper has none", 'leave it out, or write framing = "hdlc"')
    table = section.table("sign_on")
    confirmation = Confirmation(table.choice("confirmation", "after", [one.value for one in Confirmation]))
    maker = table.text("maker", "UTB", "three letters")
    if len(maker) != 3 or not maker.isascii() or not maker.isalpha():
        raise table.fault("maker", f"{maker!r} is no FLAG id", "write three letters, e.g. UTB")
    address = table.text("device_address", "", "letters and digits")
    table.finish()
    return SignOnConfig(Identification(maker, code, "2", "smsim"), address, confirmation)


def _faults(section: Section) -> DlmsFaults:
    faults = DlmsFaults(
        lost_frame=section.integer("lost_frame", 0, 0, 1_000_000),
        wrong_crc=section.integer("wrong_crc", 0, 0, 1_000_000),
        slow_answer=section.seconds("slow_answer", 0.0, 0.0, 3600.0),
        drop_after=section.integer("drop_after", 0, 0, 1_000_000),
        wrong_deviation=section.flag("wrong_deviation", default=False),
        echo=section.flag("echo", default=False),
    )
    section.finish()
    return faults


def _meter(section: Section, wrapper: bool) -> DlmsMeterConfig:
    name = section.text("name", None, 'name the meter, e.g. "heat-pump"')
    text = section.text("device", None, "write a DIN 43863-5 id such as 1UTB0000000001")
    try:
        device = DeviceId.parse(text)
    except SmgwError as error:
        raise section.fault("device", str(error)) from None
    spec = DeviceSpec(
        name,
        device,
        section.choice("model", MODELS[0], MODELS),
        section.integer("consumption_kwh", 1000, 0, 10_000_000),
        section.integer("generation_kwh", 1000, 0, 10_000_000),
        section.integer("seed", 0, 0, (1 << 63) - 1),
        section.integer("history_days", 730, 1, _MOST_DAYS),
        section.integer("clock_error", 0, -86_400, 86_400),
    )
    framing = Framing(_address(section), _parameters(section), wrapper)
    max_pdu = section.integer("max_pdu", 1024, 64, 65_535)
    short_names = section.flag("short_names", default=False)
    clients = tuple(map(_client, section.tables("client"))) or (ClientSpec(PUBLIC),)
    saps = [client.sap for client in clients]
    if len(set(saps)) < len(saps):
        raise section.fault("client", "two clients have the same sap", "give each another")
    section.finish()
    return DlmsMeterConfig(spec, framing, clients, max_pdu, short_names)


def _address(section: Section) -> Address:
    upper = section.integer("logical_device", 1, 1, 0x3FFF)
    lower = section.optional_integer("address", 0, 0x3FFF)
    length = section.integer("address_length", 0, 0, 4)
    if length not in (0, *LENGTHS):
        raise section.fault("address_length", f"{length} is not right", "write 1, 2 or 4 octets")
    if lower is None and length in (2, 4):
        lower = 16
    try:
        return Address(upper, lower, length)
    except SmgwError as error:
        raise section.fault("address", str(error)) from None


def _parameters(section: Section) -> LinkParameters:
    return LinkParameters.of(section.integer("information_length", 128, 1, 2030), section.integer("window", 1, 1, 7))


def _client(section: Section) -> ClientSpec:
    sap = section.integer("sap", PUBLIC, 1, 0x7F)
    mechanism = _MECHANISMS[section.choice("mechanism", "none", _MECHANISMS)]
    suite = section.integer("suite", 0, 0, 2)
    secret = section.text("secret", "", "the password")
    if mechanism is Mechanism.HIGH and len(secret.encode()) > 16:
        raise section.fault("secret", "is longer than 16 octets", "hls-aes uses it as a key of AES-128")
    client = ClientSpec(
        sap,
        mechanism,
        Secret(secret.encode()),
        suite,
        _key(section, "encryption_key", _KEY_OCTETS[suite]),
        _key(section, "authentication_key", _KEY_OCTETS[suite]),
        _key(section, "signing_key", 48 if suite == 2 else 32),
        _key(section, "client_public_key", 97 if suite == 2 else 65),
        section.flag("restricted", default=False),
        section.flag("block_transfer", default=True),
    )
    if mechanism not in (Mechanism.NONE, Mechanism.HIGH_GMAC, Mechanism.HIGH_ECDSA) and not secret:
        raise section.fault("secret", "is missing", "this mechanism needs a password that both sides know")
    if mechanism is Mechanism.HIGH_GMAC and not client.keyed:
        raise section.fault("encryption_key", "is missing", "this mechanism needs both keys")
    if (client.encryption_key is None) != (client.authentication_key is None):
        raise section.fault("authentication_key", "one of the two keys is missing", "write both, or none")
    if mechanism is Mechanism.HIGH_ECDSA and not (client.signing_key and client.client_public_key):
        raise section.fault("signing_key", "is missing", "this mechanism needs signing_key and client_public_key")
    section.finish()
    return client


def _key(section: Section, key: str, octets: int) -> Secret | None:
    text = section.text(key, "", "")
    if not text:
        return None
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != octets:
        raise section.fault(key, "is no key of this suite", f"write {octets} octets as {2 * octets} hex digits")
    return Secret(found)
