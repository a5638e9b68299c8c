"""Which configuration a process runs: each notes it in its database, and `smgw status` compares it with the file.

The note is an entry of a log book of its own, so it is there however much else is logged. It has a short digest of each
profile's content: those that differ can be named.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from smgw.cosem.reading import Stamp
from smgw.profiles.gateway import Configuration
from smgw.store.digest import sha256
from smgw.store.file import log_books
from smgw.store.file.log_book import Level, Note
from smgw.store.file.view import View

if TYPE_CHECKING:
    from smgw.store.file.writer import StoreWriter

BOOK = "configuration"
EVENT = "configuration-running"
_DIGITS = 8


def note_running(store: "StoreWriter", configuration: Configuration, stamp: Stamp, kinds: Collection[str] = ()) -> None:
    """From now on the owner of this store works by this configuration.

    Of these kinds of profiles ("gateway", "meter", "EMP") the log books tell which ones are new, changed, or gone.
    """
    wanted = dict(_digests(configuration))
    before = store.newest_entry(BOOK)
    running = {} if before is None else _read(before.subject)
    notes = [
        note
        for name in {**running, **wanted}
        if name.partition(" ")[0] in kinds and running.get(name) != wanted.get(name)
        for note in _change(name, running, wanted, configuration, stamp)
    ]
    subject = ", ".join(f"{name} {digest}" for name, digest in wanted.items())
    store.write_notes([*notes, Note(BOOK, EVENT, Level.INFO, True, subject, stamp)])


def _change(
    name: str, running: Mapping[str, str], wanted: Mapping[str, str], configuration: Configuration, stamp: Stamp
) -> list[Note]:
    event = "profile-changed" if name in running else "profile-installed"
    version = f", version {wanted[name]}" if name in wanted else ""
    _, _, identity = name.partition(" ")
    return log_books.notes(
        event if name in wanted else "profile-ended",
        Level.INFO,
        f"profile of {name}{version}",
        stamp,
        identity=identity or name,
        consumers=configuration.consumers.get(identity, ()),
    )


def _read(subject: str) -> dict[str, str]:
    return dict(one.rpartition(" ")[::2] for one in subject.split(", "))


def differences(view: View, configuration: Configuration) -> list[str]:
    """What the owner of this store does not run as the configuration says: "meter house", "EMP lab"."""
    noted = view.log_entries(1, BOOK)
    if not noted:  # of an older program
        return []
    running = _read(noted[-1].subject)
    wanted = dict(_digests(configuration))
    return [name for name in {**wanted, **running} if wanted.get(name) != running.get(name)]


def _digests(configuration: Configuration) -> Iterator[tuple[str, str]]:
    gateway = [("gateway", configuration.gateway.content())]
    meters = [(f"meter {meter.name}", meter.content()) for meter in configuration.meters]
    emps = [(f"EMP {emp.name}", emp.content()) for emp in configuration.emps]
    evaluations = [(f"evaluation {one.name}", one.content()) for one in configuration.evaluations]
    for name, content in (*gateway, *meters, *emps, *evaluations):
        yield name, sha256(content.encode()).hex()[:_DIGITS]
