"""What other processes read of wan.db: the LMN process the time samples, `smgw status` all of it."""

from pathlib import Path
from typing import Self

from smgw.clock.sample import TimeSample
from smgw.store import paths
from smgw.store.schema import wan_schema
from smgw.store.view import View
from smgw.store.wan_records import ChannelKind, ChannelState, Cursor


class WanView(View):
    """Cursors, channels, time samples. Opening needs no right to write."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory / paths.WAN, wan_schema())

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open wan.db in the state directory; StoreAbsent, StoreDamaged, StoreTooNew."""
        return cls(directory)

    def cursors(self) -> list[Cursor]:
        """How far every EMP is, by store and meter."""
        return [Cursor(*row) for row in self._rows("SELECT emp, store_id, meter, position, acknowledged FROM cursor")]

    def acknowledged(self, emp: str) -> int:
        """Rows this EMP acknowledged, in total."""
        return int(self._rows("SELECT coalesce(sum(acknowledged), 0) FROM cursor WHERE emp = ?", emp)[0][0])

    def channels(self) -> list[ChannelState]:
        """How the delivery to every EMP fares."""
        rows = self._rows("SELECT * FROM channel ORDER BY emp")
        return [ChannelState(emp, ChannelKind(state), *rest) for emp, state, *rest in rows]

    def set_aside_counts(self) -> dict[str, int]:
        """EMP -> rows it refused for good; those ordered again count until they have arrived."""
        return dict(self._rows("SELECT emp, count(*) FROM set_aside GROUP BY emp"))

    def time_samples(self, after: int) -> list[tuple[int, TimeSample]]:
        """Samples numbered above `after`, oldest first. A new `store_id` starts the numbers again."""
        rows = self._rows(
            """SELECT id, boot_id, boottime_ns, offset_us, dispersion_us, source FROM time_sample
            WHERE id > ? ORDER BY id""",
            after,
        )
        return [(number, TimeSample(*rest)) for number, *rest in rows]
