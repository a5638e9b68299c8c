"""How many handshakes of TLS there were with each EMP: noted in a log book of its own, for `smgw status`."""

from typing import TYPE_CHECKING, NamedTuple

from smgw.cosem.reading import Stamp
from smgw.store.file.log_book import Level
from smgw.store.file.view import View

if TYPE_CHECKING:
    from smgw.store.file.writer import StoreWriter

BOOK = "tls"
EVENT = "tls-handshakes"
_LOOKED_AT = 100  # entries; with more EMPs than this some show nothing


class Counted(NamedTuple):
    """Handshakes since the WAN process started."""

    full: int
    resumed: int
    refused: int


def note_handshakes(store: "StoreWriter", emp: str, made: tuple[int, int, int], stamp: Stamp) -> None:
    """Note how many there were until now."""
    full, resumed, refused = made
    store.log(EVENT, Level.INFO, f"{emp}: {full} full, {resumed} resumed, {refused} refused", stamp, book=BOOK)


def handshakes(view: View) -> dict[str, Counted]:
    """The newest counts by EMP."""
    found: dict[str, Counted] = {}
    for entry in view.log_entries(_LOOKED_AT, BOOK):
        emp, _, counts = entry.subject.partition(": ")
        numbers = [int(word) for word in counts.split() if word.isdecimal()]
        if len(numbers) == len(Counted._fields):
            found[emp] = Counted(*numbers)
    return found
