"""The meter profile (Zählerprofil): what to read, over which port, how often, and what of it to register."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from smgw.cosem.corrections import Corrections
from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis
from smgw.profiles import checks, protocols
from smgw.profiles.checks import Check, Report
from smgw.profiles.content import canonical
from smgw.profiles.gpio_line import is_gpio
from smgw.profiles.protocol import Protocol
from smgw.profiles.section import Key, section

DAY_S = 86_400
_DEFAULT_INTERVAL = 2
_DEFAULT_SILENCE = 30
_DEFAULT_PERIOD = 900


class MeterProfile(NamedTuple):
    """One meter. Field and key of the file have the same name; times are whole seconds."""

    name: str
    protocol: str  # names an entry of `profiles.protocols`
    port: str  # device path or pyserial URL
    baudrate: int = 9600  # 300 to 921600
    parity: str = "N"  # N, E, O
    bytesize: int = 8  # 7, 8
    stopbits: int = 1  # 1, 2
    rs485: str = "none"  # none, kernel, rts, or a GPIO line
    objects: tuple[Obis, ...] = ()  # empty: everything the meter has
    device_id: DeviceId | None = None  # DIN id under which a meter with a foreign id is delivered
    devices: tuple[DeviceId, ...] = ()  # that share the line and are all there; empty: whichever come
    interval: int = _DEFAULT_INTERVAL  # polled: from one request to the next
    timeout: int = 5  # polled: how long an answer may stay away
    retries: int = 2  # polled: how often a request is repeated before the meter counts as silent
    username: str | None = None  # sml-poll
    password_file: Path | None = None  # polled; read by `password.read_password` when it is needed
    load_profile: tuple[Obis, ...] = ()  # polled: the meter's own load profiles that are fetched and stored
    load_profile_days: int = 31  # how far back they are fetched at first
    registration_period: int = _DEFAULT_PERIOD  # 0: every telegram; otherwise it divides a day
    silence: int = _DEFAULT_SILENCE  # after so long without a telegram, telegrams have stopped
    correct_power_sign: bool = True
    scalers: tuple[tuple[Obis, int], ...] = ()  # in place of the meter's values
    units: tuple[tuple[Obis, int], ...] = ()
    factors: tuple[tuple[Obis, int], ...] = ()  # the value is multiplied by them: ratios of transformers
    options: Any = None  # value of the protocol's own section, such as DlmsProfile; None: it has none

    @property
    def entry(self) -> Protocol:
        """The entry of its protocol."""
        return protocols.entry(self.protocol)

    @property
    def polled(self) -> bool:
        """True if the gateway asks and the meter answers."""
        return self.entry.polled

    @property
    def corrections(self) -> Corrections:
        """What the profile says against its meter; keys of the protocol's own section come after those of [[meter]]."""
        below = [getattr(self.options, key, ()) for key in _CORRECTIONS]
        return Corrections.of(*(a + b for a, b in zip(below, (self.scalers, self.units, self.factors), strict=True)))

    @property
    def needs_counters(self) -> bool:
        """True if it is asked with invocation counters, which must be reserved in the database."""
        return self.entry.needs_counters(self.options)

    @property
    def over_tls(self) -> bool:
        """True for a meter whose octets are protected by TLS."""
        return self.port.lower().startswith("tls://")

    @property
    def on_network(self) -> bool:
        """True if its port is TCP or UDP, which has no line settings."""
        return _on_network(self.port)

    def titled(self, gateway: DeviceId) -> "MeterProfile":
        """With what its section takes from the gateway's own id, such as a DLMS system title."""
        titled: Callable[[DeviceId], Any] | None = getattr(self.options, "titled", None)
        return self if titled is None else self._replace(options=titled(gateway))

    def content(self) -> str:
        """Canonical JSON of the keys that its protocol uses: the version of this profile."""
        entry = self.entry
        used = {key: getattr(self, key) for key in (*_EVERY_METER, *_LINE, *entry.keys)}
        if entry.section is not None:
            options = self.options if self.options is not None else entry.section.build({})
            used[entry.section.name] = {key: getattr(options, key) for key in entry.section.keys}
        return canonical(used)


