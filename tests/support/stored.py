"""What tests ask of a store: record numbers for outcomes, and rows of a load profile with the range that they cover."""

from collections.abc import Sequence
from pathlib import Path

from smgw.metering.history import HistoryKeeper
from smgw.metering.registrar import Clock, Registrar
from smgw.store.lmn.store import LmnStore
from smgw.store.ranges import Range
from smgw.store.records import CounterKind, Covered, Origin, Outcome, ProfileName, Record


def numbers(outcomes: Sequence[Outcome]) -> list[int | None]:
    """The record numbers; None stands for what was not written."""
    return [outcome.number for outcome in outcomes]


def append(store: LmnStore, records: Sequence[Record]) -> list[int | None]:
    """Append records; their numbers."""
    return numbers(store.append(records))


def finish_salvage(store: LmnStore) -> LmnStore:
    """Copy all that a damaged file still has."""
    while store.salvage_step() is not None:
        pass
    return store


def opened(directory: Path) -> LmnStore:
    """The store; if its file was damaged, all of it is copied."""
    return finish_salvage(LmnStore.open(directory, ballast_bytes=0))


def keep(store: LmnStore, name: ProfileName, records: Sequence[Record], covered: Range) -> list[int | None]:
    """Append records as rows of a load profile; their numbers."""
    rows = [record._replace(origin=Origin.HISTORY, profile=name.profile) for record in records]
    return numbers(store.append(rows, Covered(name, covered)))


def reserve(store: LmnStore, meter: str, client: int, key_id: str, least: int, amount: int) -> int:
    """Reserve invocation counters of a key; the first."""
    return store.reserve(CounterKind.INVOCATION, key_id, f"{meter} {client}", least, amount)


def keeper(store: LmnStore, clock: Clock, kind: type[HistoryKeeper] = HistoryKeeper) -> HistoryKeeper:
    """Keeps load profiles in the thread that calls it."""
    registrar = Registrar(store, clock, {})
    return kind(registrar, store, registrar.drain)
