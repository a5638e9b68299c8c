"""Tables of [han] for live values of the house: mqtt, vzlogger, p1 and metrics. Each is off unless it stands there."""

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from smgw.profiles import checks
from smgw.profiles.checks import Report
from smgw.profiles.section import Key, section

#: Ports of MQTT without TLS and with it.
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_TOPIC = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*")
_USER = re.compile(r"[^\x00-\x1f\x7f]{1,256}")


class MqttProfile(NamedTuple):
    """An MQTT broker of the house."""

    url: str
    username: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    topic: str = "smgw"
    discovery: str = "homeassistant"  # prefix of Home Assistant; empty: nothing is announced
    meters: tuple[str, ...] = ()  # names; empty: all

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return urlsplit(self.url).scheme == "mqtts"

    @property
    def host(self) -> str:
        """The broker's name or address."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Its TCP port."""
        parts = urlsplit(self.url)
        return parts.port or _PORTS[parts.scheme]


class PortProfile(NamedTuple):
    """A TCP port at which programs of the house read live values."""

    listen: str
    meters: tuple[str, ...] = ()  # names; empty: all


class P1Profile(NamedTuple):
    """A TCP port that speaks as the P1 port of one meter does."""

    listen: str
    meter: str = ""  # empty: the only one


def _broker(value: object, report: Report) -> str | None:
    wanted = 'write "mqtt://host:port", or "mqtts://host:port" with TLS'
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        right = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right or not isinstance(value, str) or not re.fullmatch(r"[!-~]+", value):
        report(f"{checks.shown(value)} is no MQTT broker; {wanted}")
    elif "@" in parts.netloc:
        report("a user or password does not stand in a URL; write username and password_file")
    elif parts.path not in ("", "/") or parts.query or parts.fragment:
        report(f"{checks.shown(value)} has more than host and port; {wanted}")
    elif parts.scheme == "mqtt" and checks.is_public(parts.hostname or ""):
        report(f'{parts.hostname} is no private address, and mqtt has no encryption; write "mqtts://host:port"')
    else:
        return value.rstrip("/")
    return None


def _listen(value: object, report: Report) -> str | None:
    """`ADDRESS:PORT`, where the address is one of this computer. Nobody logs in there, so it must be a private one."""
    found = checks.host(value, lambda *_: None)
    address, _, port = (found or "").rpartition(":")
    try:
        if found and port.isdecimal() and ip_address(address.strip("[]")) and not checks.is_public(address.strip("[]")):
            return found
    except ValueError:
        pass
    report(f'{checks.shown(value)} is no private address with a port; write such as "192.168.1.2:8081"')
    return None


_METERS = Key(
    checks.array('an array of meter names, such as ["house"]', checks.name),
    about="Names of the meters whose values are shown; all meters by default.",
)

MQTT_KEYS: Mapping[str, Key] = {
    "url": Key(
        _broker,
        needed='"mqtts://host:8883"',
        about="The MQTT broker, as mqtt://host:port or, with TLS, mqtts://host:port; it has no default.",
    ),
    "username": Key(
        checks.text("a name of a user", _USER),
        about="The user at the broker; none by default.",
    ),
    "password_file": Key(
        checks.path,
        about="File of mode 0600 with the user's password in its first line; none by default.",
    ),
    "ca_file": Key(
        checks.path,
        about="PEM file with the certificates that the broker's own may come from; the system's by default.",
    ),
    "topic": Key(
        checks.text('a topic such as "smgw"', _TOPIC),
        about='The begin of all topics; "smgw" by default.',
    ),
    "discovery": Key(
        checks.text('a topic such as "homeassistant", or ""', re.compile(rf"(?:{_TOPIC.pattern})?")),
        about='The begin of Home Assistant\'s discovery topics, or "" to announce nothing; "homeassistant" by default.',
    ),
    "meters": _METERS,
}

PORT_KEYS: Mapping[str, Key] = {
    "listen": Key(
        _listen,
        needed='"192.168.1.2:8081"',
        about="Address and TCP port at which anybody in the house may read the values; it has no default.",
    ),
    "meters": _METERS,
}

P1_KEYS: Mapping[str, Key] = {
    "listen": Key(
        _listen,
        needed='"192.168.1.2:8082"',
        about="Address and TCP port at which anybody in the house may read the telegrams; it has no default.",
    ),
    "meter": Key(
        checks.name,
        about="Name of the meter whose values the telegrams have; needed if there are several meters.",
    ),
}


def _mqtt_contradictions(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A password belongs to a user, and certificates to TLS."""
    if "password_file" in values and "username" not in values:
        yield "password_file", "a password needs a user; write username"
    if "ca_file" in values and not str(values.get("url", "mqtts:")).startswith("mqtts:"):
        yield "ca_file", 'it has no use without TLS; write url = "mqtts://host:port"'


def _mqtt(values: Mapping[str, Any]) -> MqttProfile:
    return MqttProfile(**values)


def _port(values: Mapping[str, Any]) -> PortProfile:
    return PortProfile(**values)


def _p1(values: Mapping[str, Any]) -> P1Profile:
    return P1Profile(**values)


#: The tables below [han], by their names.
KEYS: Mapping[str, Key] = {
    "mqtt": Key(
        section(MQTT_KEYS, _mqtt, _mqtt_contradictions),
        about="An MQTT broker of the house that gets live values; see the table of its keys; none by default.",
    ),
    "vzlogger": Key(
        section(PORT_KEYS, _port),
        about="A port that answers as vzlogger does; see the table of its keys; none by default.",
    ),
    "p1": Key(
        section(P1_KEYS, _p1),
        about="A port that sends telegrams as a P1 port does; see the table of its keys; none by default.",
    ),
    "metrics": Key(
        section(PORT_KEYS, _port),
        about="A port with live values for Prometheus; see the table of its keys; none by default.",
    ),
}


def misfits(han: object, meters: Sequence[str], consumers: int) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with these tables together with the rest of the file: where, below `han`, and in words."""
    tables = {kind: han.get(kind) for kind in KEYS} if isinstance(han, dict) else {}
    for kind, table in tables.items():
        if not isinstance(table, dict):
            continue
        key = "meter" if kind == "p1" else "meters"
        named = table.get(key, [])
        for name in named if isinstance(named, list) else [named]:
            if isinstance(name, str) and checks.NAME.fullmatch(name) and name not in meters:
                yield (kind, key), f"no meter has the name {checks.shown(name)}; there are {', '.join(meters)}"
        if not named and kind == "p1" and len(meters) > 1:
            yield (kind, key), f'is missing, and there are several meters; write meter = "{meters[0]}"'
        elif not named and consumers > 1:
            yield (kind, key), "is missing, and there are several consumers; name the meters that the house may see"
