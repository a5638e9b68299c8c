"""Which configuration a process runs: each notes it in its database, and `smgw status` compares it with the file.

The note is an entry of a log book of its own, so it is there however much else is logged. It has a short digest of each
profile's content: those that differ can be named.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smgw.cosem.reading import Stamp
from smgw.profiles.gateway import Configuration
from smgw.store.digest import sha256
from smgw.store.file.log_book import Level
from smgw.store.file.view import View

if TYPE_CHECKING:
    from smgw.store.file.writer import StoreWriter

BOOK = "configuration"
EVENT = "configuration-running"
_DIGITS = 8


def note_running(store: "StoreWriter", configuration: Configuration, stamp: Stamp) -> None:
    """From now on the owner of this store works by this configuration."""
    subject = ", ".join(f"{name} {digest}" for name, digest in _digests(configuration))
    store.log(EVENT, Level.INFO, subject, stamp, book=BOOK)


def differences(view: View, configuration: Configuration) -> list[str]:
    """What the owner of this store does not run as the configuration says: "meter house", "EMP lab"."""
    noted = view.log_entries(1, BOOK)
    if not noted:  # of an older program
        return []
    running = dict(one.rpartition(" ")[::2] for one in noted[-1].subject.split(", "))
    wanted = dict(_digests(configuration))
    return [name for name in {**wanted, **running} if wanted.get(name) != running.get(name)]


def _digests(configuration: Configuration) -> Iterator[tuple[str, str]]:
    gateway = [("gateway", configuration.gateway.content())]
    meters = [(f"meter {meter.name}", meter.content()) for meter in configuration.meters]
    emps = [(f"EMP {emp.name}", emp.content()) for emp in configuration.emps]
    for name, content in (*gateway, *meters, *emps):
        yield name, sha256(content.encode()).hex()[:_DIGITS]
