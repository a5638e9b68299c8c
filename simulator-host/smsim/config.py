"""The configuration: meters from a TOML file. A fault is reported with its line and the correct form."""

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

from smgw.cosem import DeviceId, Obis
from smgw.cosem.units import SYMBOLS
from smgw.errors import SmgwError, reason
from smgw.iec62056.identification import BAUD_RATES, BAUD_RATES_B, INITIAL_BAUD_RATE
from smgw.wire import Crc

from smsim.dlms.config import LineConfig, lines
from smsim.errors import ConfigError
from smsim.load.days import utc_of_local
from smsim.load.registers import USUAL_DRIVES, USUAL_REGISTERS, Drive, Register
from smsim.load.timelapse import TimeLapse
from smsim.mbus.config import lines as mbus_lines
from smsim.mbus.line import MBusLineConfig
from smsim.mbus.radio import RadioConfig
from smsim.mbus.radio_config import sticks
from smsim.p1.versions import REGISTERS as P1_REGISTERS
from smsim.p1.versions import VERSIONS, SubMeter, Version
from smsim.ports import RIGHT, Port, PtyPort, SerialPort, TcpPort, TcpPushPort, parse_port
from smsim.s0 import INTERVAL_S as S0_INTERVAL_S
from smsim.s0 import REGISTERS as S0_REGISTERS
from smsim.s0 import pulses_of
from smsim.sml import style
from smsim.sml.faults import FIELDS, MOST_ONE_IN, MOST_SECONDS, Fault, Kind, counted
from smsim.sml.meter import MeterSpec
from smsim.tls import FOLDER, Tls, tls_of
from smsim.toml_section import Section, document

DEFAULT_START = "2026-01-01T00:00:00"
MOST_METERS = 10_000
MOST_BAUD = 4_000_000
_KEY_OCTETS = 16
_D0_PUSH = "push"
_D0_MODES = ("A", "B", "C", _D0_PUSH)
MOST_PORT = 0xFFFF
#: Placeholder in the name or port of equal meters for the number of each, from 1.
NUMBER = "{n}"
_FREE_PORTS = (TcpPort(0), TcpPushPort(0))
_FIRST_YEAR, _LAST_YEAR = 1996, 2090  # legal time as `days` computes it; seconds since 1970 in 32 bits


class P1Config(NamedTuple):
    """What makes a meter one with a P1 port. With a key its telegrams are encrypted."""

    version: Version
    sub_meters: tuple[SubMeter, ...] = ()
    key: bytes | None = None

    def __repr__(self) -> str:  # a key never reaches a log
        return f"P1Config({self.version.name!r})"


class D0Mode(NamedTuple):
    """How a meter with D0 sends: by itself, or asked, with this Z of its identification."""

    name: str
    baud_code: str = ""

    @property
    def pushes(self) -> bool:
        """True if it sends by itself."""
        return not self.baud_code


class MeterConfig(NamedTuple):
    """One meter and its port."""

    spec: MeterSpec
    port: Port
    push_interval_s: float = 1.0
    baud: int = 9600
    username: str | None = None
    password: str | None = None
    faults: tuple[Fault, ...] = ()
    answers: bool = False  # on a serial line or a pty: answer requests, do not push
    object_list: bool = True  # answer as a newer meter does, not only GetList
    tls: Tls | None = None
    p1: P1Config | None = None
    d0: D0Mode | None = None
    s0: int | None = None  # pulses that make a kWh

    def __repr__(self) -> str:  # a password never reaches a log
        return f"MeterConfig({self.spec.name!r}, {self.port})"


class Config(NamedTuple):
    """The whole configuration of the simulator."""

    time: TimeLapse
    meters: tuple[MeterConfig, ...]
    dlms: tuple[LineConfig, ...] = ()
    mbus: tuple[MBusLineConfig, ...] = ()
    radio: tuple[RadioConfig, ...] = ()


def default_config() -> Config:
    """The one meter of the jOSEF paper, with request and response on TCP port 33333."""
    device = DeviceId.parse("1UTB0000000001")
    start = utc_of_local(datetime.fromisoformat(DEFAULT_START))
    return Config(TimeLapse(start), (MeterConfig(MeterSpec("meter", device), TcpPort()),))


