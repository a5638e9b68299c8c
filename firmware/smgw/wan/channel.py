"""The state of the delivery to one EMP, for `smgw status`. Its changes are logged once."""

import logging
from collections.abc import Callable

from smgw.cosem import Stamp
from smgw.store.file.log_book import Level
from smgw.store.wan.records import FAILING, ChannelKind, ChannelState
from smgw.store.wan.store import WanStore
from smgw.wan.outlet import Outcome, OutcomeKind

log = logging.getLogger(__name__)

_HELD = (
    "EMP %s: %s; delivery is held and nothing is skipped. Check its url and its set-up for this gateway, then: "
    "smgw deliver %s"
)
_UNREADY = (
    "EMP %s: %s Delivery is held and nothing is skipped. It is tried again by itself, or now with: smgw deliver %s"
)
#: A channel is written this rarely while rows are taken; the last acknowledgement is written with each cursor.
_ACK_SHOWN_EVERY_US = 60_000_000


class Channel:
    """Writes only changes to the store; acknowledgements are in the cursors."""

    def __init__(self, emp: str, store: WanStore, now: Callable[[], Stamp]) -> None:
        self._emp = emp
        self._store = store
        self._now = now
        self._state: ChannelKind | None = None
        self._since_us = 0
        self._detail = ""
        self._held = ""
        self._topic = ""
        self._took = False  # the last state written
        self._last_ack_us: int | None = None
        self._written_us = 0

    @property
    def state(self) -> ChannelKind | None:
        """None before the first round."""
        return self._state

    def acknowledged(self) -> None:
        """Note that the EMP has acknowledged rows."""
        last_ack_us = self._last_ack_us = self._now().utc_us
        news = not self._took or last_ack_us - self._written_us >= _ACK_SHOWN_EVERY_US
        self._took, self._detail = True, ""
        if self._state in FAILING:
            log.info("EMP %s: takes rows again", self._emp, extra=self._about("delivery-resumed"))
            self._store.log("delivery-resumed", Level.INFO, self._emp, self._now())
            self._enter(ChannelKind.DELIVERING)
            self._write(None)
        elif news:
            self._state = self._state or ChannelKind.DELIVERING
            self._write(None)

    def failed(self, outcome: Outcome) -> None:
        """Note a failure; `wait` adds the time of the next try."""
        self._took, self._detail = False, outcome.reason
        state = ChannelKind.HELD if outcome.kind is OutcomeKind.HOLD else ChannelKind.BACKING_OFF
        if (state, outcome.topic) != (self._state, self._topic):
            self._topic = outcome.topic
            if state is ChannelKind.HELD:
                log.error(
                    _UNREADY if outcome.whole else _HELD,
                    self._emp, self._detail, self._emp, extra=self._about("delivery-held"),
                )  # fmt: skip
            else:
                log.warning(
                    "EMP %s: %s; rows are kept and sent later",
                    self._emp, self._detail, extra=self._about("delivery-backing-off"),
                )  # fmt: skip
            level = Level.ERROR if state is ChannelKind.HELD else Level.WARNING
            self._store.log(f"delivery-{state}", level, f"{self._emp}: {self._detail}", self._now(), outcome=False)
            self._enter(state)

    def wait(self, seconds: float) -> None:
        """Note the seconds to the next try."""
        if self._state not in FAILING:
            self._enter(ChannelKind.BACKING_OFF)
        self._write(self._now().utc_us + int(seconds * 1e6))

    def idle(self, held: str = "") -> None:
        """Note that all waiting rows are delivered, except those of held meters: `held` names them, for status."""
        news = held != self._held
        self._held = held
        if self._state is not ChannelKind.IDLE:
            if self._state in FAILING:
                self._store.log("delivery-resumed", Level.INFO, self._emp, self._now())
            self._enter(ChannelKind.IDLE)
            news = True
        if news:
            self._write(None)

    def _about(self, event: str) -> dict[str, str]:
        """Fields for the journal."""
        return {"event": event, "EMP": self._emp}

    def _enter(self, state: ChannelKind) -> None:
        self._state, self._since_us = state, self._now().utc_us

    def _write(self, retry_at_us: int | None) -> None:
        assert self._state is not None
        self._written_us = self._now().utc_us
        detail = self._detail if self._state in FAILING else self._held
        self._store.note_channel(
            ChannelState(self._emp, self._state, self._since_us, detail, retry_at_us, self._last_ack_us)
        )
