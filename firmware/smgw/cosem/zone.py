"""Time zones by name, from the zone files of this computer (Debian: package tzdata)."""

import os
import sys
from datetime import tzinfo
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

#: The legal time of the meters here.
DEFAULT_ZONE = "Europe/Berlin"
#: Where zone files lie on Linux. The library would ask for it in a table that takes 0.3 MB of a process.
_FOLDERS = "/usr/share/zoneinfo:/usr/lib/zoneinfo:/usr/share/lib/zoneinfo:/etc/zoneinfo"


def time_zone(name: str) -> tzinfo:
    """The zone of that name, such as Europe/Berlin. KeyError (ZoneInfoNotFoundError), ValueError or OSError."""
    return _zone_info()(name)


@cache
def _zone_info() -> "type[ZoneInfo]":
    """The class, imported when it is needed: a gateway without a tariff has no use for it.

    Its module imports sysconfig for the folders alone. They are given here, so an empty stand-in saves 60 kB.
    """
    os.environ.setdefault("PYTHONTZPATH", _FOLDERS)
    stand_in = None if "sysconfig" in sys.modules else ModuleType("sysconfig")
    if stand_in is not None:
        sys.modules["sysconfig"] = stand_in
    try:
        from zoneinfo import ZoneInfo
    finally:
        if stand_in is not None:
            del sys.modules["sysconfig"]
    return ZoneInfo
