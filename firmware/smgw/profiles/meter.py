"""The meter profile (Zählerprofil): what to read, over which port, how often, and what of it to register."""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.profiles import checks, dlms
from smgw.profiles.content import canonical
from smgw.profiles.dlms import DlmsProfile
from smgw.profiles.section import Key, section

DAY_S = 86_400
_DEFAULT_INTERVAL = 2
_DEFAULT_SILENCE = 30


class Protocol(StrEnum):
    """How a meter talks."""

    SML_PUSH = "sml-push"  # sends a telegram on its own, every second or so
    SML_POLL = "sml-poll"  # answers SML requests
    DLMS = "dlms"  # answers DLMS requests
    DLMS_PUSH = "dlms-push"  # sends DLMS notifications on its own


_POLLED = (Protocol.SML_POLL, Protocol.DLMS)
_DLMS = (Protocol.DLMS, Protocol.DLMS_PUSH)


class MeterProfile(NamedTuple):
    """One meter. Field and key of the file have the same name; times are whole seconds."""

    name: str
    protocol: Protocol
    port: str  # device path or pyserial URL
    baudrate: int = 9600  # 300 to 921600
    parity: str = "N"  # N, E, O
    bytesize: int = 8  # 7, 8
    stopbits: int = 1  # 1, 2
    objects: tuple[Obis, ...] = ()  # empty: everything the meter has
    device_id: DeviceId | None = None  # DIN id under which a meter with a foreign id is delivered
    interval: int = _DEFAULT_INTERVAL  # polled: from one request to the next
    timeout: int = 5  # polled: how long an answer may stay away
    retries: int = 2  # polled: how often a request is repeated before the meter counts as silent
    username: str | None = None  # sml-poll
    password_file: Path | None = None  # polled; read by `password.read_password` when it is needed
    load_profile: tuple[Obis, ...] = ()  # polled: the meter's own load profiles that are fetched and kept
    load_profile_days: int = 31  # how far back they are fetched at first
    registration_period: int = 900  # 0: every telegram; otherwise it divides a day
    silence: int = _DEFAULT_SILENCE  # after so long without a telegram, telegrams have stopped
    correct_power_sign: bool = True
    dlms: DlmsProfile = DlmsProfile()

    @property
    def polled(self) -> bool:
        """True if the gateway asks and the meter answers."""
        return self.protocol in _POLLED

    @property
    def speaks_dlms(self) -> bool:
        """True if `dlms` matters."""
        return self.protocol in _DLMS

    def titled(self, gateway: DeviceId) -> "MeterProfile":
        """With the gateway's own DLMS system title if none is named; unchanged if it speaks no DLMS."""
        return self._replace(dlms=self.dlms.titled(gateway)) if self.speaks_dlms else self

    def content(self) -> str:
        """Canonical JSON: the version of this profile."""
        return canonical(self)


KEYS: Mapping[str, Key] = {
    "name": Key(checks.name, needed='"house"'),
    "protocol": Key(checks.choice(*(protocol.value for protocol in Protocol)), needed='"sml-push"'),
    "port": Key(checks.port, needed='"/dev/ttyUSB0"'),
    "baudrate": Key(checks.integer(300, 921_600, "Bd")),
    "parity": Key(checks.choice("N", "E", "O")),
    "bytesize": Key(checks.choice(8, 7)),
    "stopbits": Key(checks.choice(1, 2)),
    "objects": Key(checks.array('an array of OBIS codes, such as ["1-0:1.8.0", "1-0:16.7.0"]', checks.obis)),
    "device_id": Key(checks.device_id("1EMH0011802881")),
    "interval": Key(checks.integer(1, DAY_S, "s")),
    "timeout": Key(checks.integer(1, 120, "s")),
    "retries": Key(checks.integer(0, 10)),
    "username": Key(checks.text("a name of 1 to 64 characters", re.compile(r"[^\x00-\x1f\x7f]{1,64}"))),
    "password_file": Key(checks.path),
    "load_profile": Key(checks.array('an array of OBIS codes, such as ["1-0:99.1.0"]', checks.obis)),
    "load_profile_days": Key(checks.integer(1, 3650, "days")),
    "registration_period": Key(checks.integer(0, DAY_S, "s")),
    "silence": Key(checks.integer(1, DAY_S, "s")),
    "correct_power_sign": Key(checks.boolean),
    "dlms": Key(section(dlms.KEYS, dlms.build, dlms.contradictions)),
}

_POLL_ONLY = ("interval", "timeout", "retries", "username", "password_file", "load_profile", "load_profile_days")


def contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, text) of each key that is right by itself but not beside the others; `values` holds only checked ones."""
    protocol = values.get("protocol")
    if protocol is not None and protocol not in _POLLED:
        polled = Protocol.DLMS if protocol in _DLMS else Protocol.SML_POLL
        for key in _POLL_ONLY:
            if key in values:
                yield key, f'a meter that pushes is never asked; leave it out, or write protocol = "{polled}"'
    yield from _dlms_contradictions(protocol, values)
    period = values.get("registration_period")
    if period and DAY_S % period:
        shorter = next(one for one in range(period, 0, -1) if DAY_S % one == 0)
        longer = next(one for one in range(period, DAY_S + 1) if DAY_S % one == 0)
        yield (
            "registration_period",
            f"{period} s does not divide a day; write {shorter}, {longer}, or 0 for every telegram",
        )
    silence, interval = values.get("silence"), values.get("interval", _DEFAULT_INTERVAL)
    if silence and protocol in _POLLED and silence <= interval:
        yield (
            "silence",
            f"{silence} s is no longer than the interval of {interval} s; write {3 * interval} or leave it out",
        )


def _dlms_contradictions(protocol: object, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    told = values.get("dlms")
    if str(values.get("port", "")).startswith("udp://") and (
        protocol != Protocol.DLMS or told is None or told.framing is not dlms.Framing.WRAPPER
    ):
        yield (
            "port",
            f'UDP carries the wrapper alone; write protocol = "{Protocol.DLMS}", dlms = {{ framing = "wrapper" }}',
        )
    if told is None:
        return
    if protocol not in _DLMS:
        yield "dlms", f'this meter speaks SML; leave the section out, or write protocol = "{Protocol.DLMS}"'
        return
    mbus = told.framing is dlms.Framing.MBUS
    if protocol == Protocol.DLMS and mbus:
        yield "dlms", f'over M-Bus a meter pushes; write protocol = "{Protocol.DLMS_PUSH}"'
    if protocol == Protocol.DLMS and told.ciphered and told.authentication_key_file is None:
        yield "dlms", "to ask a meter by ciphered requests takes two keys; write authentication_key_file too"
    secret = told.authentication in (
        dlms.Authentication.LOW, dlms.Authentication.HIGH_MD5, dlms.Authentication.HIGH_SHA1,
        dlms.Authentication.HIGH_SHA256,
    )  # fmt: skip
    if protocol == Protocol.DLMS and secret and "password_file" not in values:
        yield "dlms", f'authentication "{told.authentication}" takes a secret; write password_file for the meter too'


def build(values: Mapping[str, Any]) -> MeterProfile:
    """The profile of checked values. A slow poll gets a silence of three intervals unless it is given one."""
    filled = dict(values, protocol=Protocol(values["protocol"]))
    if filled["protocol"] in _POLLED and "interval" in filled:
        filled.setdefault("silence", max(_DEFAULT_SILENCE, 3 * filled["interval"]))
    return MeterProfile(**filled)
