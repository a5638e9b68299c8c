"""What `read`, `dump` and `scan` show of a port that the running gateway holds."""

import json
import sys
from pathlib import Path

from smgw.clock.text import utc_text
from smgw.cosem import ClockState
from smgw.cosem.printable import printable
from smgw.reports.held_port import held_by_gateway
from smgw.reports.readings import live_object, text_of
from smgw.store.live_reader import Live


def show_live_instead(url: str, state: Path, *, meter: str | None = None, as_json: bool = False) -> bool:
    """Print the live values of this port, of one meter or of all behind it. False if the gateway does not hold it."""
    held = held_by_gateway(url, state, meter)
    if held is None:
        return False
    print(f"{url}: {held.holder} reads it; this is its newest value (smgw watch shows the next ones)", file=sys.stderr)
    for live in held.lives:
        print(json.dumps(live_object(live)) if as_json else "\n".join(_lines(live)), flush=True)
    return True


def _lines(live: Live) -> list[str]:
    capture = live.capture
    time = utc_text(capture.stamp.utc_us, "milliseconds", valid=capture.stamp.state is ClockState.SYNCHRONISED)
    lines = [printable(f"meter {capture.meter}, device {capture.device}, live value of {time}")]
    return lines + [f"  {reading.obis!s:<18} {text_of(reading):>24}" for reading in capture.readings]
