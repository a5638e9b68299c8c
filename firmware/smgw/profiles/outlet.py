"""The entry of an outlet: one module in the folder `outlets`. No other place lists outlets."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from smgw.profiles.section import Key


def _nothing(_values: Mapping[str, Any]) -> None:
    return None


def _consistent(_values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    return iter(())


class OutletKind(NamedTuple):
    """One way in which rows reach a participant."""

    name: str  # as outlet = "..." has it
    #: "module:name" of what opens it: (gateway id, communication profile, `wan.outlet.Surroundings`) ->
    #: `wan.outlet.Outlet`
    opens: str
    #: Keys of [[emp]], beside those that every EMP has, each with its check. `url` and `timeout` are fields of the
    #: profile; of the others `build` makes its `options`.
    keys: Mapping[str, Key]
    build: Callable[[Mapping[str, Any]], Any] = _nothing
    #: Keys that users may expect here -> advice.
    refused: Mapping[str, str] = {}
    #: A weakness that users must know of an EMP with this address; "" if there is none.
    weakness: Callable[[str], str] = lambda _url: ""
    #: (key, text) of contradictions; gets the checked values of [[emp]].
    contradictions: Callable[[Mapping[str, Any]], Iterator[tuple[str, str]]] = _consistent