def load(path: Path) -> Config:
    """Read a configuration file. ConfigError for any fault."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            str(path), None, "", f"cannot be read: {reason(error)}", "`smsim example > FILE` writes one"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(str(path), None, "", "is not UTF-8 text", "see `smsim example`") from None
    return parse(text, str(path))


def parse(text: str, file: str = "configuration") -> Config:
    """Read the text of a configuration; `file` is the file name in error messages."""
    whole = document(text, file)
    simulator = whole.table("simulator")
    certificates = Path(file).parent / simulator.text("certificates", FOLDER, "the path of a folder")
    time = _time(simulator)
    meters = _meters(whole, certificates)
    dlms, mbus, radio = lines(whole, certificates), mbus_lines(whole), sticks(whole)
    whole.finish()
    if not meters and not dlms and not mbus and not radio:
        raise ConfigError(file, None, "meter", "there is none", "give each meter a section [[meter]]")
    names = Counter(
        [meter.spec.name for meter in meters]
        + [meter.spec.name for line in dlms for meter in line.meters]
        + [meter.name for line in mbus for meter in line.meters]
        + [meter.meter.name for line in radio for meter in line.meters]
    )
    if twice := next((name for name, count in names.items() if count > 1), None):
        raise ConfigError(file, None, "name", f"{twice!r} is there twice", "give each meter a name of its own")
    return Config(time, meters, dlms, mbus, radio)


def _time(section: Section) -> TimeLapse:
    time = TimeLapse(
        _start(section),
        section.integer("seconds_per_quarter_hour", 4, 1, 86_400),
        section.integer("resolution", 1000, 1, 3_600_000),
    )
    section.finish()
    return time


def _start(section: Section) -> int:
    right = f'write a legal time such as {DEFAULT_START}, years {_FIRST_YEAR} to {_LAST_YEAR}, or "now"'
    value = section.take("start", datetime.fromisoformat(DEFAULT_START))
    if value == "now":
        return int(datetime.now(UTC).timestamp())
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - legal time without an offset is meant
    if not isinstance(value, datetime) or not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise section.fault("start", f"{value} is no start of the simulated calendar", right)
    if value.tzinfo is not None:
        return int(value.timestamp())
    try:
        return utc_of_local(value)
    except ValueError as error:
        raise section.fault("start", str(error), right) from None


def _meters(whole: Section, certificates: Path) -> tuple[MeterConfig, ...]:
    """All meters; a section with a count gives several."""
    meters: list[MeterConfig] = []
    of_style: Counter[str] = Counter()  # meters without a device get their style's ids, counted up
    names: set[str] = set()
    ports: set[Port] = set()
    for section in whole.tables("meter"):
        counted = _meter(section, of_style, certificates)
        for meter in counted:
            if meter.spec.name in names:
                raise section.fault("name", f"{meter.spec.name!r} is there twice", "give each a name of its own")
            if meter.port in ports:
                raise section.fault("port", f"{meter.port} is there twice", "give each a port of its own")
            names.add(meter.spec.name)
            if meter.port not in _FREE_PORTS:
                ports.add(meter.port)
        meters += counted
    return tuple(meters)


def _meter(section: Section, of_style: "Counter[str]", certificates: Path) -> list[MeterConfig]:
    name = section.text("name", None, 'name the meter, e.g. "household"')
    count = section.integer("count", 1, 1, MOST_METERS)
    chosen = style.load(section.choice("style", "", style.names())) if section.has("style") else None
    device = _device(section, chosen, of_style, count)
    port = _port(section, count)
    s0 = pulses_of(section, port)
    interval = section.seconds("push_interval", 1.0 if s0 is None else S0_INTERVAL_S, 0.05, 86_400)
    p1 = _p1(section, chosen, port)
    d0 = _d0(section, port)
    if d0 is not None and (chosen is not None or p1 is not None):
        raise section.fault("d0", "a meter speaks one protocol", "leave out style and p1")
    if s0 is not None and (chosen is not None or p1 is not None or d0 is not None or section.has("register")):
        raise section.fault("s0", "a pulse output counts one register", "leave out style, p1, d0 and register")
    if chosen and section.has("register"):
        wrong = f"the registers are those of the style {chosen.name}"
        raise section.fault_below(("register", "0"), wrong, "leave out one of them")
    registers = tuple(_register(register) for register in section.tables("register")) or USUAL_REGISTERS
    if p1 is not None:
        registers = P1_REGISTERS
    if s0 is not None:
        registers = S0_REGISTERS
    spec = MeterSpec(
        name,
        device,
        chosen.registers if chosen else registers,
        section.integer("consumption_kwh", 1000, 0, 10_000_000),
        section.integer("generation_kwh", 1000, 0, 10_000_000),
        section.integer("seed", 0, 0, (1 << 63) - 1),
        Crc(section.choice("crc", Crc.X25.value, [family.value for family in Crc])),
        chosen,
    )
    meter = MeterConfig(
        spec,
        port,
        interval,
        section.integer("baud", 9600 if s0 is None else MOST_BAUD, 300, MOST_BAUD),
        section.text("username", "", "") or None,
        section.text("password", "", "") or None,
        _faults(section, chosen, count),
        _answers(section, port),
        section.flag("object_list", default=True),
        tls_of(section, port, certificates),
        p1,
        d0,
        s0,
    )
    section.finish()
    if chosen is None:
        _registers_fit(section, registers)
    return [_numbered(meter, number) for number in range(1, count + 1)] if count > 1 else [meter]


def _p1(section: Section, chosen: style.Style | None, port: Port) -> P1Config | None:
    """The P1 port of a meter; None if it has none."""
    if not section.has("p1"):
        return None
    version = VERSIONS[section.choice("p1", "", list(VERSIONS))]
    if chosen is not None or section.has("register"):
        raise section.fault("p1", "a meter with a P1 port has its own registers", "leave out style and register")
    if isinstance(port, TcpPort):
        raise section.fault(
            "p1", f"a meter with a P1 port pushes, and {port} answers", "write tcp-push:, pty: or serial:"
        )
    if section.flag("answers", default=False):
        raise section.fault("answers", "a meter with a P1 port pushes", "leave it out")
    sub_meters = tuple(one for one in SubMeter if section.flag(one.name.lower(), default=False))
    digits = section.text("key", "", "write 32 hex digits")
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        key = b"?"
    if len(key) not in (0, _KEY_OCTETS):
        raise section.fault("key", "it is no key", "write 32 hex digits, or leave it out")
    return P1Config(version, sub_meters, key or None)


def _d0(section: Section, port: Port) -> D0Mode | None:
    """How a meter with D0 sends; None if it has none."""
    if not section.has("d0"):
        return None
    name = section.choice("d0", "", _D0_MODES)
    if section.flag("answers", default=False):
        raise section.fault("answers", 'd0 says it: "push" pushes, all others answer', "leave it out")
    if name == _D0_PUSH and isinstance(port, TcpPort):
        raise section.fault("d0", f"a meter that pushes, and {port} answers", "write tcp-push:, pty: or serial:")
    if name != _D0_PUSH and isinstance(port, TcpPushPort):
        raise section.fault("d0", f"a meter that is asked, and {port} pushes", "write tcp:, pty: or serial:")
    if name == _D0_PUSH:
        return D0Mode(name)
    baud = section.integer("d0_baud", INITIAL_BAUD_RATE if name == "A" else 9600, 300, 19_200)
    rates = {"A": {" ": INITIAL_BAUD_RATE}, "B": BAUD_RATES_B, "C": BAUD_RATES}[name]
    code = next((code for code, rate in rates.items() if rate == baud), None)
    if code is None:
        raise section.fault("d0_baud", f"mode {name} has no {baud} Bd", f"write one of {sorted(rates.values())}")
    return D0Mode(name, code)


def _numbered(meter: MeterConfig, number: int) -> MeterConfig:
    """The `number`-th of equal meters: its name, id and port are counted up."""
    spec, port = meter.spec, meter.port
    name = spec.name.replace(NUMBER, str(number)) if NUMBER in spec.name else f"{spec.name}-{number}"
    if isinstance(port, PtyPort):
        port = PtyPort(port.link.replace(NUMBER, str(number)))
    elif isinstance(port, SerialPort):
        port = SerialPort(port.device.replace(NUMBER, str(number)))
    elif port.port:
        port = port._replace(port=port.port + number - 1)
    return meter._replace(spec=spec._replace(name=name, device=counted(spec.device, number - 1)), port=port)


def _device(section: Section, chosen: style.Style | None, of_style: "Counter[str]", count: int) -> DeviceId:
    if chosen is not None and chosen.device is not None and not section.has("device"):
        before = of_style[chosen.name]
        of_style[chosen.name] += count
        section.take("device", "")
        return counted(chosen.device, before)
    text = section.text("device", None, "write a DIN 43863-5 id such as 1UTB0000000001")
    try:
        return DeviceId.parse(text)
    except SmgwError as error:
        raise section.fault("device", str(error)) from None


def _faults(section: Section, chosen: style.Style | None, count: int) -> tuple[Fault, ...]:
    lockable = chosen is not None and chosen.locked is not None
    faults = tuple(_fault(fault, lockable, count) for fault in section.tables("fault"))
    if not section.flag("pin_locked", default=False):
        return faults
    if not lockable:
        raise section.fault("pin_locked", "nothing is known of this meter before its PIN", _lockable())
    return (Fault(Kind.PIN_LOCK), *faults)


def _lockable() -> str:
    return f"choose a style that knows: {', '.join(name for name in style.names() if style.load(name).locked)}"


def _fault(section: Section, lockable: bool, count: int) -> Fault:
    usual = Fault(Kind.LOSS)
    kind = Kind(section.choice("kind", "", [kind.value for kind in Kind]))
    fault = Fault(kind, section.seconds("at", 0.0, 0, MOST_SECONDS))
    fields = FIELDS[kind]
    if "for" in fields and section.has("for"):
        fault = fault._replace(for_s=section.seconds("for", 0.0, 0, MOST_SECONDS))
    if "one_in" in fields:
        fault = fault._replace(one_in=section.integer("one_in", usual.one_in, 2, MOST_ONE_IN))
    if "by" in fields:
        fault = fault._replace(by_s=section.integer("by", usual.by_s, -MOST_SECONDS, MOST_SECONDS))
    if "device" in fields and section.has("device"):
        if count > 1:
            raise section.fault("device", f"one id for {count} meters", "leave it out: their numbers then go on")
        fault = fault._replace(device=_device(section, None, Counter(), 1))
    if kind is Kind.PIN_LOCK and not lockable:
        raise section.fault("kind", "nothing is known of this meter before its PIN", _lockable())
    section.finish()
    return fault


def _port(section: Section, count: int) -> Port:
    try:
        port = parse_port(section.text("port", f"tcp:{TcpPort().port}", RIGHT))
    except ValueError as error:
        raise section.fault("port", str(error), RIGHT) from None
    if count == 1:
        return port
    if isinstance(port, PtyPort | SerialPort):
        if NUMBER not in str(port):
            raise section.fault(
                "port", f"{port} for {count} meters", f'write {NUMBER} in it, e.g. "pty:/tmp/m{NUMBER}"'
            )
    elif port.port and port.port + count - 1 > MOST_PORT:
        raise section.fault("port", f"{count} ports from {port.port} on end beyond {MOST_PORT}", "begin lower")
    return port


def _answers(section: Section, port: Port) -> bool:
    if section.has("answers") and not isinstance(port, PtyPort | SerialPort):
        raise section.fault("answers", "belongs to a serial line", "leave it out: tcp: answers, tcp-push: pushes")
    return section.flag("answers", default=False)


def _register(section: Section) -> Register:
    text = section.text("obis", None, "write a code such as 1.8.0 or 1-0:1.8.0*255")
    try:
        obis = Obis.parse(text)
    except SmgwError as error:
        raise section.fault("obis", str(error)) from None
    usual = USUAL_DRIVES.get(obis)
    names = [drive.value for drive in Drive]
    if usual is None and not section.has("drive"):
        raise section.fault("obis", f"nothing is known to drive {obis}", f"add drive = one of {', '.join(names)}")
    drive = Drive(section.choice("drive", usual.value if usual else "", names))
    if section.has("value") and drive is not Drive.FIXED:
        raise section.fault("value", f"the register is driven by {drive.value}", 'a value belongs to drive = "fixed"')
    register = Register(
        obis,
        drive,
        _unit(section, drive),
        section.integer("scaler", 0, -6, 6),
        section.integer("value", 0, -(1 << 63), (1 << 63) - 1),
    )
    section.finish()
    return register


def _unit(section: Section, drive: Drive) -> int:
    value = section.take("unit", drive.unit)
    if isinstance(value, str):
        value = next((number for number, symbol in SYMBOLS.items() if symbol == value), value)
    if type(value) is not int or not 0 <= value <= 255:
        raise section.fault("unit", f"{value!r} is no unit", 'write "Wh", "W", "V" or the DLMS number 0 to 255')
    if drive is not Drive.FIXED and value != drive.unit:
        raise section.fault("unit", f"a register driven by {drive.value} counts {SYMBOLS[drive.unit]}", "leave it out")
    return value


def _registers_fit(section: Section, registers: tuple[Register, ...]) -> None:
    seen: set[Obis] = set()
    for index, register in enumerate(registers):
        if register.obis in seen:
            raise section.fault_below(("register", str(index), "obis"), f"{register.obis} is there twice", "keep one")
        seen.add(register.obis)
    imports = [register for register in registers if register.drive.value.startswith("import") and register.unit == 30]
    if len({register.scaler for register in imports}) > 1:
        raise section.fault(
            "register", "the import registers have different scalers", "their sum is exact only if all have the same"
        )
