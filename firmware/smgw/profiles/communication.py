"""The communication profile (Kommunikationsprofil): which market participant gets which meters, where and when."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from smgw.profiles import checks
from smgw.profiles.checks import Report
from smgw.profiles.content import canonical
from smgw.profiles.section import Key


class CommunicationProfile(NamedTuple):
    """One external market participant (EMP). Field and key of the file have the same name; times are whole seconds."""

    name: str
    url: str  # its point of contact (PoC): documents go to <url>/cosem/ldevs/<device>
    meters: tuple[str, ...] = ()  # names; empty: all
    forward: int = 5  # how long rows are gathered before they go; 0: immediately
    batch: int = 100  # rows a document, at most
    timeout: int = 20  # how long one exchange may take

    def content(self) -> str:
        """Canonical JSON: the version of this profile."""
        return canonical(self)


def _forward(value: object, report: Report) -> int | None:
    if value == "immediate":
        return 0
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 86_400:
        return value
    report(f'{checks.shown(value)} is wrong here; write "immediate", or a whole number from 1 to 86400 s')
    return None


KEYS: Mapping[str, Key] = {
    "name": Key(checks.name, needed='"demo"'),
    "url": Key(checks.http_url, needed='"http://host:port/path"'),
    "meters": Key(checks.array('an array of meter names, such as ["house"]', checks.name)),
    "forward": Key(_forward),
    "batch": Key(checks.integer(1, 1000, "rows")),
    "timeout": Key(checks.integer(1, 600, "s")),
}


def build(values: Mapping[str, Any]) -> CommunicationProfile:
    """The profile of checked values."""
    return CommunicationProfile(**values)