def _protocol(value: object, report: Report) -> object:
    return checks.choice(*protocols.names())(value, report)


KEYS: Mapping[str, Key] = {
    "name": Key(
        checks.name,
        needed='"house"',
        about="The meter's name in messages, in the database and in `smgw` commands; it has no default.",
    ),
    "protocol": Key(
        _protocol,
        needed='"sml-push"',
        about="How the meter talks: one of the protocols of this reference; it has no default.",
    ),
    "port": Key(
        checks.port,
        needed='"/dev/ttyUSB0"',
        about="A serial device, or socket://, tls://, rfc2217:// or udp:// with host:port; it has no default.",
    ),
    "baudrate": Key(
        checks.integer(300, 921_600, "Bd"),
        about="Speed of the serial line in Bd; 9600 by default, 2400 for mbus, 57600 for wmbus.",
    ),
    "parity": Key(
        checks.choice("N", "E", "O"),
        about='Parity of the serial line: none, even or odd; "N" (none) by default, "E" for mbus.',
    ),
    "bytesize": Key(
        checks.choice(8, 7),
        about="Data bits of a character on the serial line, 7 or 8 (7 in software if need be); 8 by default.",
    ),
    "stopbits": Key(
        checks.choice(1, 2),
        about="Stop bits of a character on the serial line; 1 by default.",
    ),
    "rs485": Key(
        checks.rs485,
        about='What switches an RS-485 line between sending and listening: "none" (the adapter), "kernel", "rts" or a '
        'GPIO line; "none" by default.',
    ),
    "objects": Key(
        checks.array('an array of OBIS codes, such as ["1-0:1.8.0", "1-0:16.7.0"]', checks.obis),
        about="OBIS codes of the values to read; by default everything that the meter has.",
    ),
    "device_id": Key(
        checks.device_id("1EMH0011802881"),
        about="DIN 43863-5 id for delivery, if the meter sends another kind of id; the meter's own id by default.",
    ),
    "devices": Key(
        checks.array('an array of device ids, such as ["1EMH0011802881", "1ISK0071234567"]', checks.any_device_id),
        about="Ids of the meters that send on this line, if they are several; by default a second one is reported.",
    ),
    "interval": Key(
        checks.integer(1, DAY_S, "s"),
        about="Time in seconds from one request to the next; 2 s by default, 300 s for d0, 900 s for mbus.",
    ),
    "timeout": Key(
        checks.integer(1, 120, "s"),
        about="Time in seconds to wait for an answer; 5 s by default, 2 s for mbus.",
    ),
    "retries": Key(
        checks.integer(0, 10),
        about="How often a request is repeated before the meter counts as silent; 2 by default.",
    ),
    "username": Key(
        checks.text("a name of 1 to 64 characters", re.compile(r"[^\x00-\x1f\x7f]{1,64}")),
        about="User name that the gateway sends to the meter; none by default.",
    ),
    "password_file": Key(
        checks.path,
        about="File with the meter's password in its first line, mode 0600, or a systemd credential; none by default.",
    ),
    "load_profile": Key(
        checks.array('an array of OBIS codes, such as ["1-0:99.1.0"]', checks.obis),
        about="OBIS codes of the meter's own load profiles that the gateway fetches and stores; none by default.",
    ),
    "load_profile_days": Key(
        checks.integer(1, 3650, "days"),
        about="How many days back the first fetch of a load profile goes; 31 days by default.",
    ),
    "registration_period": Key(
        checks.integer(0, DAY_S, "s"),
        about="Seconds between two stored values, a divisor of a day, or 0 for every telegram; 900 s by default, with "
        "a battery no less than the interval, 0 for wmbus.",
    ),
    "silence": Key(
        checks.integer(1, DAY_S, "s"),
        about="Seconds without a good telegram until the meter counts as silent and its port is opened again; "
        "by default 30 s or three intervals, 7200 s for wmbus.",
    ),
    "scalers": Key(
        checks.scalers,
        about="Scaler for each OBIS code whose scaler the meter reports wrongly or not at all; none by default.",
    ),
    "units": Key(
        checks.units,
        about="Unit for each OBIS code whose unit the meter reports wrongly or not at all; none by default.",
    ),
    "factors": Key(
        checks.factors,
        about="Whole number for each OBIS code by which its value is multiplied, such as a transformer ratio; "
        "none by default.",
    ),
    "correct_power_sign": Key(
        checks.boolean,
        about="Whether the sign of power is corrected for meters that are known to send it wrongly; true by default.",
    ),
}
_CORRECTIONS = ("scalers", "units", "factors")
_EVERY_METER = (
    "name", "protocol", "port", "objects", "device_id", "devices", "registration_period", "silence", *_CORRECTIONS,
)  # fmt: skip
_LINE = ("baudrate", "parity", "bytesize", "stopbits", "rs485")
#: Keys that a [[line]] cannot hold for its meters.
OWN_KEYS = ("name", "device_id", "devices", "objects")


