"""Reads M-Bus frames with pyMeterBus: a JSON array of hex texts a line in, a JSON array of what it found a line out.

A frame is null if the peer refuses it, else an array of [value as text, unit, storage, tariff, subunit]. With the
argument "time" the answer is the mean CPU time of a frame instead, its values included.
"""

import json
import sys
import time
from decimal import Decimal

import meterbus


def values(octets: bytes) -> list[list[object]] | None:
    try:
        telegram = meterbus.load(octets)
        return [record(one) for one in telegram.records]
    except Exception:
        return None


def record(one: object) -> list[object]:
    storage, tariff, subunit = one.dib.parse_dife()
    try:
        value = one.parsed_value
        text, unit = str(value) if isinstance(value, int | float | Decimal) else None, str(one.unit)
    except Exception:
        text, unit = None, ""
    return [text, unit, storage or 0, tariff or 0, subunit or 0]


for line in sys.stdin:
    frames = [bytes.fromhex(text) for text in json.loads(line)]
    if sys.argv[1:] == ["time"]:
        began = time.process_time()
        for octets in frames:
            for one in meterbus.load(octets).records:
                _ = one.parsed_value
        print((time.process_time() - began) / len(frames), flush=True)
    else:
        print(json.dumps([values(octets) for octets in frames]), flush=True)
