"""The faults of a log book, from entries as a test has them."""

from collections.abc import Iterable, Mapping

from smgw.store.file.log_book import LogEntry
from smgw.store.file.log_check import check


def faults(entries: Iterable[LogEntry], heads: Mapping[int, bytes] | None = None) -> list[str]:
    """What the check tells."""
    rows = [tuple(int(field) if isinstance(field, int) else field for field in entry) for entry in entries]
    return [fault.text for fault in check(rows, heads).faults]
