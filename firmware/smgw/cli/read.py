"""`smgw read`: each meter once, now."""

import argparse
import contextlib
import json
import queue
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from smgw.clock import GatewayClock
from smgw.cosem import Capture, DeviceId, MeterTimeKind
from smgw.errors import SmgwError
from smgw.lmn.make import make_reader
from smgw.profiles.gateway import Configuration
from smgw.profiles.meter import MeterProfile, Protocol
from smgw.profiles.secrets import Secrets
from smgw.profiles.toml_importer import load
from smgw.reports.health import capture_object, text_of
from smgw.services.process import set_up_logging
from smgw.store import paths
from smgw.store.errors import StoreError
from smgw.store.lmn import LmnStore
from smgw.store.records import CacheKind, Condition, MeterState

_EPILOG = """\
Reads with the profiles of the configuration and stores nothing, but for the counters of ciphered meters.
A port that the running gateway holds cannot be read at the same time.
Exit code 0 if every meter answered, 1 if one did not.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which meters."""
    parser.add_argument("meters", nargs="*", metavar="METER", help="names of meters (default: all)")
    parser.add_argument("--json", action="store_true", help="one JSON object a meter, a line each")
    parser.add_argument(
        "--seconds", type=float, default=15.0, metavar="S", help="how long to wait (default %(default)s)"
    )
    parser.set_defaults(log_level="error")
    parser.epilog = _EPILOG


class _Inbox:
    """A reader's sink that keeps the first capture and the latest trouble."""

    def __init__(self) -> None:
        self.captures: queue.Queue[Capture] = queue.Queue()
        self.trouble = "no telegram"
        self.advice = ""
        self.absent = threading.Event()

    def capture(self, capture: Capture) -> None:
        self.captures.put(capture)

    def state(self, state: MeterState) -> None:
        if state.state in (Condition.ABSENT, Condition.SILENT):
            self.trouble = state.note
        if state.state == Condition.ABSENT:
            self.absent.set()
        if state.state == Condition.LOCKED:
            self.advice = state.note
        elif state.state == Condition.READING:
            self.advice = state.remark

    def left(self, meter: str, device: DeviceId) -> None:
        """Nothing is registered."""

    def cache(self, kind: CacheKind, device: DeviceId, firmware: bytes, octets: bytes) -> None:
        """Asked anew the next time."""


def run(arguments: argparse.Namespace) -> int:
    """Read and print."""
    set_up_logging(arguments.log_level)
    configuration = load(arguments.config)
    names = {meter.name for meter in configuration.meters}
    for name in arguments.meters:
        if name not in names:
            raise SmgwError(f"{arguments.config} has no meter {name!r}; it has {', '.join(sorted(names)) or 'none'}")
    asked = [meter for meter in configuration.meters if not arguments.meters or meter.name in arguments.meters]
    failed = 0
    with _counters(arguments.state, asked) as counters:
        for meter in asked:
            found: tuple[Capture, str] | str
            if isinstance(counters, str) and _ciphered(meter):
                found = f"ciphered, and its counters are kept in the state directory: {counters}"
            else:
                store = None if isinstance(counters, str) else counters
                found = _read(configuration, meter, arguments.seconds, store)
            if isinstance(found, str):
                failed += 1
                print(f"meter {meter.name}: {found}", file=sys.stderr)
            else:
                capture, advice = found
                print(json.dumps(_object(capture, advice)) if arguments.json else "\n".join(_lines(capture, advice)))
    return 1 if failed or not asked else 0


@contextlib.contextmanager
def _counters(state: Path, meters: Sequence[MeterProfile]) -> Iterator[LmnStore | str | None]:
    """Where the counters of ciphered meters are kept; None if no such meter is asked, else why not."""
    with contextlib.ExitStack() as stack:
        store: LmnStore | str | None = None
        if any(map(_ciphered, meters)):
            if not state.is_dir():
                store = f"there is no {state}; name the gateway's with --state, or make one for good: mkdir -p {state}"
            else:
                try:
                    store = stack.enter_context(LmnStore.open(paths.lmn_directory(state)))
                except StoreError as error:
                    store = str(error)
        yield store


def _ciphered(meter: MeterProfile) -> bool:
    return meter.protocol is Protocol.DLMS and meter.dlms.ciphered


def _read(
    configuration: Configuration, meter: MeterProfile, seconds: float, counters: LmnStore | None
) -> tuple[Capture, str] | str:
    """One capture and advice about it, or why there is none."""
    inbox = _Inbox()
    clock = GatewayClock()
    reader = make_reader(meter, clock, inbox, Secrets.read(meter, configuration.directory), counters=counters)
    thread = threading.Thread(target=reader.run, daemon=True)
    thread.start()
    ends = time.monotonic() + seconds
    try:
        while time.monotonic() < ends and not inbox.absent.is_set():
            try:
                capture = inbox.captures.get(timeout=0.2)
            except queue.Empty:
                continue
            time.sleep(0.05)  # advice comes right behind the capture
            return capture, inbox.advice
    finally:
        reader.stop()
        thread.join(2.0)
    refused = reader.watch.last_refusal
    return f"{inbox.trouble} within {seconds:g} s" + (f"; last refused: {refused}" if refused else "")


def _lines(capture: Capture, advice: str) -> list[str]:
    lines = [f"meter {capture.meter}, device {_device(capture)}{_time(capture)}"]
    lines += [f"  {reading.obis!s:<18} {text_of(reading):>24}" for reading in capture.readings]
    return lines + ([f"  note: {advice}"] if advice else [])


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
        from smgw.dlms.date_time import DateTime  # only for a meter that tells such a time

        return f", meter time {DateTime.read(time.octets)}"
    return f", meter time {time.seconds} s"


def _object(capture: Capture, advice: str) -> dict[str, Any]:
    return {**capture_object(capture), "note": advice or None}
