"""Radio sticks and their streets of meters from the configuration: [[radio]], its meters and faults."""

from smsim.mbus.config import identity_of
from smsim.mbus.meters import MBusMeterConfig
from smsim.mbus.radio import NONE, SECURITIES, STICKS, RadioConfig, RadioFaults, RadioMeterConfig
from smsim.ports import PushPort, TcpPort, parse_port
from smsim.toml_section import Section

RIGHT = "write tcp-push:10002, pty:/path/of/a/link or a serial device such as /dev/ttyUSB0"
_KEY_OCTETS = 16
_MOST = 10_000
_NUMBER = "{n}"


def sticks(whole: Section) -> tuple[RadioConfig, ...]:
    """All sticks of a configuration. ConfigError for any fault."""
    return tuple(map(_stick, whole.tables("radio")))


def _stick(section: Section) -> RadioConfig:
    port = _port(section)
    stick = section.choice("stick", "im871a", STICKS)
    baud = section.integer("baud", STICKS[stick][1], 300, 921_600)
    table = section.table("faults")
    faults = RadioFaults(*(table.integer(name, 0, 0, 1_000_000) for name in RadioFaults._fields))
    table.finish()
    meters = tuple(one for part in section.tables("meter") for one in _meters(part))
    if not meters:
        raise section.fault("meter", "there is none", "give each meter that the stick hears a section [[radio.meter]]")
    section.finish()
    return RadioConfig(port, stick, meters, faults, baud)


def _port(section: Section) -> PushPort:
    try:
        port = parse_port(section.text("port", "tcp-push:10002", RIGHT))
    except ValueError as error:
        raise section.fault("port", str(error), RIGHT) from None
    if isinstance(port, TcpPort):
        raise section.fault("port", f"{port} answers, a radio stick pushes", RIGHT)
    return port


def _meters(section: Section) -> list[RadioMeterConfig]:
    """One meter, or several equal ones whose number and name are counted up."""
    name = section.text("name", None, 'name the meter, e.g. "cold-water"')
    count = section.integer("count", 1, 1, _MOST)
    identity = identity_of(section)
    yearly = section.integer("yearly", 1000, 0, 10_000_000)
    start = section.integer("start", 0, 0, 10_000_000)
    security = section.choice("security", NONE, SECURITIES)
    key = _key(section, security)
    interval = section.seconds("interval", 16.0, 0.05, 86_400)
    section.finish()
    found = []
    for number in range(count):
        named = name.replace(_NUMBER, str(number + 1)) if _NUMBER in name else f"{name}-{number + 1}"
        one = identity._replace(id=f"{(int(identity.id) + number) % 10**8:08d}")
        meter = MBusMeterConfig(named if count > 1 else name, one, 0, yearly, start)
        found.append(RadioMeterConfig(meter, security, key, interval))
    return found


def _key(section: Section, security: str) -> bytes:
    digits = section.text("key", "", "write 32 hex digits")
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        key = b"?"
    if len(key) != (0 if security == NONE else _KEY_OCTETS):
        right = "leave it out, or write a security" if security == NONE else "write 32 hex digits"
        raise section.fault("key", f"security {security} and a key of {len(key)} octets", right)
    return key
