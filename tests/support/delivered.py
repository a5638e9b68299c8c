"""How far an EMP is, as the stores say it."""

from captures_made import HOUSE
from smgw.store.progress import Progress
from smgw.store.records import Source
from smgw.store.wan.store import WanStore
from smgw.store.wan.view import WanView


def reached(store: WanStore, who: str, store_id: str, source: Source = HOUSE) -> int:
    """The position up to which the EMP has the rows of a source."""
    return Progress((), store.cursors(who), store_id).position(who, source)


def acknowledged(view: WanView, who: str) -> int:
    """Rows that the EMP acknowledged, in total."""
    return sum(cursor.acknowledged for cursor in view.cursors() if cursor.emp == who)
