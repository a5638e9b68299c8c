"""The grids of all devices: captures in, records out. Each device behind a meter has its own grid and its own gaps."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from smgw.cosem import NULL, Capture, DeviceId, GatewayStatus, Stamp
from smgw.cosem.quality import gateway_status
from smgw.metering.grid import Grid, Slot
from smgw.store.records import DEVICES_PER_METER, Origin, Record, Source


class _Entry(NamedTuple):
    grid: Grid
    seen: Capture  # the newest one: a gap is one of its registers


class Grids:
    """`periods`: meter name -> registration period in seconds, 0 for every telegram.

    A grid is made when the first capture of its device comes. It goes on behind the target time that was registered
    last, which `last_target_us` tells.
    """

    def __init__(
        self,
        periods: Mapping[str, int],
        last_target_us: Callable[[Source], int | None],
        now: Callable[[], Stamp],
    ) -> None:
        self._periods = dict(periods)
        self._last_target_us = last_target_us
        self._now = now
        self._entries: dict[Source, _Entry] = {}
        self._asleep: dict[Source, _Entry] = {}  # of meters read anew, until the device comes again

    def configure(self, periods: Mapping[str, int], anew: Collection[str] = ()) -> None:
        """From now on these periods; a meter whose period stays the same keeps its grids.

        Grids of meters that are read `anew` sleep until their device comes again: another may be there now.
        """
        for source in [one for one in self._asleep if one.meter in anew or self._changed(one, periods)]:
            del self._asleep[source]
        for source in [one for one in self._entries if one.meter in anew or self._changed(one, periods)]:
            entry = self._entries.pop(source)
            if not self._changed(source, periods):
                self._asleep[source] = entry
        self._periods = dict(periods)

    def _changed(self, source: Source, periods: Mapping[str, int]) -> bool:
        return periods.get(source.meter) != self._periods.get(source.meter)

    def take(self, capture: Capture) -> list[Record]:
        """A capture arrived: what is to be registered of its device now. May raise StoreError, and has done nothing."""
        period = self._periods.get(capture.meter)
        if not period:
            return [Record(capture, None, gateway_status(capture))]
        source = Source(capture.meter, capture.device)
        entry = self._entries.get(source) or self._asleep.pop(source, None)
        if entry is None:
            grid, before = Grid(period, self._last_target_us(source)), capture
            self._make_room(capture.meter)
        else:
            grid, before = entry
        self._entries[source] = _Entry(grid, capture)
        return _records(grid.take(capture), before, capture.stamp)

    def overdue(self) -> list[Record]:
        """Time passed: slots whose window is over without a capture."""
        if not self._entries:
            return []
        now = self._now()
        return [record for grid, seen in self._entries.values() for record in _records(grid.tick(now), seen, now)]

    def left(self, meter: str, device: DeviceId) -> list[Record]:
        """This device is no longer behind the meter: its grid ends with the slots that are over by now."""
        entry = self._entries.pop(Source(meter, device), None)
        if entry is None:
            return []
        now = self._now()
        return _records(entry.grid.tick(now), entry.seen, now)

    def _make_room(self, meter: str) -> None:
        """Where a meter has had ever other devices, the grid goes whose device was silent for longest."""
        own = [source for source in self._entries if source.meter == meter]
        if len(own) >= DEVICES_PER_METER:
            del self._entries[min(own, key=lambda source: self._entries[source].seen.stamp.boottime_ns)]


def _records(slots: Sequence[Slot], seen: Capture, noticed: Stamp) -> list[Record]:
    """Rows of decided slots. A gap has the registers of the device's newest capture, and the stamp that decided it."""
    gap: Record | None = None
    found = []
    for target_us, capture in slots:
        if capture is not None:
            found.append(Record(capture, target_us, gateway_status(capture)))
            continue
        gap = gap or _gap(seen, noticed)
        found.append(gap._replace(target_time_us=target_us))
    return found


def _gap(seen: Capture, noticed: Stamp) -> Record:
    empty = tuple([reading._replace(value=NULL, raw=None, status=None, signature=None) for reading in seen.readings])
    missing = Capture(seen.meter, seen.device, noticed, None, empty)
    status = gateway_status(missing) | GatewayStatus.NO_VALUE_IN_WINDOW
    return Record(missing, None, status, origin=Origin.MISSING)
