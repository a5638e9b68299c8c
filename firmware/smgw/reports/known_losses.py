"""Acknowledged losses: `smgw status` reports the gateway as degraded only for losses since then."""

import json
from pathlib import Path

from smgw.errors import SmgwError

_NAME = "known-losses.json"


class KnownLosses:
    """Counters of lost rows at the time they were last acknowledged, in `<state>/known-losses.json`.

    {"store_id": "…", "lost": {"lost_disk_full": 12}}
    """

    def __init__(self, state: Path) -> None:
        self._path = state / _NAME

    def since(self, store_id: str, lost: dict[str, int]) -> dict[str, int]:
        """The losses that are not acknowledged; all if the file is missing, unreadable or of another store."""
        try:
            found = json.loads(self._path.read_text())
            known = found["lost"] if found["store_id"] == store_id else {}
            new = {name: amount - int(known.get(name, 0)) for name, amount in lost.items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return dict(lost)
        return {name: amount for name, amount in new.items() if amount > 0}

    def acknowledge(self, store_id: str, lost: dict[str, int]) -> None:
        """Acknowledge these losses. Raises SmgwError if the file cannot be written."""
        new = self._path.with_suffix(".new")
        try:
            new.write_text(json.dumps({"store_id": store_id, "lost": lost}) + "\n")
            new.replace(self._path)
        except OSError as error:
            raise SmgwError(
                f"{self._path}: cannot be written: {error.strerror}; run as the owner of its directory"
            ) from None
