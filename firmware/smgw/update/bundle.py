"""What a bundle says about itself, and whether this gateway may install it.

The manifest, which is signed, says in its description which stores the program in it writes, and from which schema
version on a program can use them: "smgw stores: lmn 5 usable from 5, wan 3 usable from 3". `make bundle` writes this.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

_WORDS = "smgw stores: "
_STORE = re.compile(r"(\w+) (\d+) usable from (\d+)")


class Store(NamedTuple):
    """The schema of a store."""

    version: int
    usable_from: int  #: the lowest version whose programs can use a file of this version


class Bundle(NamedTuple):
    """The manifest of a bundle."""

    compatible: str  #: the kind of board
    version: str
    stores: Mapping[str, Store]  #: by name, lmn and wan; empty if the manifest does not say


def description(stores: Mapping[str, Store]) -> str:
    """The line of the manifest."""
    parts = [f"{name} {store.version} usable from {store.usable_from}" for name, store in sorted(stores.items())]
    return _WORDS + ", ".join(parts)


def described(compatible: str, version: str, text: str) -> Bundle:
    """The bundle of a manifest with this description."""
    found = _STORE.findall(text.removeprefix(_WORDS)) if text.startswith(_WORDS) else []
    return Bundle(compatible, version, {name: Store(int(now), int(since)) for name, now, since in found})


def objections(bundle: Bundle, compatible: str, program: Mapping[str, Store], card: Mapping[str, Store]) -> list[str]:
    """Why the bundle must not be installed; empty if it may.

    `program` has the stores that the running program knows, `card` those that are there now.
    """
    if bundle.compatible != compatible:
        return [f"it is for {bundle.compatible!r}, and this gateway is {compatible!r}"]
    if not bundle.stores:
        return ["its manifest does not say which stores it can use; make it with `make bundle`"]
    found = []
    for name in sorted({*program, *card}):
        if (theirs := bundle.stores.get(name)) is None:
            found.append(f"its program knows no {name}.db")
            continue
        here = card.get(name)
        if here is not None and here.usable_from > theirs.version:
            found.append(
                f"its program knows {name}.db up to schema version {theirs.version}, and the file on this card needs "
                f"{here.usable_from}; install a newer bundle"
            )
        ours = program.get(name)
        if ours is not None and theirs.usable_from > ours.version:
            found.append(
                f"there would be no way back: it writes {name}.db of schema version {theirs.version}, which the "
                f"running program (version {ours.version}) could not use; install a release between the two first"
            )
    return found
