"""How one meter fares: what was good, what was refused, and whether telegrams still come."""

import logging
import time

from smgw.cosem import Capture, ClockState, DeviceId
from smgw.lmn.sink import Clock, Sink
from smgw.store.records import Condition, MeterState

log = logging.getLogger(__name__)


class Watch:
    """One meter's state. Says each change once, however long it lasts; counts all of it."""

    def __init__(self, meter: str, silence: float, clock: Clock, sink: Sink, port: str = "") -> None:
        self._meter = meter
        self._port = port
        self._silence = silence
        self._clock = clock
        self._sink = sink
        self._state = Condition.WAITING
        self._note = "no telegram yet"
        self._remark = ""
        self._since_us = clock.stamp().utc_us
        self._device: DeviceId | None = None
        self._devices: dict[DeviceId, float] = {}  # when each was heard
        self._last_us: int | None = None
        self._last_state = ClockState.INVALID
        self._good = self._refused = 0
        self._said_refused = 0
        self._said: set[Condition] = set()  # states told since the last good telegram: a port that flaps is told once
        self._heard = time.monotonic()
        self.last_refusal = ""
        self._report()

    def good(self, capture: Capture, locked: str | None = None, remark: str = "") -> None:
        """A capture is on its way; `locked` is advice if the meter hides its values, `remark` tells of its quality."""
        if self._device is not None and capture.device != self._device:
            log.warning(
                "meter %s: was %s, is now %s (meter exchanged?)",
                self._meter, self._device, capture.device, extra=self._about("meter-exchanged"),
            )  # fmt: skip
        self._good += 1
        self._heard = self._devices[capture.device] = time.monotonic()
        self._say_who_left()
        self._device, self._last_us = capture.device, capture.stamp.utc_us
        self._last_state = capture.stamp.state
        self._said_refused = 0
        self._sink.capture(capture)
        self._change(Condition.LOCKED if locked else Condition.READING, locked or f"device {capture.device}", remark)

    def refused(self, reason: str) -> None:
        """A telegram could not be vouched for, or an answer was none."""
        self._refused += 1
        self.last_refusal = reason
        self._said_refused += 1
        level = logging.WARNING if self._said_refused == 1 else logging.DEBUG
        log.log(level, "meter %s: telegram refused: %s", self._meter, reason, extra=self._about("telegram-refused"))
        self._report()

    def absent(self, reason: str) -> None:
        """The port cannot be opened, or went away."""
        self._change(Condition.ABSENT, reason)

    def opened(self) -> None:
        """The port is open. Where it was not to be had, a telegram has to come from now on."""
        if self._state == Condition.ABSENT:
            self._heard = time.monotonic()
            self._change(Condition.WAITING, f"{self._port} is open again" if self._good else f"{self._port} is open")

    def tick(self) -> None:
        """Time passed: telegrams may have stopped."""
        if self._state != Condition.ABSENT and time.monotonic() - self._heard > self._silence:
            last = f", the last: {self.last_refusal}" if self._said_refused else ""
            self.silent(f"no good telegram for {self._silence:g} s; {self._refused} refused since the start{last}")

    def silent(self, reason: str) -> None:
        """The meter does not speak."""
        self._change(Condition.SILENT, reason)

    @property
    def state(self) -> Condition:
        """One of the states above."""
        return self._state

    @property
    def count(self) -> tuple[int, int]:
        """Good and refused telegrams since the start."""
        return self._good, self._refused

    def _say_who_left(self) -> None:
        """A device that is silent while another speaks is no longer behind the meter."""
        for device, heard in list(self._devices.items()):
            if self._heard - heard > self._silence:
                del self._devices[device]
                self._sink.left(self._meter, device)

    def _about(self, event: str) -> dict[str, str]:
        """What the journal gets beside the text."""
        return {"event": event, "METER": self._meter, "PORT": self._port}

    def _change(self, state: Condition, note: str, remark: str = "") -> None:
        if state != self._state:
            healthy = state == Condition.READING or (state == Condition.WAITING and not note.startswith("no"))
            level = logging.INFO if healthy else logging.WARNING
            log.log(
                logging.DEBUG if state in self._said else level,
                "meter %s: %s: %s", self._meter, state, note, extra=self._about(f"meter-{state}"),
            )  # fmt: skip
            self._said = set() if state in (Condition.READING, Condition.LOCKED) else self._said | {state}
            self._state, self._since_us = state, self._clock.stamp().utc_us
        self._note, self._remark = note, remark
        self._report()

    def _report(self) -> None:
        self._sink.state(
            MeterState(
                self._meter,
                self._device,
                self._state,
                self._since_us,
                self._last_us,
                self._last_state,
                self._good,
                self._refused,
                self._note,
                self._remark,
            )
        )
