"""Files as a power cut leaves them, made from the notes of power_cut.c.

What was synced is there. Of what was written later, each sector of 512 octets is there or not, by chance. So is each
change of a file's size. Names that were made, moved or removed after the last sync of their directory are there up to a
moment by chance, in their order, as a journal keeps them. A -shm file is never there: SQLite does not sync it, and
makes it anew.
"""

import random
from collections.abc import Sequence
from pathlib import Path
from struct import Struct
from typing import NamedTuple

WRITE, TRUNCATE, SYNC, RENAME, UNLINK, SAID = range(1, 7)
SECTOR = 512
_HEAD = Struct("=6q")


class Change(NamedTuple):
    """A call of the operating system that changed a file, or a note of the writer (SAID)."""

    kind: int
    at: int
    path: str
    octets: bytes


def changes(notes: Path) -> list[Change]:
    """All, in their order."""
    found, octets, place = [], memoryview(notes.read_bytes()), 0
    while place < len(octets):
        kind, at, name, size, _, _ = _HEAD.unpack_from(octets, place)
        place += _HEAD.size
        path = bytes(octets[place : place + name]).decode()
        found.append(Change(kind, at, path, bytes(octets[place + name : place + name + size])))
        place += name + size
    return found


class _File:
    def __init__(self) -> None:
        self.synced = bytearray()
        self.later: list[Change] = []

    def sync(self) -> None:
        for change in self.later:
            _apply(self.synced, change.kind, change.at, change.octets)
        self.later = []

    def cut(self, chance: random.Random) -> bytes:
        """As it is found after the cut."""
        found, share = bytearray(self.synced), chance.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        for change in self.later:
            if change.kind == TRUNCATE:
                if chance.random() < share:
                    _apply(found, TRUNCATE, change.at, b"")
                continue
            start, end = change.at, change.at + len(change.octets)
            while start < end:
                stop = min(end, (start // SECTOR + 1) * SECTOR)
                if chance.random() < share:
                    _apply(found, WRITE, start, change.octets[start - change.at : stop - change.at])
                start = stop
        return bytes(found)


def _apply(octets: bytearray, kind: int, at: int, new: bytes) -> None:
    size = at if kind == TRUNCATE else at + len(new)
    if len(octets) < size:
        octets.extend(bytes(size - len(octets)))
    if kind == TRUNCATE:
        del octets[at:]
    else:
        octets[at:size] = new


class _Directory:
    def __init__(self) -> None:
        self._names: dict[str, _File] = {}
        self._states: list[dict[str, _File]] = [{}]  # names as of the last sync, then after each change since

    def sync(self) -> None:
        self._states = [dict(self._names)]

    def take(self, change: Change) -> None:
        name = Path(change.path).name
        if change.kind == SYNC:
            self._names[name].sync()
            return
        if change.kind in (WRITE, TRUNCATE) and name in self._names:
            self._names[name].later.append(change)
            return
        if change.kind == RENAME:
            self._names[Path(change.octets.decode()).name] = self._names.pop(name)
        elif change.kind == UNLINK:
            self._names.pop(name, None)
        else:
            self._names[name] = _File()
            self._names[name].later.append(change)
        self._states.append(dict(self._names))

    def cut(self, chance: random.Random, target: Path) -> None:
        for name, file in chance.choice(self._states).items():
            (target / name).write_bytes(file.cut(chance))


class Disk:
    """Changes go in, in their order; `cut` says what the card would hold now."""

    def __init__(self) -> None:
        self._directories: dict[str, _Directory] = {}

    def take(self, change: Change) -> None:
        """The next change."""
        if change.path in self._directories:
            self._directories[change.path].sync()
        elif not change.path.endswith("-shm"):
            self._directories.setdefault(str(Path(change.path).parent), _Directory()).take(change)

    def cut(self, chance: random.Random, under: Path, target: Path) -> None:
        """Write the files that were below `under` into `target`."""
        target.mkdir()
        for path, directory in self._directories.items():
            there = target / Path(path).relative_to(under)
            there.mkdir()
            directory.cut(chance, there)


def said(change: Change) -> Sequence[str]:
    """The words of a writer's note."""
    return change.octets.decode().split()
