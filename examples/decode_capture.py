"""Decode a capture of an SML meter: print each value with its unit.

    python examples/decode_capture.py capture.bin

The protocol code takes octets and gives events. Where the octets come from is up to this program.
"""

import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from smgw.cosem.units import symbol
from smgw.sml.readings import readings
from smgw.sml.telegram import Telegram, TelegramReader
from smgw.wire import Refused

PIECE = 64  # octets; a serial port gives pieces of any size


class Line(NamedTuple):
    """One value to print."""

    meter: str
    obis: str
    value: str


def decode(octets: bytes) -> Iterator[Line | Refused]:
    """Each value of each intact telegram, and each rejected piece with its reason."""
    reader = TelegramReader()
    for start in range(0, len(octets), PIECE):
        for event in reader.receive(octets[start : start + PIECE]):
            yield from lines(event)
    for event in reader.finish():
        yield from lines(event)


def lines(event: Telegram | Refused) -> Iterator[Line | Refused]:
    """The lines of one telegram."""
    if isinstance(event, Refused):
        yield event
        return
    for values in event.lists:
        for reading in readings(values.server_id, values.entries):
            if isinstance(reading.value.value, int):
                scaled = Decimal(reading.value.value).scaleb(reading.scaler)
                text = f"{scaled:f} {symbol(reading.unit)}".strip()
                yield Line(values.server_id.hex(), str(reading.obis), text)


def main(arguments: list[str]) -> int:
    """Exit code 0 if a telegram was read, 1 if none was, 2 for a wrong command line."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    found = False
    for line in decode(Path(arguments[0]).read_bytes()):
        if isinstance(line, Refused):
            print(f"rejected {line.octets} octets: {line.reason}", file=sys.stderr)
        else:
            print(f"{line.meter}  {line.obis:<16} {line.value}")
            found = True
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
