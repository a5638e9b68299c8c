"""What every process of the gateway does the same: logging, signals, the parent's death."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable

_PARENT = "SMGW_PARENT"


def set_up_logging(level: str) -> None:
    """To stderr, one line an event; systemd adds the time itself."""
    stamp = "" if "JOURNAL_STREAM" in os.environ else "%(asctime)s.%(msecs)03d "
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format=f"{stamp}%(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    logging.getLogger("urllib3").setLevel(logging.INFO)  # its debug lines repeat what the dispatcher says


def on_stop(stopping: threading.Event) -> None:
    """SIGTERM and SIGINT set `stopping`."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stopping.set())


def on_drain(handler: Callable[[], None]) -> None:
    """SIGUSR1: finish what there is, then stop."""
    signal.signal(signal.SIGUSR1, lambda _number, _frame: handler())


def child_environment() -> dict[str, str]:
    """For a child process: it ends when this one does."""
    return {**os.environ, _PARENT: str(os.getpid())}


def orphaned() -> bool:
    """True if a parent started this process (see `child_environment`) and is gone."""
    parent = os.environ.get(_PARENT)
    return parent is not None and parent != str(os.getppid())
