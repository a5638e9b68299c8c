"""Writes the log to the systemd journal with fields, so that `journalctl METER=house` works."""

import contextlib
import logging
import os
import sys
from collections.abc import Callable

from smgw.board.events import FIELDS, MESSAGE_IDS

_STREAM = "JOURNAL_STREAM"
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))  # syslog(3)
_DEBUG = 7


def goes_to_journal() -> bool:
    """True if standard error is the journal's (systemd.exec(5): $JOURNAL_STREAM holds its device and inode)."""
    try:
        device, _, inode = os.environ.get(_STREAM, "").partition(":")
        found = os.fstat(sys.stderr.fileno())
        return (found.st_dev, found.st_ino) == (int(device), int(inode))
    except (OSError, ValueError):
        return False


def journal_handler() -> logging.Handler | None:
    """A handler that writes entries with fields, or None where python3-systemd is missing or there is no journal."""
    if not goes_to_journal():
        return None
    try:
        from systemd.journal import sendv
    except ImportError:
        return None
    return JournalHandler(sendv)


class JournalHandler(logging.Handler):
    """`send` takes octets FIELD=value, as sd_journal_sendv(3)."""

    def __init__(self, send: Callable[..., object]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Write one entry. Without a journal the entry is lost, and nothing else happens."""
        with contextlib.suppress(OSError):
            self._send(*(f"{name}={value}".encode(errors="replace") for name, value in entry(record, self.format)))


def entry(record: logging.LogRecord, text: Callable[[logging.LogRecord], str]) -> list[tuple[str, str]]:
    """The fields of an entry."""
    given = vars(record)
    event = given.get("event")
    fields = [
        ("MESSAGE", text(record)),
        ("PRIORITY", str(next((level for least, level in _PRIORITIES if record.levelno >= least), _DEBUG))),
        ("SYSLOG_IDENTIFIER", "smgw"),
        ("LOGGER", record.name),
    ]
    if event is not None:
        fields.append(("EVENT", str(event)))
        if message_id := MESSAGE_IDS.get(str(event)):
            fields.append(("MESSAGE_ID", message_id))
    for name in FIELDS:
        value = given.get(name)
        # An entry may hold a field several times, so that each OBIS code of a message can be searched for.
        for one in value if isinstance(value, (list, tuple)) else () if value is None else (value,):
            fields.append((name, str(one)))
    return fields
