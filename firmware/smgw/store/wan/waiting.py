"""Settled rows and states that wait in memory while the disk is full. They are written when there is space."""

import sqlite3
from collections.abc import Iterable, Sequence

from smgw.store.file.pending import writable
from smgw.store.wan.records import SET_ASIDE, ChannelState, Cursor, SetAside

_Key = tuple[str, str, str, bytes]  # EMP, store id, meter, device

INSERT_SET_ASIDE = f"INSERT OR REPLACE INTO set_aside ({SET_ASIDE}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
ADVANCE = """INSERT INTO cursor VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
    SET position = max(position, excluded.position), acknowledged = acknowledged + excluded.acknowledged"""
# A state without a last acknowledgement comes from a process that has seen none yet. The one before stays.
_CHANNEL = """INSERT INTO channel VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
    SET state = excluded.state, since_us = excluded.since_us, detail = excluded.detail,
    retry_at_us = excluded.retry_at_us, last_ack_us = coalesce(excluded.last_ack_us, last_ack_us)"""
_LAST_ACK = "UPDATE channel SET last_ack_us = ? WHERE emp = ?"


class Waiting:
    """Cursors, quarantined rows, states of channels. A crash loses all of it together: the rows are delivered again."""

    def __init__(self) -> None:
        self._cursors: dict[_Key, tuple[int, int]] = {}
        self._aside: dict[tuple[str, str, int], SetAside] = {}
        self._channels: dict[str, ChannelState] = {}
        self._acks: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._cursors or self._aside or self._channels)

    def acknowledge(
        self, key: _Key, position: int, acknowledged: int, set_aside: Sequence[SetAside], at_us: int
    ) -> None:
        """Settle rows up to `position`; see WanStore.acknowledge."""
        if acknowledged:
            self._acks[key[0]] = at_us
        reached, taken = self._cursors.get(key, (0, 0))
        self._cursors[key] = max(reached, position), taken + acknowledged
        for row in set_aside:
            self._aside[(row.emp, row.store_id, row.position)] = writable(row)

    def channel(self, state: ChannelState) -> None:
        """Hold the newest state of the delivery to an EMP."""
        self._channels[state.emp] = writable(state)

    def added_to(self, cursors: Iterable[Cursor], emp: str) -> list[Cursor]:
        """The cursors of an EMP, including those that are not written yet."""
        found = {row[:4]: row for row in cursors}
        for key, (position, acknowledged) in self._cursors.items():
            if key[0] == emp:
                written = found.get(key, Cursor(*key, 0, 0))
                found[key] = Cursor(*key, max(written.position, position), written.acknowledged + acknowledged)
        return list(found.values())

    def write(self, connection: sqlite3.Connection) -> None:
        """Write all inside the caller's transaction; `clear` comes after its commit."""
        connection.executemany(ADVANCE, [(*key, *reached) for key, reached in self._cursors.items()])
        connection.executemany(INSERT_SET_ASIDE, self._aside.values())
        connection.executemany(_CHANNEL, self._channels.values())
        connection.executemany(_LAST_ACK, [(at_us, emp) for emp, at_us in self._acks.items()])

    def clear(self) -> None:
        """Forget the data that was written."""
        self._cursors.clear()
        self._aside.clear()
        self._channels.clear()
        self._acks.clear()
