"""A meter that gives pulses. The gateway counts them, so the register is ours.

Edges are read all the time. A poll gives the register and the power as they are at that moment.

The count is stored in two places. A small file has each pulse at once and counts in the same boot, so it survives a
kill. The database has the count in one commit with the capture that shows it, and at least once a minute. So it
survives a power cut.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence

from smgw.cosem import Data, DataType, DeviceId, Obis, Reading
from smgw.lmn.contract import Heard, Patience, PulseCount, PulseKeeper, Surroundings, Values
from smgw.lmn.errors import PollError, StoppedError
from smgw.lmn.load_profile import ProfileSource
from smgw.ports import Port
from smgw.profiles.meter import MeterProfile
from smgw.profiles.s0 import S0Profile, number
from smgw.profiles.secrets import Secrets
from smgw.s0.dial import Dial, Rate
from smgw.s0.edges import EVENT_OCTETS, EdgeReader, Lost
from smgw.s0.pulse import PulseFilter
from smgw.store.errors import StoreError
from smgw.store.ranges import Range
from smgw.wire import Refused

log = logging.getLogger(__name__)

#: An edge may be so much older than the moment at which it can be read.
_LATE_NS = 50_000_000
#: Seconds between two looks for `smgw set-counter`.
_LOOK_S = 2.0
_NS = 1_000_000_000


class S0Meter:
    """One line of pulses. There is nobody to ask, so `timeout` and `retries` do not matter."""

    idle_s = float("inf")
    unanswered = False

    def __init__(self, profile: MeterProfile, _secrets: Secrets, surroundings: Surroundings) -> None:
        self.patience = Patience(0, 0)
        self._profile = profile
        self._options = profile.options if isinstance(profile.options, S0Profile) else S0Profile()
        self._surroundings = surroundings
        self._device = DeviceId(profile.name.encode()[:64])
        self._dial = Dial(self._options.pulses, self._options.quantity)
        self._rate = Rate()
        self._filter = PulseFilter(self._options.shortest_ns)
        self._reader = EdgeReader()
        self._count: _Count | None = None
        self._uncounted = 0  # pulses that came before the count could be read
        self._lost = 0  # edges, since the start
        self._look_at = surroundings.now()

    def identify(self, _port: Port) -> DeviceId:
        """The name of the profile: a line of pulses has no identity of its own."""
        return self._device

    def poll(self, port: Port) -> Sequence[Heard]:
        """The register and the power at this moment. PollError if the count cannot be read, PortError."""
        if self._surroundings.stopping():
            raise StoppedError
        heard = list(self._take(port))
        count = self._counted()
        if self._surroundings.now() >= self._look_at:
            self._look_at = self._surroundings.now() + _LOOK_S
            count.obey(self._dial.text)
        count.note()
        return [*heard, (self._values(count.pulses),)]

    def load_profile(self, profile: Obis, wanted: Range) -> ProfileSource:
        """Raises PollError: there is none."""
        raise PollError(f"a line of pulses has no load profile {profile} ({wanted.since} to {wanted.until})")

    def listen(self, port: Port, until: float) -> Sequence[Heard]:
        """Count until a moment, or until edges were lost."""
        now, stopping = self._surroundings.now, self._surroundings.stopping
        while not stopping() and (left := until - now()) > 0:
            if refused := list(self._take(port)):
                return refused
            if not port.wait(left):
                break
        return []

    def close(self, port: Port) -> None:
        """The line is given back; edges may be missed until it is requested again."""
        del port
        self._reader = EdgeReader()
        self._filter.resume(self._filter.state)
        self._rate.broken()

    def _counted(self) -> "_Count":
        """The count, with the pulses that came while it could not be read. PollError."""
        if self._count is None:
            keeper = self._surroundings.pulses
            if keeper is None:
                raise PollError(
                    "pulses are counted by the running gateway alone; `smgw watch` shows its count (start it by "
                    "`smgw run`, or by the service smgw-lmn)"
                )
            digits, decimals = number(self._options.start) or (0, 0)
            try:
                self._count = _Count(keeper, self._profile.name, self._dial.count(digits, decimals))
            except StoreError as error:
                raise PollError(f"the count cannot be read: {error}") from error
            if self._filter.state:  # edges came already
                self._count.add(self._uncounted, self._filter.state)
                self._uncounted = 0
            else:
                self._filter.resume(self._count.line)
        return self._count

    def _take(self, port: Port) -> Iterator[Refused]:
        """Read all edges that are there; count, and give what was lost."""
        if self._count is None:
            with contextlib.suppress(PollError):  # the pulses count as soon as the count can be read
                self._counted()
        settled = round(self._surroundings.now() * _NS) - _LATE_NS
        lost, pulses = 0, []
        while octets := port.read():
            for event in self._reader.receive(octets):
                if isinstance(event, Lost):
                    lost += event.edges
                pulses += self._filter.take(event)
        pulses += self._filter.settle(settled)
        for pulse in pulses:
            self._rate.pulse(pulse.ns)
        if self._count is None:
            self._uncounted += len(pulses)
        else:
            self._count.add(len(pulses), self._filter.state)
        if lost:
            self._lost += lost
            self._rate.broken()
            yield Refused(
                f"{lost} edges were lost, because nobody read them in time; the count may be too low: compare it with "
                f"the dial, and correct it by `smgw set-counter {self._profile.name}`",
                lost * EVENT_OCTETS,
            )

    def _values(self, pulses: int) -> Values:
        register, rate = self._options.registers
        quantity = self._options.quantity
        wanted = frozenset(map(bytes, self._profile.objects))
        readings = [
            Reading(
                register, Data(DataType.LONG64_UNSIGNED, self._dial.value(pulses)), self._dial.scaler, quantity.unit
            )
        ]
        interval = self._rate.interval(round(self._surroundings.now() * _NS))
        if rate is not None and interval is not None:
            value = min(self._dial.rate(interval), 0xFFFF_FFFF)
            readings.append(
                Reading(rate, Data(DataType.DOUBLE_LONG_UNSIGNED, value), quantity.rate_scaler, quantity.rate_unit)
            )
        return Values(
            self._device,
            self._surroundings.clock.stamp(),
            None,
            tuple(one for one in readings if not wanted or bytes(one.obis) in wanted),
            remark=f"{self._lost} edges were lost since the start; the count may be too low" if self._lost else "",
        )


class _Count:
    """The number of pulses of one meter since its dial was zero, with its two places."""

    def __init__(self, keeper: PulseKeeper, meter: str, start: int) -> None:
        """StoreError. `start`: for a meter that was never counted."""
        self._keeper = keeper
        self._meter = meter
        self._now = self._written = keeper.count(meter) or PulseCount(start)
        self._noted: tuple[int, int] | None = None

    @property
    def pulses(self) -> int:
        """The count."""
        return self._now.pulses

    @property
    def line(self) -> int:
        """The state of the line when it was looked at last."""
        return self._now.line

    def add(self, pulses: int, line: int) -> None:
        """Count, so that a kill of this process loses none. `line`: its present state."""
        self._now = PulseCount(self._now.pulses + pulses, self._now.ordered, line)
        self._write()

    def note(self) -> None:
        """The next commit has the count. It comes directly before the capture that shows it."""
        if self._noted != self._now[:2]:
            self._noted = self._now[:2]
            self._keeper.note(self._meter, *self._noted)

    def obey(self, text: Callable[[int], str]) -> None:
        """Take the number that a person ordered, once."""
        try:
            order = self._keeper.order(self._meter)
        except StoreError as error:
            log.error("meter %s: orders cannot be read: %s", self._meter, error)  # noqa: TRY400 - the text says all
            return
        if order is None or order[0] <= self._now.ordered:
            return
        before, after = self._now.pulses, order[1]
        self._now = self._now._replace(pulses=after, ordered=order[0])
        self._write()
        self._keeper.tell(
            self._meter, f"its counter was {text(before)} and is set to {text(after)}, by `smgw set-counter`"
        )

    def _write(self) -> None:
        if self._now != self._written:
            self._written = self._now
            self._keeper.write(self._meter, self._now)
