"""Which sources of time give none, and why: the WAN process notes each change, and `smgw status` shows the newest.

The notes are entries of a log book of their own, so they are there however much else is logged.
"""

from collections.abc import Collection
from typing import TYPE_CHECKING

from smgw.cosem.reading import Stamp
from smgw.store.file.log_book import Level
from smgw.store.file.view import View

if TYPE_CHECKING:
    from smgw.store.file.writer import StoreWriter

BOOK = "time"
_ANSWERS, _REFUSED = "time-server-answers", "time-server-refused"
#: Entries that are looked at. A source that changed before these, while others changed so often, is not shown.
_LOOKED_AT = 200


def note_server(store: "StoreWriter", name: str, gives: bool, text: str, stamp: Stamp) -> None:
    """From now on this source gives the time, or gives none for the reason in `text`."""
    level = Level.INFO if gives else Level.WARNING
    store.log(_ANSWERS if gives else _REFUSED, level, f"{name}: {text}", stamp, outcome=gives, book=BOOK)


def refusals(view: View, names: Collection[str]) -> dict[str, str]:
    """Name of a source -> why it gives no time, for those of these sources that were last heard so."""
    newest = {}
    for entry in view.log_entries(_LOOKED_AT, BOOK):
        name, _, text = entry.subject.partition(": ")
        newest[name] = text if entry.event == _REFUSED else ""
    return {name: newest[name] for name in names if newest.get(name)}
