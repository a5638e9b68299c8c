"""The DLMS part of a meter profile: the carrier, our client, and the key files."""

import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.profiles import checks
from smgw.profiles.section import Key


class Framing(StrEnum):
    """What carries APDUs."""

    HDLC = "hdlc"
    WRAPPER = "wrapper"  # over TCP, mostly port 4059
    MBUS = "mbus"  # pushes only: the customer interface of Kaifa in Austria


class Start(StrEnum):
    """How a session begins on the line."""

    DIRECT = "direct"
    MODE_E = "mode-e"  # IEC 62056-21: sign-on at 300 Bd, then HDLC at `baudrate` at most


class Referencing(StrEnum):
    """How objects are named."""

    LOGICAL = "logical"  # by class and OBIS code
    SHORT = "short"  # by a number of two octets, as older meters do


class Authentication(StrEnum):
    """Authentication of both sides."""

    NONE = "none"
    LOW = "lls"
    HIGH_AES = "hls-aes"
    HIGH_MD5 = "hls-md5"
    HIGH_SHA1 = "hls-sha1"
    HIGH_GMAC = "hls-gmac"
    HIGH_SHA256 = "hls-sha256"
    HIGH_ECDSA = "hls-ecdsa"


class Quirk(StrEnum):
    """What some meters do differently."""

    OPPOSITE_DEVIATION = "opposite-deviation"  # UTC = local time - deviation
    DATE_TIME_BOUNDS = "date-time-bounds"  # bounds of a range of the type date-time, not octet-string
    NO_RELEASE = "no-release"  # stumbles over the release of an association
    NO_LIST = "no-list"  # agrees to requests with a list and answers them badly
    GENERAL_CIPHERING = "general-ciphering"  # requires general-glo instead of one tag for each service
    FIXED_BAUD = "fixed-baud"  # mode E: announces another rate and stays where it is
    WAKE_UP = "wake-up"  # mode E: runs on a battery


class DlmsProfile(NamedTuple):
    """Field and key of the file have the same name."""

    framing: Framing = Framing.HDLC
    start: Start = Start.DIRECT
    referencing: Referencing = Referencing.LOGICAL
    device_address: str = ""  # mode E, for meters that answer to theirs alone
    switch_delay: int = 50  # mode E: ms until the speed is changed; some meters need 400
    client: int = 16  # our service access point; 16 is the public client
    server: int = 1  # the logical device; 1 is the management device
    physical: int | None = None  # HDLC: which of the meters on a bus
    address_length: int = 0  # HDLC: 1, 2, 4 octets of the server's address; 0: as many as it needs
    information_length: int = 2030  # HDLC: the longest information field that we offer
    window: int = 7  # HDLC: the most frames in a row that we offer
    authentication: Authentication = Authentication.NONE
    security_suite: int = 0
    system_title: str = ""  # ours, 16 hex digits; where the file names none: the maker, block and serial of the gateway
    meter_title: str = ""  # the meter's, 16 hex digits; empty: whichever it sends
    challenge_key_file: Path | None = None  # hls-aes: the secret in hex, where it is no text
    encryption_key_file: Path | None = None  # global unicast key, in hex; with it all APDUs are ciphered
    authentication_key_file: Path | None = None
    authentication_key: str = ""  # "none": pushes are read without it, and every value is flagged
    signing_key_file: Path | None = None  # hls-ecdsa: ours, PEM
    meter_key_file: Path | None = None  # hls-ecdsa: the meter's public key, PEM
    counter_object: Obis = Obis(b"\x00\x00\x2b\x01\x00\xff")
    public_client: int = 16  # client that may read that object without keys; 0: none
    association: Obis = Obis(b"\x00\x00\x28\x00\x00\xff")  # object list, high level security
    columns: tuple[checks.Column, ...] = ()  # the places of a list of bare values
    push_list: str = ""  # the operator whose lists these are
    scalers: tuple[tuple[Obis, int], ...] = ()  # these three stand in [[meter]] too
    units: tuple[tuple[Obis, int], ...] = ()
    factors: tuple[tuple[Obis, int], ...] = ()
    time_zone: str | None = None  # of a meter that does not send its deviation from UTC
    quirks: tuple[Quirk, ...] = ()

    def titled(self, gateway: DeviceId) -> "DlmsProfile":
        """With the gateway's own system title if none is named: no two gateways with one key may share a nonce."""
        return self if self.system_title else self._replace(system_title=gateway[2:].hex())

    @property
    def access(self) -> tuple[object, ...]:
        """Who we are to which meter: a meter that refuses us is not asked again before one of these changes."""
        return (self.client, self.server, self.physical, self.authentication.value, self.security_suite)

    @property
    def ciphered(self) -> bool:
        """True if APDUs are ciphered, which takes `cryptography` and counters."""
        return self.encryption_key_file is not None


