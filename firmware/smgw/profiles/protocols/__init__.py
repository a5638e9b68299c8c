"""The protocols: one module each, named like the protocol (`sml_push` for "sml-push"), with its entry as PROTOCOL.

Nothing else in the product lists protocols. A new one is a new module here; another folder may be added to `__path__`.
"""

import os
from importlib import import_module

from smgw.profiles.protocol import Protocol

__all__ = ["entry", "every", "names"]

_known: dict[str, Protocol] = {}


def names() -> list[str]:
    """The names of all protocols, sorted. Imports none of them."""
    files = [file for folder in __path__ for file in os.listdir(folder)]  # noqa: PTH208 - pathlib would be slower
    return sorted({file[: -len(".py")].replace("_", "-") for file in files if file.endswith(".py") and file[0] != "_"})


def entry(name: str) -> Protocol:
    """The entry of a protocol; KeyError if there is none of that name."""
    if name not in _known:
        if name not in names():
            raise KeyError(name)
        _known[name] = import_module(f"{__name__}.{name.replace('-', '_')}").PROTOCOL
    return _known[name]


def every() -> list[Protocol]:
    """All entries, sorted by name."""
    return [entry(name) for name in names()]
