"""Reads a P1 telegram from standard input with dsmr-parser; prints one JSON object: names -> [value, unit].

Arguments: the name of a specification, and optionally an encryption and an authentication key in hex.
"""

import json
import sys
from decimal import Decimal

from dsmr_parser import telegram_specifications
from dsmr_parser.objects import CosemObject, MBusObject
from dsmr_parser.parsers import TelegramParser

octets = sys.stdin.buffer.read()
specification, *keys = sys.argv[1:]
parser = TelegramParser(getattr(telegram_specifications, specification))
text = octets.hex() if keys else octets.decode("ascii")
telegram = parser.parse(text, *keys)


def plain(one: object) -> list[object]:
    value = one.value
    return [str(value) if isinstance(value, Decimal) else value if isinstance(value, str) else str(value), one.unit]


found: dict[str, object] = {
    name: plain(one) for name, one in telegram if isinstance(one, CosemObject | MBusObject) and one is not None
}
found["sub-meters"] = [
    {name: plain(one) for name, one in device if isinstance(one, CosemObject | MBusObject)}
    for device in getattr(telegram, "MBUS_DEVICES", [])
]
print(json.dumps(found))