def check(hint: Callable[[str], str]) -> Check:
    """The check of a table [[meter]]: its protocol defines the allowed keys. `hint`: see `section`."""

    def checked(value: object, report: Report) -> object:
        entry = _entry_of(value)
        return section(
            _accepted(entry, hint),
            _build,
            lambda values: _contradictions(entry, values),
            hint,
            _refused(entry, value),
        )(value, report)

    return checked


def _entry_of(value: object) -> Protocol | None:
    name = value.get("protocol") if isinstance(value, dict) else None
    return protocols.entry(name) if isinstance(name, str) and name in protocols.names() else None


def _accepted(entry: Protocol | None, hint: Callable[[str], str] = lambda _key: "") -> Mapping[str, Key]:
    if entry is None:  # its protocol is missing or wrong: then any key may be right
        sections = {one.section.name: one.section for one in protocols.every() if one.section is not None}
        return {**KEYS, **{name: Key(lambda value, _: value) for name in sections}}
    keys = {key: KEYS[key] for key in KEYS if key in (*_EVERY_METER, *_LINE, *entry.keys)}
    if entry.section is not None:
        name, own, build, contradictions, refused, needed = entry.section
        keys[name] = Key(section(own, build, contradictions, hint, refused), needed)
    return keys


def _refused(entry: Protocol | None, value: object) -> dict[str, str]:
    """Known keys of this table that its protocol and port do not use -> advice."""
    if entry is None or not isinstance(value, dict):
        return {}
    accepted = _accepted(entry)
    found = {key: entry.refused.get(key) or _remedy(key, entry) for key in value if key not in accepted}
    if _on_network(value.get("port")):
        found |= dict.fromkeys(_LINE, "a port on the network has no line settings; the bridge has them: leave it out")
    if entry.on_gpio:
        found |= dict.fromkeys(_LINE, "a GPIO line has no line settings; leave it out")
    return {key: text for key, text in found.items() if text}


def _remedy(key: str, entry: Protocol) -> str:
    """What to do about a key that a meter of this protocol does not have; "" if nothing is known of it."""
    if looks_secret(key) and key not in KEYS and "password_file" not in entry.keys:
        return f"{entry.name} uses no password; leave it out"
    return _users_of(key, entry) or _in_a_section(key, entry)


def _in_a_section(key: str, entry: Protocol) -> str:
    """Where a key stands that belongs to a protocol's own section; "" if it belongs to none."""
    homes: dict[str, list[str]] = {}
    for one in protocols.every():
        if one.section is not None and key in one.section.keys:
            homes.setdefault(one.section.name, []).append(one.name)
    if not homes:
        return ""
    if entry.section is not None and (home := entry.section.name) in homes:
        return f"it belongs in the section {home} of this meter; write {home} = {{ {key} = ... }}"
    places = [f"to {' and '.join(users)}, in the section {home}" for home, users in homes.items()]
    return f"{entry.name} does not use it; leave it out (it belongs {' or '.join(places)})"


