"""`smgw read`: read each meter once, now."""

import argparse
import contextlib
import json
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from smgw.cli.held_port import show_live_instead
from smgw.cli.numbers import seconds
from smgw.clock import GatewayClock
from smgw.cosem import Capture, MeterTimeKind
from smgw.cosem.printable import printable
from smgw.errors import SmgwError
from smgw.lmn.contract import Surroundings, Values
from smgw.lmn.read_once import read_once
from smgw.ports import Wake
from smgw.profiles.gateway import Configuration
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import read_secrets
from smgw.profiles.toml_importer import load
from smgw.reports.readings import capture_object, text_of
from smgw.services.process import set_up_logging
from smgw.store import paths
from smgw.store.errors import StoreError
from smgw.store.lmn.store import LmnStore

_EPILOG = """\
Reads with the profiles of the configuration. Stores nothing except the counters of ciphered meters.
All lines are read at the same time; the meters of one line are read one after the other.
If the running gateway holds a port, the live value is shown.
Exit code 0 if every meter answered, 1 if one did not.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which meters."""
    parser.add_argument("meters", nargs="*", metavar="METER", help="names of meters (default: all)")
    parser.add_argument("--json", action="store_true", help="one JSON object for each meter, on a line of its own")
    parser.add_argument(
        "--seconds", type=seconds, default=15.0, metavar="S", help="how long to wait (default %(default)s)"
    )
    parser.add_argument(
        "--unauthenticated",
        action="store_true",
        help="read pushes whose authentication key is not known, without checking their tag",
    )
    parser.set_defaults(log_level="error")
    parser.epilog = _EPILOG


def run(arguments: argparse.Namespace) -> int:
    """Read and print."""
    set_up_logging(arguments.log_level)
    configuration = load(arguments.config)
    names = {meter.name for meter in configuration.meters}
    for name in arguments.meters:
        if name not in names:
            raise SmgwError(f"{arguments.config} has no meter {name!r}; it has {', '.join(sorted(names)) or 'none'}")
    asked = [meter for meter in configuration.meters if not arguments.meters or meter.name in arguments.meters]
    if arguments.unauthenticated:
        asked = list(map(_unauthenticated, asked))
    failed = 0
    with _counters(arguments.state, asked) as counters:
        trust = paths.trust_directory(arguments.state)
        reading = _read_lines(configuration, asked, arguments.seconds, counters, trust)
        for meter in asked:
            try:
                found = reading[meter.name].result()
            except SmgwError as error:
                if show_live_instead(meter.port, arguments.state, meter=meter.name, as_json=arguments.json):
                    continue
                failed += 1
                print(printable(f"meter {meter.name}: {error}"), file=sys.stderr)
                continue
            for values in found:
                capture = Capture(meter.name, *values[:4], flags=values.flags)
                note = "; ".join(filter(None, (values.advice, values.remark)))
                print(json.dumps(_object(capture, note)) if arguments.json else "\n".join(_lines(capture, note)))
    return 1 if failed or not asked else 0


def _unauthenticated(meter: MeterProfile) -> MeterProfile:
    """The same profile with authentication_key = "none", if its protocol has that key and no other key is named."""
    section = meter.entry.section
    if section is None or "authentication_key" not in section.keys or meter.options.authentication_key_file:
        return meter
    return meter._replace(options=meter.options._replace(authentication_key="none"))


@contextlib.contextmanager
def _counters(state: Path, meters: Sequence[MeterProfile]) -> Iterator[LmnStore | str | None]:
    """Where the counters of ciphered meters are kept; None if no such meter is asked, else why not."""
    with contextlib.ExitStack() as stack:
        store: LmnStore | str | None = None
        if any(meter.needs_counters for meter in meters):
            if not state.is_dir():
                store = f"there is no {state}; name the gateway's with --state, or make one for good: mkdir -p {state}"
            else:
                try:
                    store = stack.enter_context(LmnStore.open(paths.lmn_directory(state)))
                except StoreError as error:
                    store = str(error)
        yield store


def _read_lines(
    configuration: Configuration,
    asked: Sequence[MeterProfile],
    seconds: float,
    counters: LmnStore | str | None,
    trust: Path,
) -> dict[str, "Future[list[Values]]"]:
    """Read all lines at the same time, and the meters of one line one after the other; returns meter -> values."""
    found: dict[str, Future[list[Values]]] = {meter.name: Future() for meter in asked}
    profiles = {meter.name: meter for meter in asked}

    def read(names: Sequence[str]) -> None:
        for name in names:
            try:
                found[name].set_result(_read(configuration, profiles[name], seconds, counters, trust))
            except BaseException as error:  # raised in the main thread
                found[name].set_exception(error)

    for line in configuration.lines:
        names = [meter.name for meter in line.meters if meter.name in found]
        threading.Thread(target=read, args=(names,), daemon=True).start()
    return found


def _read(
    configuration: Configuration, meter: MeterProfile, seconds: float, counters: LmnStore | str | None, trust: Path
) -> list[Values]:
    """The values of the meter within this time. Raises SmgwError with the reason if there are none."""
    if isinstance(counters, str) and meter.needs_counters:
        raise SmgwError(f"ciphered, and its counters are reserved in the state directory: {counters}")
    with Wake() as wake:
        surroundings = Surroundings(
            GatewayClock(),
            counters=None if isinstance(counters, str) else counters,
            stopping=wake.is_set,
            trust=trust,
        )
        ends = threading.Timer(seconds, wake.set)
        ends.daemon = True
        ends.start()
        try:
            return read_once(meter, read_secrets(meter, configuration.directory), surroundings, wake, seconds)
        finally:
            ends.cancel()


def _lines(capture: Capture, advice: str) -> list[str]:
    lines = [printable(f"meter {capture.meter}, device {_device(capture)}{_time(capture)}")]
    lines += [f"  {reading.obis!s:<18} {text_of(reading):>24}" for reading in capture.readings]
    return lines + ([printable(f"  note: {advice}")] if advice else [])


def _device(capture: Capture) -> str:
    """As people read it: half of the real ids are text."""
    device = capture.device
    text = device.decode("ascii", "replace")
    return f"{device} ({text})" if not device.is_din and text.isprintable() and text.isascii() else str(device)


def _time(capture: Capture) -> str:
    time = capture.meter_time
    if time is None:
        return ""
    if time.kind is MeterTimeKind.DLMS_DATE_TIME:
        from smgw.cosem.date_time import DateTime  # only for a meter that tells such a time

        return f", meter time {DateTime.read(time.octets)}"
    return f", meter time {time.seconds} s"


def _object(capture: Capture, advice: str) -> dict[str, Any]:
    return {**capture_object(capture), "note": advice or None}
