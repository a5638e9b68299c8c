"""What every process of the gateway does the same: logging, signals, the parent's death."""

import contextlib
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Iterator

from smgw.board.collapse import Collapse
from smgw.board.journal import journal_handler

_PARENT = "SMGW_PARENT"


def set_up_logging(level: str) -> None:
    """To stderr, one line an event; under systemd as entries of the journal. Repetitions are kept back in both."""
    form = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    form.converter = time.gmtime  # UTC, as in every command
    handler: logging.Handler | None = journal_handler()
    if handler is None:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(form)
    logging.basicConfig(level=level.upper(), handlers=[Collapse(handler)])
    logging.getLogger("urllib3").setLevel(logging.INFO)  # its debug lines repeat those of the dispatcher


def log_repetitions() -> None:
    """Say what was kept back; called now and then."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, Collapse):
            handler.tick()


class Signals:
    """The signals of a user or systemd. Made first, so that no signal during the start is lost.

    The handlers set plain flags, and the kernel's signal ends `wait` through a pipe. No handler takes a lock, as
    the interrupted thread may hold it.
    """

    def __init__(self) -> None:
        self.stop = False  #: SIGTERM, SIGINT: end soon
        self.drain = False  #: SIGUSR1: finish what there is, then end
        self.reload = False  #: SIGHUP: read the configuration again; whoever does so takes it back
        self._read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGUSR1, self._on_drain)
        if sys.stdin is None or not sys.stdin.isatty():  # there it means that the terminal is gone, and so shall we be
            signal.signal(signal.SIGHUP, self._on_reload)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # see `reload_kept_waiting`

    def wait(self, seconds: float) -> None:
        """Sleep, but not beyond a signal or the parent's end."""
        if self.stop or orphaned():
            self.stop = True
            return
        if select.select([self._read_end], [], [], seconds)[0]:
            with contextlib.suppress(BlockingIOError):
                while os.read(self._read_end, 64):
                    pass

    def _on_stop(self, *_: object) -> None:
        self.stop = True

    def _on_drain(self, *_: object) -> None:
        self.drain = True

    def _on_reload(self, *_: object) -> None:
        self.reload = True


def child_environment() -> dict[str, str]:
    """For a child process: it ends when this one does."""
    return {**os.environ, _PARENT: str(os.getpid())}


@contextlib.contextmanager
def reload_kept_waiting() -> Iterator[None]:
    """A child started in this block gets a SIGHUP only when it is able to handle it.

    The child inherits the blocked signal, and `Signals` unblocks it. Without this an early SIGHUP would kill it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def orphaned() -> bool:
    """True if a parent started this process (see `child_environment`) and is gone."""
    parent = os.environ.get(_PARENT)
    return parent is not None and parent != str(os.getppid())
