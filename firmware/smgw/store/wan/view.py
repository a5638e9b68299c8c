"""Read-only access to wan.db: the LMN process reads the time samples, `smgw status` reads all."""

from pathlib import Path
from typing import Self

from smgw.clock.sample import TimeSample
from smgw.store import paths
from smgw.store.file.checked import within
from smgw.store.file.log_head import LOG_HEADS, Head
from smgw.store.file.view import View
from smgw.store.wan import signatures
from smgw.store.wan.records import ORDERED, SET_ASIDE, ChannelKind, ChannelState, Cursor, SetAside
from smgw.store.wan.schema import wan_schema
from smgw.store.wan.signatures import SignedRow, StoredSignature

_MOST = 2**63 - 1
#: The end of the year 9999.
_END_OF_TIME_US = 253_402_300_800_000_000


class WanView(View):
    """Cursors, channels, time samples. Opening needs no right to write."""

    _oldest = 4

    def __init__(self, path: Path) -> None:
        super().__init__(path, wan_schema())

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open wan.db in the state directory; StoreAbsent, StoreDamaged, StoreTooNew, StoreTooOld."""
        return cls(directory / paths.WAN)

    def cursors(self) -> list[Cursor]:
        """The cursors of every EMP, by store, meter and device."""
        rows = self._typed("tttoii", "SELECT emp, store_id, meter, device, position, acknowledged FROM cursor")
        with self._trusting_nothing():
            for row in rows:
                within(min(row[4:]), 0, max(row[4:]))
        return [Cursor(*row) for row in rows]

    def channels(self) -> list[ChannelState]:
        """The state of the delivery to every EMP."""
        query = "SELECT emp, state, since_us, detail, retry_at_us, last_ack_us FROM channel ORDER BY emp"
        rows = self._typed("ttitII", query)
        with self._trusting_nothing():
            return [ChannelState(emp, ChannelKind(state), *rest) for emp, state, *rest in rows]

    def set_aside_counts(self) -> dict[str, int]:
        """EMP -> number of quarantined rows. Requeued rows count until they have arrived."""
        return dict(self._typed("ti", "SELECT emp, count(*) FROM set_aside GROUP BY emp"))

    def ordered_counts(self) -> dict[str, int]:
        """EMP -> number of those rows that a person ordered and no EMP refused."""
        query = "SELECT emp, count(*) FROM set_aside WHERE requeued AND reason = ? GROUP BY emp"
        return dict(self._typed("ti", query, ORDERED))

    def set_aside(self, emp: str) -> list[SetAside]:
        """Quarantined rows of an EMP, requeued ones too, by store and position."""
        query = f"SELECT {SET_ASIDE} FROM set_aside WHERE emp = ? ORDER BY store_id, position"  # noqa: S608 - constant
        return [SetAside(*row) for row in self._typed("tttoititi", query, emp)]

    def value_signatures(self, row: SignedRow) -> list[StoredSignature]:
        """The signatures of a row's values that were made."""
        return signatures.read(self._typed("ooo", signatures.QUERY, *signatures.parameters(row)))

    def log_heads(self) -> list[Head]:
        """All signed heads of log books, by file, book and number."""
        rows = self._typed("ttioioo", LOG_HEADS)
        return [Head(*row) for row in rows]

    def time_samples(self, after: int) -> list[tuple[int, TimeSample]]:
        """At most 4096 samples numbered above `after`, oldest first. A new `store_id` starts the numbers again."""
        rows = self._typed(
            "itiiit",
            """SELECT id, boot_id, boottime_ns, offset_us, dispersion_us, source FROM time_sample
            WHERE id > ? ORDER BY id LIMIT 4096""",
            after,
        )
        with self._trusting_nothing():
            return [(within(number, 1, _MOST), _sample(TimeSample(*rest))) for number, *rest in rows]


def _sample(sample: TimeSample) -> TimeSample:
    within(sample.boottime_ns, 0, _MOST)
    within(sample.dispersion_us, 0, _MOST)
    within(sample.offset_us + sample.boottime_ns // 1000, 0, _END_OF_TIME_US)
    return sample
