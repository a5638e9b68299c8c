"""The files of the pages: style, icon, the plot's script, and uPlot (MIT, see static/uplot/LICENSE)."""

from functools import cache
from pathlib import Path
from typing import NamedTuple

_STATIC = Path(__file__).parent / "static"
#: Every file that a server may give, and its media type.
MEDIA = {
    "look.css": "text/css",
    "emp.svg": "image/svg+xml",
    "curve.js": "text/javascript",
    "live.js": "text/javascript",
    "uplot/uPlot.iife.min.js": "text/javascript",
    "uplot/uPlot.min.css": "text/css",
    "uplot/LICENSE": "text/plain",
}
#: How long a browser may use them without asking again.
CACHE_CONTROL = "max-age=3600"


class Asset(NamedTuple):
    """One file. Texts are UTF-8."""

    octets: bytes
    media: str


@cache
def asset(name: str) -> Asset | None:
    """The file of this name; None for a name that is not in the table. It is read once."""
    media = MEDIA.get(name)
    return None if media is None else Asset(_STATIC.joinpath(*name.split("/")).read_bytes(), media)
