"""Lines of M-Bus meters from the configuration: [[mbus]], its meters and faults."""

import re
from dataclasses import fields

from smgw.mbus.telegram import Identity

from smsim.mbus.faults import MBusFaults
from smsim.mbus.line import MBusLineConfig
from smsim.mbus.meters import MEDIA, MBusMeterConfig
from smsim.ports import PtyPort, SerialPort, TcpPort, TcpPushPort, parse_port
from smsim.toml_section import Section

RIGHT = "write tcp:10001, pty:/path/of/a/link or a serial device such as /dev/ttyUSB0"
_MAKER = re.compile(r"[A-Z]{3}")
_KEY = re.compile(r"[0-9A-Fa-f]{32}")
_ID = re.compile(r"[0-9]{8}")


def lines(whole: Section) -> tuple[MBusLineConfig, ...]:
    """All lines of a configuration. ConfigError for any fault."""
    return tuple(map(_line, whole.tables("mbus")))


def _line(section: Section) -> MBusLineConfig:
    port = _port(section)
    baud = section.integer("baud", 2400, 300, 38_400)
    table = section.table("faults")
    faults = MBusFaults()
    for one in fields(faults):
        is_flag = getattr(faults, one.name) is False
        told = table.flag(one.name, default=False) if is_flag else table.integer(one.name, 0, 0, 1_000_000)
        setattr(faults, one.name, told)
    table.finish()
    meters = tuple(map(_meter, section.tables("meter")))
    if not meters:
        raise section.fault("meter", "there is none", "give each meter of the line a section [[mbus.meter]]")
    calls = section.flag("calls", default=False)
    key = _key(section) if section.has("key") else b""
    if calls and (len(meters) > 1 or meters[0].two_telegrams):
        raise section.fault("calls", "a meter that calls is alone", "write one [[mbus.meter]] with one telegram")
    if key and not calls:
        raise section.fault("key", "only a meter that calls encrypts", "write calls = true")
    section.finish()
    return MBusLineConfig(port, meters, faults, baud, calls, key)


def _key(section: Section) -> bytes:
    text = section.text("key", "", "write 32 hex digits")
    if not _KEY.fullmatch(text):
        raise section.fault("key", "it is no key", "write 32 hex digits")
    return bytes.fromhex(text)


def _port(section: Section) -> TcpPort | PtyPort | SerialPort:
    try:
        port = parse_port(section.text("port", "tcp:10001", RIGHT))
    except ValueError as error:
        raise section.fault("port", str(error), RIGHT) from None
    if isinstance(port, TcpPushPort):
        raise section.fault("port", f"{port} pushes, an M-Bus meter is asked", RIGHT)
    return port


def _meter(section: Section) -> MBusMeterConfig:
    name = section.text("name", None, 'name the meter, e.g. "heat"')
    meter = MBusMeterConfig(
        name,
        identity_of(section),
        section.integer("address", 0, 0, 250),
        section.integer("yearly", 1000, 0, 10_000_000),
        section.integer("start", 0, 0, 10_000_000),
        section.flag("two_telegrams", default=False),
        section.flag("bad_record", default=False),
        section.integer("battery", 0, 0, 1_000_000),
        _fabrication(section),
    )
    section.finish()
    return meter


def _fabrication(section: Section) -> str:
    number = section.text("fabrication", "", "write eight digits")
    if number and not _ID.fullmatch(number):
        raise section.fault("fabrication", f"{number!r} is no number", "write eight digits")
    return number


def identity_of(section: Section) -> Identity:
    """Who a meter is, by wire or by radio."""
    number = section.text("id", None, "write the eight digits of its id")
    if not _ID.fullmatch(number):
        raise section.fault("id", f"{number!r} is no id", "write eight digits")
    maker = section.text("maker", "UTB", "three letters")
    if not _MAKER.fullmatch(maker):
        raise section.fault("maker", f"{maker!r} is no FLAG id", "write three capital letters, e.g. UTB")
    medium = MEDIA[section.choice("medium", "water", MEDIA)]
    return Identity(number, maker, section.integer("version", 1, 0, 255), medium)
