"""What the pages show of the gateway beside its readings: certificate, state, system log."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from smgw.han.around import Around, Certificate
from smgw.profiles.gateway import Configuration
from smgw.reports.house import certificate_of
from smgw.store.file.log_book import LogEntry
from smgw.store.file.log_books import SYSTEM
from smgw.store.file.view import View

#: The state is asked for by a child, because its many imports would stay in the memory of the process.
_KEPT_S: Final = 10.0
_SECONDS: Final = 15.0


class State:
    """The plain JSON of `smgw status`, asked for at most every ten seconds by one child at a time."""

    def __init__(self, file: Path | None, state: Path) -> None:
        self._command = [sys.executable, "-m", "smgw", "status", "--json", "--config", str(file), "--state", str(state)]
        self._lock = threading.Lock()
        self._known: Mapping[str, Any] = {}
        self._asked = float("-inf") if file is not None else float("inf")

    def health(self) -> Mapping[str, Any]:
        """The newest state; empty if it cannot be had."""
        with self._lock:
            if time.monotonic() - self._asked >= _KEPT_S:
                self._known = self._ask()
                self._asked = time.monotonic()
            return self._known

    def _ask(self) -> Mapping[str, Any]:
        try:
            done = subprocess.run(self._command, capture_output=True, check=False, timeout=_SECONDS)  # noqa: S603 - ourselves
            found = json.loads(done.stdout)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return {}
        return found if isinstance(found, dict) else {}


def around(configuration: Configuration, state: Path, health: State, views: Sequence[View]) -> Around:
    """For one House; `views` are its databases with log books."""

    def certificate() -> Certificate | None:
        found = None if configuration.han is None else certificate_of(configuration.han, state)
        if found is None:
            return None
        return Certificate(found.fingerprint, found.not_after_s * 1_000_000, found.name)

    def system_log(count: int) -> Sequence[LogEntry]:
        entries = [entry for view in views for entry in view.log_entries(count, SYSTEM)]
        return sorted(entries, key=lambda entry: entry.utc_us)[-count:]

    return Around(certificate=certificate, health=health.health, system_log=system_log)
