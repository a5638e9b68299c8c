"""A meter on this computer, for a machine that is given the pty as its serial device."""

import os
import threading
from pathlib import Path

from line_meter import telegram

DIALOUT = 20  # in Debian, always


class HostHead:
    """A meter on this computer's side of a pty; it sends a telegram every `pause` seconds, counting from 1."""

    def __init__(self, pause: float = 0.2) -> None:
        self.master, slave = os.openpty()
        self.path = Path(os.ttyname(slave))
        self._slave = slave  # kept open: a pty without any slave says EIO to its master
        os.chown(slave, 0, DIALOUT)
        os.fchmod(slave, 0o660)
        self.pause = pause
        self.sent = 0
        self._ends = threading.Event()
        self._sends = threading.Event()
        self._sends.set()
        threading.Thread(target=self._send, daemon=True).start()

    def _send(self) -> None:
        os.set_blocking(self.master, False)
        while not self._ends.wait(self.pause):
            if not self._sends.is_set():
                continue
            octets = telegram(self.sent + 1)
            try:
                os.write(self.master, octets)
            except BlockingIOError:  # nobody reads, and the line is full
                continue
            self.sent += 1

    def hush(self) -> int:
        """Send no more; the number of telegrams sent."""
        self._sends.clear()
        threading.Event().wait(2 * self.pause)
        return self.sent

    def speak(self) -> None:
        self._sends.set()

    def close(self) -> None:
        self._ends.set()