#: Octets of a symmetric key, by security suite.
_KEY_LENGTHS = {0: 16, 1: 16, 2: 32}


def key_length(options: Any) -> int:
    """Octets of each symmetric key of a meter with these options."""
    return _KEY_LENGTHS[options.security_suite]


def secret_length(options: Any) -> int:
    """The most octets of the password or secret; 0: any number."""
    return _KEY_LENGTHS[0] if options.authentication is Authentication.HIGH_AES else 0


#: The value of `authentication_key` for an operator who gives the encryption key alone.
NO_KEY = "none"


def _push_list(value: object, report: checks.Report) -> object:
    from smgw.dlms.push.operators import NAMES  # only for a meter that needs it

    return checks.choice(*NAMES)(value, report)


KEYS: Mapping[str, Key] = {
    "framing": Key(
        checks.choice(*(one.value for one in Framing)),
        about='What carries the APDUs: HDLC, the TCP wrapper, or M-Bus (pushes only); "hdlc" by default.',
    ),
    "start": Key(
        checks.choice(*(one.value for one in Start)),
        about='How a session begins: at once, or by the sign-on of IEC 62056-21 mode E at 300 Bd; "direct" by default.',
    ),
    "referencing": Key(
        checks.choice(*(one.value for one in Referencing)),
        about='How the meter names its objects: "logical" or, for older meters, "short". Default: "logical".',
    ),
    "device_address": Key(
        checks.text("up to 32 letters, digits and blanks", re.compile(r"[A-Za-z0-9 ]{0,32}")),
        about="Mode E: the address in the sign-on, for a meter that answers to its own address only; empty by default.",
    ),
    "switch_delay": Key(
        checks.integer(0, 2000, "ms"),
        about="Mode E: milliseconds between the acknowledgement and the change of speed; 50 ms by default.",
    ),
    "client": Key(
        checks.integer(1, 127),
        about="Number of the gateway as a client (service access point); 16, the public client, by default.",
    ),
    "server": Key(
        checks.integer(1, 16_383),
        about="Number of the logical device in the meter; 1, the management device, by default.",
    ),
    "physical": Key(
        checks.integer(0, 16_383),
        about="HDLC: the meter's physical address on a shared line; none by default.",
    ),
    "address_length": Key(
        checks.choice(1, 2, 4),
        about="HDLC: octets of the server address; by default as many as the numbers need.",
    ),
    "information_length": Key(
        checks.integer(32, 2030, "octets"),
        about="HDLC: longest information field, in octets, that the gateway offers; 2030 by default.",
    ),
    "window": Key(
        checks.integer(1, 7, "frames"),
        about="HDLC: number of frames in a row that the gateway offers; 7 by default.",
    ),
    "authentication": Key(
        checks.choice(*(one.value for one in Authentication)),
        about='How gateway and meter prove who they are; "none" by default.',
    ),
    "security_suite": Key(
        checks.choice(0, 1, 2),
        about="Security suite of the keys: 0 and 1 have keys of 16 octets, 2 has keys of 32; 0 by default.",
    ),
    "system_title": Key(
        checks.text("a system title of 16 hex digits", re.compile(r"[0-9A-Fa-f]{16}")),
        about="The gateway's system title, 8 octets in hex; by default it is made from the gateway's `device_id`.",
    ),
    "meter_title": Key(
        checks.text("a system title of 16 hex digits", re.compile(r"[0-9A-Fa-f]{16}")),
        about="The meter's system title, 8 octets in hex; another one is refused. By default the one that it sends.",
    ),
    "challenge_key_file": Key(
        checks.path, about="File with the secret of hls-aes as 32 hex digits, in place of password_file. Default: none."
    ),
    "encryption_key_file": Key(
        checks.path,
        about="File with the global unicast encryption key in hex; without it nothing is encrypted.",
    ),
    "authentication_key_file": Key(
        checks.path,
        about="File with the authentication key in hex; none by default.",
    ),
    "authentication_key": Key(
        checks.choice(NO_KEY),
        about='"none" reads pushes without checking their tag and flags every value; not set by default.',
    ),
    "signing_key_file": Key(
        checks.path,
        about="hls-ecdsa: file with the gateway's private key in PEM; none by default.",
    ),
    "meter_key_file": Key(
        checks.path,
        about="hls-ecdsa: file with the meter's public key in PEM; none by default.",
    ),
    "counter_object": Key(
        checks.obis,
        about="OBIS code of the meter's invocation counter; 0-0:43.1.0 by default.",
    ),
    "public_client": Key(
        checks.integer(0, 127),
        about="Client that reads the invocation counter without keys, or 0 for none; 16 by default.",
    ),
    "association": Key(
        checks.obis,
        about="OBIS code of the association, which has the object list; 0-0:40.0.0 by default.",
    ),
    "columns": Key(
        checks.columns,
        about="What stands at each place of a pushed list without names; by default known lists are recognised.",
    ),
    "push_list": Key(
        _push_list,
        about="Operator whose pushed lists the meter sends; by default known lists are recognised.",
    ),
    "scalers": Key(checks.scalers, about="The same as scalers of the meter; none by default."),
    "units": Key(checks.units, about="The same as units of the meter; none by default."),
    "factors": Key(checks.factors, about="The same as factors of the meter; none by default."),
    "time_zone": Key(
        checks.time_zone,
        about='Time zone of a meter that does not report its offset from UTC, as in "Europe/Berlin"; none by default.',
    ),
    "quirks": Key(
        checks.array('an array of quirks, such as ["no-list"]', checks.choice(*(one.value for one in Quirk))),
        about="What this meter does differently from the standard, see the table of quirks; none by default.",
    ),
}


