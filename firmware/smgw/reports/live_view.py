"""The content of `smgw watch`: live values, states of meters and faults, as rows and sentences."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from smgw.clock.text import utc_text
from smgw.cosem import ClockState
from smgw.cosem.duration import period_text
from smgw.cosem.printable import printable
from smgw.profiles.meter import MeterProfile
from smgw.reports.readings import meter_time_text, text_of
from smgw.store import paths
from smgw.store.errors import StoreError
from smgw.store.file.access import refuse_blindness
from smgw.store.file.lock import owner_running
from smgw.store.live_reader import Live, read_live
from smgw.store.lmn.view import LmnView
from smgw.store.records import MeterState

HEAD = ("meter", "register", "value", "meter time", "capture time")
VALUE = 2
#: Columns aligned to the right.
RIGHT = frozenset({VALUE, 3})


class LiveView(NamedTuple):
    """A snapshot of the gateway."""

    running: bool
    synchronised: bool
    lives: Sequence[Live]
    states: Sequence[MeterState]


def look(state: Path, meters: Sequence[MeterProfile]) -> LiveView:
    """Live values and states of these meters. StoreError if this user may not read them."""
    names = {meter.name for meter in meters}
    lmn_file = paths.lmn_directory(state) / paths.LMN
    refuse_blindness(lmn_file)
    lives = [live for live in read_live(paths.live_directory(state)) if live.capture.meter in names]
    states: list[MeterState] = []
    synchronised = False
    try:
        with LmnView.open(lmn_file.parent) as view:
            states = [found for found in view.meter_states() if found.meter in names]
            saved = view.clock()
            synchronised = saved is not None and saved.state is ClockState.SYNCHRONISED
    except StoreError:
        pass  # it is being made or repaired; the state of the process is enough
    return LiveView(owner_running(paths.lock_of(lmn_file)), synchronised, lives, states)


#: Meter, device in hex, register, and its place among equal ones in the telegram.
Key = tuple[str, str, str, int]


class Row(NamedTuple):
    """One reading."""

    key: Key
    cells: tuple[str, ...]

    @property
    def value(self) -> str:
        """The value with its unit."""
        return self.cells[VALUE]


def rows_of(lives: Sequence[Live]) -> Iterator[Row]:
    """One row for each reading; with several devices, each row names its device. No character moves the cursor."""
    for live in lives:
        capture = live.capture
        several = sum(one.capture.meter == capture.meter for one in lives) > 1
        name = f"{capture.meter} {capture.device}" if several else capture.meter
        time = utc_text(capture.stamp.utc_us, valid=capture.stamp.state is ClockState.SYNCHRONISED)
        meter_time = meter_time_text(capture.meter_time)
        places: Counter[str] = Counter()
        for reading in capture.readings:
            register = str(reading.obis).removesuffix("*255")
            places[register] += 1
            cells = (name, register, text_of(reading), meter_time, time)
            key = (capture.meter, capture.device.hex(), register, places[register])
            yield Row(key, tuple(map(printable, cells)))


def remarks(view: LiveView, meters: Iterable[MeterProfile]) -> list[str]:
    """Notes besides the values: no process, no value yet, a meter with a fault."""
    return list(map(printable, _remarks(view, meters)))


def _remarks(view: LiveView, meters: Iterable[MeterProfile]) -> Iterator[str]:
    if not view.running:
        yield "the LMN process does not run, no value is renewed; start it: sudo systemctl start smgw-lmn, or smgw run"
    elif not view.synchronised:
        yield "time not synchronised: capture times are marked (?)"
    for meter in meters:
        has_value = any(live.capture.meter == meter.name for live in view.lives)
        states = [state for state in view.states if state.meter == meter.name]
        for state in states:
            which = f"meter {meter.name}, device {state.device}" if len(states) > 1 else f"meter {meter.name}"
            if view.running and (not has_value or state.state != "reading"):
                yield f"{which}: {state.state} since {utc_text(state.since_us)}: {state.note}"
            if view.running and state.remark:
                yield f"{which}: {state.remark}"
        if view.running and not has_value:
            yield f"meter {meter.name}: no value yet; its first telegram is shown at once, and {_stored(meter)}"


def _stored(meter: MeterProfile) -> str:
    period = meter.registration_period
    return f"the first value is stored within {period_text(period)}" if period else "every telegram is stored"
