"""Reads M-Bus frames with pymbusparser: a JSON array of hex texts a line in, a JSON array of what it found a line out.

A frame is null if the peer refuses it, else an array of [number as text or null, unit, storage, tariff, subunit] for
each record. The argument is the key of encrypted frames, in hex.
"""

import json
import sys

import pymbusparser

KEY = {"key": sys.argv[1]} if sys.argv[1:] else {}


def values(text: str) -> list[list[object]] | None:
    try:
        found = pymbusparser.parse(text, **KEY)
    except pymbusparser.MbusParserError:
        return None
    return [record(one) for one in found.get("records") or ()]


def record(one: dict[str, object]) -> list[object]:
    value = one.get("value") or {}
    number = value.get("value") if value.get("kind") in ("decimal", "integer", "number") else None
    places = [one.get(key) or 0 for key in ("storage_number", "tariff", "subunit")]
    return [None if number is None else str(number), one.get("unit") or "", *places]


for line in sys.stdin:
    print(json.dumps([values(text) for text in json.loads(line)]), flush=True)
