"""What Home Assistant is told of a device: one message for all its registers, under `<prefix>/device/<id>/config`.

The form is Home Assistant's "device discovery", of release 2024.11 and later. An empty message takes the device back.
"""

import json
import re

import smgw
from smgw.cosem.device_id import DeviceId
from smgw.han.live.mqtt.topics import OFFLINE, ONLINE, Topics
from smgw.han.live.points import Point, Shown

_ELECTRICITY, _HEAT, _COLD, _GAS, _COLD_WATER, _WARM_WATER = 1, 6, 5, 7, 8, 9
_INTEGRAL = 8  # group D: counts on
_BALANCES = frozenset({16, 36, 56, 76})  # group C: import less export, which also counts back
_CLASSES = {
    "kWh": "energy", "W": "power", "VA": "apparent_power", "var": "reactive_power", "V": "voltage", "A": "current",
    "Hz": "frequency", "°C": "temperature", "bar": "pressure",
}  # fmt: skip
_VOLUMES = {_GAS: "gas", _COLD_WATER: "water", _WARM_WATER: "water"}
_FLOW = {1: "import", 2: "export", 3: "reactive import", 4: "reactive export", 16: "balance"}
_SINGLE = {11: "current", 12: "voltage", 13: "power factor", 14: "frequency"}
_OF_PHASE = 20  # from group C of the sum to that of each phase


def config_topic(prefix: str, device: DeviceId) -> str:
    """Where the announcement of a device belongs."""
    return f"{prefix}/device/{_plain(f'smgw_{device}')}/config"


def announcement(topics: Topics, found: Shown, expire_s: int) -> str:
    """The message about a device. A value is unknown `expire_s` seconds after its last message."""
    node = _plain(f"smgw_{found.device}")
    device: dict[str, object] = {
        "ids": [node],
        "name": f"{found.meter} {found.device}",
        "sn": str(found.device),
    }
    if found.device.maker is not None:
        device["mf"] = found.device.maker
    components = {
        _plain(point.name): _sensor(node, topics.register(found.device, point), point, expire_s)
        for point in map(Point.in_kilo, found.points)
    }
    told = {
        "dev": device,
        "o": {"name": "smgw", "sw": smgw.__version__},
        "cmps": components,
        "availability_topic": topics.status,
        "payload_available": ONLINE,
        "payload_not_available": OFFLINE,
    }
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False)


def registers(found: Shown) -> frozenset[tuple[str, str]]:
    """What an announcement depends on, but for the values."""
    return frozenset((point.name, point.unit) for point in found.points)


def _sensor(node: str, topic: str, point: Point, expire_s: int) -> dict[str, object]:
    sensor: dict[str, object] = {
        "p": "sensor",
        "unique_id": f"{node}_{_plain(point.name)}",
        "name": f"{words} {point.name}" if (words := _words(point)) else point.name,
        "state_topic": topic,
        # An empty message takes a value back; it is no JSON.
        "value_template": "{{ value_json.value if value else '' }}",
        "json_attributes_topic": topic,
        "json_attributes_template": "{{ value or '{}' }}",
        "expire_after": expire_s,
        "state_class": "measurement",
    }
    if point.unit:
        sensor["unit_of_measurement"] = point.unit
    volume = _VOLUMES.get(point.obis[0]) if point.unit == "m³" else None
    kind = _CLASSES.get(point.unit, volume)
    if kind is not None:
        sensor["device_class"] = kind
    if kind == "energy" or point.unit in ("m³", "kvarh", "kVAh"):
        counts_on = point.obis[0] != _ELECTRICITY or point.obis[2] not in _BALANCES
        sensor["state_class"] = "total_increasing" if counts_on else "total"
    return sensor


def _words(point: Point) -> str:
    """The register in words; empty where its number alone must do."""
    a, _, c, d, e, _ = point.obis
    if a != _ELECTRICITY or not 0 < c <= 4 * _OF_PHASE:
        return {_HEAT: "Heat", _COLD: "Cold", _GAS: "Gas", _COLD_WATER: "Water", _WARM_WATER: "Warm water"}.get(a, "")
    phase, quantity = divmod(c - 1, _OF_PHASE)
    if (what := _SINGLE.get(quantity + 1)) is None:
        flow = _FLOW.get(quantity + 1)
        if flow is None:
            return ""
        what = f"{'energy' if d == _INTEGRAL else 'power'} {flow}"
    text = " ".join(filter(None, (what, f"L{phase}" if phase else "", f"tariff {e}" if d == _INTEGRAL and e else "")))
    return text[0].upper() + text[1:]


def _plain(text: str) -> str:
    """As an id that Home Assistant takes: letters, digits, - and _."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)