def looks_secret(key: str) -> bool:
    """True for a key whose value is no business of the configuration file."""
    return "password" in key or "secret" in key


def _users_of(key: str, entry: Protocol) -> str:
    """Which protocols use a key that this one does not; "" if none does."""
    users = [one for one in protocols.every() if key in one.keys or (one.section and one.section.name == key)]
    if not users:
        return ""
    # The nearest relative comes first: `dlms` for `dlms-push`, what pushes for what pushes.
    users.sort(key=lambda one: (one.dump != entry.dump, one.polled != entry.polled))
    why = "a meter that pushes is never asked" if not entry.polled and users[0].polled else f"{entry.name} has no {key}"
    return f'{why}; leave it out, or write protocol = "{users[0].name}"'


def _contradictions(entry: Protocol | None, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, text) of each key that is correct by itself but contradicts others; `values` holds checked ones."""
    if entry is not None:
        yield from entry.contradictions(values)
        if str(values.get("port", "")).startswith("udp://") and not entry.on_udp:
            yield "port", 'UDP carries the wrapper alone; write protocol = "dlms" and framing = "wrapper"'
        if str(values.get("port", "")).startswith("rfc2217://") and values.get("rs485", "none") != "none":
            yield "rs485", "the bridge switches its own line; leave it out"
        if is_gpio(str(values.get("port", ""))) and not entry.on_gpio:
            yield "port", 'a GPIO line carries pulses alone; write protocol = "s0", or the device of a serial line'
    period = values.get("registration_period")
    if period and DAY_S % period:
        shorter = next(one for one in range(period, 0, -1) if DAY_S % one == 0)
        yield (
            "registration_period",
            f"{period} s does not divide a day; write {shorter}, {_whole_period(period)}, or 0 for every telegram",
        )
    usual = _DEFAULT_INTERVAL if entry is None else entry.defaults.get("interval", _DEFAULT_INTERVAL)
    silence, interval = values.get("silence"), values.get("interval", usual)
    if period and entry is not None and entry.sparing(_options(entry, values)) and period < interval:
        yield (
            "registration_period",
            f"the meter would be read every {period} s, not every {interval} s, and its battery pays for it; "
            f"leave it out, write {_whole_period(interval)}, or a shorter interval",
        )
    if silence and entry is not None and entry.polled and silence <= interval:
        yield (
            "silence",
            f"{silence} s is no longer than the interval of {interval} s; write {3 * interval} or leave it out",
        )


def _build(values: Mapping[str, Any]) -> MeterProfile:
    """The profile of checked values. A slow poll gets a silence of three intervals unless it is given one.

    A meter that is to be spared gets a registration period that is no shorter than its interval.
    """
    entry = protocols.entry(values["protocol"])
    filled = {**entry.defaults, **values}
    if entry.polled and "interval" in filled:
        filled.setdefault("silence", max(_DEFAULT_SILENCE, 3 * filled["interval"]))
    if entry.sparing(_options(entry, values)):
        filled.setdefault("registration_period", _whole_period(max(_DEFAULT_PERIOD, filled["interval"])))
    if entry.section is not None:
        own = filled.pop(entry.section.name, None)
        filled["options"] = entry.section.build({}) if own is None else own
    return MeterProfile(**filled)


def _options(entry: Protocol, values: Mapping[str, Any]) -> Any:
    """The value of the protocol's own section; None if it is not written."""
    return None if entry.section is None else values.get(entry.section.name)


def _whole_period(seconds: int) -> int:
    """The shortest time that is no shorter and divides a day."""
    return next(one for one in range(seconds, DAY_S + 1) if DAY_S % one == 0)


def _on_network(port: object) -> bool:
    return isinstance(port, str) and port.lower().startswith(("socket://", "tls://", "udp://"))
