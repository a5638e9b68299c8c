"""The ways to ask. Each is a module with `VIEW`; `smgw.profiles.han.VIEWS` lists them."""

import importlib
from collections.abc import Iterable

from smgw.han.exchange import View
from smgw.profiles.han import VIEWS


def load(names: Iterable[str]) -> tuple[View, ...]:
    """The views of these names, in order; names are those of the table."""
    return tuple(_one(name) for name in names)


def _one(name: str) -> View:
    view = importlib.import_module(VIEWS[name].module).VIEW
    assert isinstance(view, View)
    return view
