"""`smgw run`: LMN, WAN and HAN process as children, for demo and lab. On a board use the systemd services."""

import logging
import signal
import subprocess
import sys
import time
from pathlib import Path

from smgw.cosem.duration import duration_text
from smgw.errors import SmgwError
from smgw.patience import BackOff
from smgw.profiles.gateway import Configuration
from smgw.profiles.secrets import read_secrets
from smgw.profiles.toml_importer import load
from smgw.services import process

log = logging.getLogger(__name__)

_LOOK = 0.2
_STOP_SECONDS = 12.0
_DRAIN_SECONDS = 12.0  # the WAN process gives up after 10 s by itself
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
#: After this running time, a process that ends restarts without the pauses of earlier failures.
_SOUND = 60.0
_USAGE = 2  # exit code of faults that a user must correct: configuration, state directory, another gateway on it


class _Child:
    """One process, restarted if it ends by itself."""

    def __init__(self, name: str, arguments: list[str], **environment: str) -> None:
        self.name = name
        self._environment = environment
        self._command = [sys.executable, "-m", "smgw", *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self._back_off = BackOff(_FIRST_PAUSE, _LONGEST_PAUSE)
        self._due = 0.0
        self._began = 0.0
        self._starts = 0
        self.hopeless = False  # it cannot start, and has printed the reason

    def keep_running(self, now: float) -> None:
        """Start it, or restart it after its pause."""
        if self._process is not None and (code := self._process.poll()) is not None:
            self._process = None
            if code == _USAGE and self._starts == 1:
                self.hopeless = True
                return
            if now - self._began > _SOUND:
                self._back_off.reset()
            pause = self._back_off.next()
            self._due = now + pause
            said = f"signal {-code}" if code < 0 else f"exit code {code}"
            log.error(
                "the %s process ended (%s); it starts again in %s", self.name, said, duration_text(pause),
                extra={"event": "process-ended", "WORKER": self.name},
            )  # fmt: skip
        if self._process is None and now >= self._due:
            self._began = now
            self._starts += 1
            # A group of its own: Ctrl-C at the terminal reaches us alone, and we stop the children in order.
            with process.reload_kept_waiting():
                environment = {**process.child_environment(), **self._environment}
                self._process = subprocess.Popen(self._command, env=environment, process_group=0)  # noqa: S603 - ourselves

    @property
    def runs(self) -> bool:
        """Whether it was started, and has not ended."""
        return self._process is not None

    def reload(self) -> None:
        """Make it reload its configuration. A stopped process reads it at its start."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGHUP)

    def stop(self, number: signal.Signals, seconds: float) -> bool:
        """Ask it to end and wait; kill it if it does not. True if it ended well.

        If the signal itself ended it, it had not started any work.
        """
        child = self._process
        if child is None:
            return True
        if child.poll() is None:
            child.send_signal(number)
        try:
            return child.wait(seconds) in (0, -number)
        except subprocess.TimeoutExpired:
            log.error(  # noqa: TRY400 - the time-out is all there is to say
                "the %s process did not end within %.0f s: killed", self.name, seconds
            )
            child.kill()
            child.wait()
            return False


def run(signals: process.Signals, configuration: Path, state: Path, log_level: str) -> int:
    """Run them until SIGTERM or SIGINT: then the LMN process commits, the WAN process drains.

    Returns 0 if LMN and WAN process end well, 2 if one of them cannot start. The HAN process runs if there is [han].
    SIGHUP goes to all, if the configuration is correct.
    """
    arguments = ["--config", str(configuration), "--state", str(state), "--log-level", log_level]
    lmn = _Child("LMN", ["lmn", *arguments])
    wan = _Child("WAN", ["wan", *arguments])
    han = _Child("HAN", ["han", *arguments], MALLOC_ARENA_MAX="1")  # as its unit says
    wanted = load(configuration).han is not None
    while not signals.stop:
        signals.wait(_LOOK)
        process.log_repetitions()
        if signals.stop:
            break
        if signals.reload:
            signals.reload = False
            if (loaded := _reload(configuration, (lmn, wan, han))) is not None:
                wanted = loaded.han is not None or han.runs
        now = time.monotonic()
        lmn.keep_running(now)
        wan.keep_running(now)
        if wanted and not han.hopeless:  # a port that is taken is no reason to read no meter
            han.keep_running(now)
        if lmn.hopeless or wan.hopeless:
            break
    log.info("stopping: the LMN process commits, then the WAN process delivers what is left")
    han.stop(signal.SIGTERM, _STOP_SECONDS)
    ended_well = [lmn.stop(signal.SIGTERM, _STOP_SECONDS), wan.stop(signal.SIGUSR1, _DRAIN_SECONDS)]
    if lmn.hopeless or wan.hopeless:
        return _USAGE
    return 0 if all(ended_well) else 1


def _reload(configuration: Path, children: tuple[_Child, ...]) -> Configuration | None:
    """Check the configuration first, so that all load the same one, or none does."""
    try:
        loaded = load(configuration)
        for meter in loaded.meters:
            read_secrets(meter, loaded.directory)
    except SmgwError as error:
        log.error(  # noqa: TRY400 - the text says all there is
            "the configuration is not taken, the one before stays: %s", error, extra={"event": "configuration-refused"}
        )
        return None
    for child in children:
        child.reload()
    return loaded
