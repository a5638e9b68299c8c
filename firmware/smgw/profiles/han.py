"""The table [han]: where a house asks its gateway, and by which views."""

from collections.abc import Mapping
from typing import NamedTuple


class ViewEntry(NamedTuple):
    """A view: the module with its `VIEW`, imported when it is switched on."""

    module: str
    standard: bool = False  # switched on where the file names none


#: The views, by the name that [han] uses. This is the only list of them.
VIEWS: Mapping[str, ViewEntry] = {}