#: Keys that only one kind of carrier has.
_HDLC_ONLY = ("physical", "address_length", "information_length", "window")
_MODE_E_ONLY = ("device_address", "switch_delay")
_CIPHERED_ONLY = ("security_suite", "counter_object", "public_client")


def contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, text) of each key that is correct by itself but contradicts others."""
    authentication = values.get("authentication", Authentication.NONE)
    ciphered = "encryption_key_file" in values
    if "authentication_key_file" in values and not ciphered:
        yield "authentication_key_file", "alone it opens nothing; write encryption_key_file too"
    if authentication == Authentication.HIGH_GMAC and not ciphered:
        yield "authentication", "hls-gmac takes the keys; write encryption_key_file and authentication_key_file too"
    if authentication == Authentication.HIGH_ECDSA and not {"signing_key_file", "meter_key_file"} <= set(values):
        yield "authentication", "hls-ecdsa takes two keys; write signing_key_file and meter_key_file too"
    if "challenge_key_file" in values and authentication != Authentication.HIGH_AES:
        yield "challenge_key_file", 'only hls-aes uses it; write authentication = "hls-aes" too, or leave it out'
    if values.get("referencing") == Referencing.SHORT and ciphered:
        yield "referencing", "encryption with short names is not supported; leave encryption_key_file out"
    yield from _unused(values, ciphered)
    if values.get("start") == Start.MODE_E and values.get("framing", Framing.HDLC) != Framing.HDLC:
        yield "start", "mode E leads to HDLC on a serial line; leave it out"
    if values.get("framing") != Framing.WRAPPER:
        yield from _address_contradictions(values)


def _unused(values: Mapping[str, Any], ciphered: bool) -> Iterator[tuple[str, str]]:
    """Keys without effect in this combination."""
    signed = values.get("authentication") == Authentication.HIGH_ECDSA  # the suite names the curve
    for key in _CIPHERED_ONLY:
        if key in values and not ciphered and not (signed and key == "security_suite"):
            yield key, "without encryption_key_file nothing is ciphered; write that key too, or leave this one out"
    for key in _MODE_E_ONLY:
        if key in values and values.get("start") != Start.MODE_E:
            yield key, 'only the sign-on of mode E uses it; write start = "mode-e" too, or leave it out'
    for key in _HDLC_ONLY:
        if key in values and values.get("framing") == Framing.WRAPPER:
            yield key, "the wrapper has no HDLC frames and addresses; leave it out"


def _address_contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    length, physical, server = values.get("address_length"), values.get("physical"), values.get("server", 1)
    if length in (2, 4) and physical is None:
        yield "address_length", f"an address of {length} octets has a physical part; write physical too"
    if length == 1 and physical is not None:
        yield "address_length", "an address of 1 octet has no physical part; write 2 or 4, or leave it out"
    if length in (None, 1) and physical is None and server > 127:
        yield "server", f"{server} does not fit an address of 1 octet; write 127 at most, or physical too"
    if length == 2 and max(server, physical or 0) > 127:
        yield "address_length", "2 octets take numbers up to 127; write 4"


def build(values: Mapping[str, Any]) -> DlmsProfile:
    """The profile of checked values."""
    kinds: dict[str, Callable[[Any], Any]] = {
        "framing": Framing, "start": Start, "referencing": Referencing, "authentication": Authentication,
    }  # fmt: skip
    filled: dict[str, Any] = {key: kinds[key](value) if key in kinds else value for key, value in values.items()}
    if "quirks" in filled:
        filled["quirks"] = tuple(map(Quirk, filled["quirks"]))
    return DlmsProfile(**filled)
