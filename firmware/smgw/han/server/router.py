"""Which view answers a path."""

from collections.abc import Sequence

from smgw.han.exchange import View
from smgw.han.refusal import RefusedError


class Router:
    """The views that are switched on."""

    def __init__(self, views: Sequence[View]) -> None:
        self._places = sorted(
            ((prefix, view) for view in views for prefix in view.prefixes), key=lambda one: -len(one[0])
        )

    def find(self, path: str) -> View:
        """The view with the longest prefix of the path; RefusedError if there is none."""
        folder = path + "/"
        for prefix, view in self._places:
            if path.startswith(prefix):
                return view
            if prefix == folder:
                raise RefusedError(308, "", closing=False, headers={"Location": prefix})
        raise RefusedError(404, "There is nothing here.", closing=False)
