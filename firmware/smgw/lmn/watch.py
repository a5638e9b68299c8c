"""The state of one meter by device: good and refused telegrams, and whether telegrams still come."""

import logging
from collections.abc import Callable, Collection, Sequence

from smgw.cosem import Capture, ClockState, DeviceId
from smgw.cosem.corrections import NO_CORRECTIONS, Corrections
from smgw.lmn.contract import Clock, Heard, Values
from smgw.lmn.judging import judged
from smgw.lmn.refusals import Refusals
from smgw.lmn.sink import Sink
from smgw.lmn.unread import UnreadLine
from smgw.store.records import DEVICES_PER_METER, Condition, MeterState
from smgw.wire import Refused

log = logging.getLogger(__name__)

_HEALTHY = (Condition.READING, Condition.WAITING)
_MOST_TOLD = 3  # warnings about devices
_CHANGING = 5  # this many devices in as many telegrams, none of them twice
_FROM_GOOD_TO_BAD = (
    Condition.READING, Condition.WAITING, Condition.LOCKED, Condition.SILENT, Condition.UNREADABLE, Condition.ABSENT,
    Condition.HELD,
)  # fmt: skip
_NOT_ASKED = (Condition.ABSENT, Condition.HELD)  # no telegram is awaited
_SPEAKING = (Condition.READING, Condition.LOCKED)
#: Of a meter that has not spoken yet, octets that are certainly no telegram are reported after so long.
_CERTAIN_S = 15.0
_MOST_DOUBTS = 4 * DEVICES_PER_METER


class _Device:
    """One device behind the meter, or the state before the first one is known."""

    def __init__(self, name: DeviceId | None, since_us: int, heard: float) -> None:
        self.name = name
        self.condition = Condition.WAITING
        self.note = "no telegram yet"
        self.remark = ""
        self.since_us = since_us
        self.last_us: int | None = None
        self.last_state = ClockState.INVALID
        self.good = 0
        self.heard = heard
        self.succeeded = False  # another device has sent since, in a telegram of its own
        self.beside = False  # it sent again after another one: both are there


class Watch:
    """The states of one meter's devices. Logs each change once and counts all events.

    If a device is silent after another one came in a telegram of its own, the meter was exchanged: the device has left
    when its silence is over. If it sends again, both are behind the meter. Each case is logged once, if the profile
    does not name the devices.
    """

    def __init__(
        self,
        meter: str,
        port: str,
        silence: float,
        clock: Clock,
        sink: Sink,
        now: Callable[[], float],
        named: Collection[DeviceId] = (),
        corrections: Corrections = NO_CORRECTIONS,
        unread: UnreadLine | None = None,
    ) -> None:
        """`named`: the devices that the profile names. `unread` knows the octets of the meter's line."""
        self._meter = meter
        self._port = port
        self._silence = silence
        self._clock = clock
        self._sink = sink
        self._now = now
        self._named = frozenset(named)
        self._told_devices = set(named)
        self._tellings = 0
        self._strangers: list[DeviceId] = []  # devices of the newest telegrams, none of which was seen before
        self._changing = False  # the id changes at each telegram: logged once
        self._left: dict[DeviceId, None] = {}  # the devices that left, the oldest first
        self._corrections = corrections
        self._doubted: set[tuple[DeviceId, str]] = set()  # implausible values already logged
        self._unread = unread
        self._devices: dict[DeviceId, _Device] = {}
        self._nobody = _Device(None, clock.stamp().utc_us, now())  # the state of the meter until a device is known
        self._refusals = Refusals(meter, self._about("telegram-refused"), now)
        self._told: set[Condition] = set()  # since the last good telegram: a port that flaps is logged once
        self._report(self._nobody)

    def heard(self, heard: Sequence[Heard]) -> bool:
        """Pass the values of telegrams or polls to the sink; True if there were any."""
        good = False
        for one in heard:
            if isinstance(one, Refused):
                self.refused(one.reason)
                continue
            good = True
            self._meet([values.device for values in one])
            for values in one:
                self._good(values)
        return good

    def refused(self, reason: str) -> None:
        """A telegram failed its check, or an answer was wrong."""
        self._refusals.add(reason)
        for device in self._members():
            if device.condition is Condition.WAITING:
                device.note = f"no good telegram yet, {self._refusals.since_good} refused, the last: {reason}"
            self._report(device)

    def held(self, reason: str) -> None:
        """The meter refused our password and is not asked again."""
        self._refusals.count += 1
        self._refusals.last = reason
        for device in self._members():
            self._change(device, Condition.HELD, reason)

    def released(self) -> None:
        """A user ordered that the meter is asked again."""
        self._told.discard(Condition.HELD)
        for device in self._members():
            device.heard = self._now()
            self._change(device, Condition.WAITING, "it is asked again, as ordered")

    def absent(self, reason: str) -> None:
        """The port cannot be opened, or was lost. A held meter stays held."""
        for device in self._members():
            if device.condition is Condition.HELD:
                continue
            self._change(device, Condition.ABSENT, reason)

    def opened(self) -> None:
        """The port is open. After a loss, a telegram is awaited from now on."""
        for device in self._members():
            if device.condition is Condition.ABSENT:
                device.heard = self._now()
                self._change(device, Condition.WAITING, f"{self._port} is open{' again' if self._count else ''}")

    def tick(self) -> None:
        """Check whether telegrams have stopped."""
        for device in self._members():
            if device.condition in _NOT_ASKED:
                continue
            quiet = self._now() - device.heard
            found = None
            if self._unread and quiet > min(_CERTAIN_S, self._silence):
                found = self._unread.finding(2 * self._silence)
            early = found is not None and found.certain and device.condition not in _SPEAKING
            if found and (early or quiet > self._silence):
                self._change(device, Condition.UNREADABLE, found.words)
            elif quiet > self._silence:
                if device.succeeded and not device.beside and device.name is not None:
                    self._leave(device.name)
                    continue
                last = f", the last: {self._refusals.last}" if self._refusals.since_good else ""
                self._change(
                    device,
                    Condition.SILENT,
                    f"no good telegram for {self._silence:g} s; {self._refusals.count} refused since the start{last}",
                )

    @property
    def condition(self) -> Condition:
        """The worst of its devices' states."""
        return max((device.condition for device in self._members()), key=_FROM_GOOD_TO_BAD.index)

    @property
    def last_refusal(self) -> str:
        """Why the last telegram was refused; "" if none was."""
        return self._refusals.last

    @property
    def count(self) -> tuple[int, int]:
        """Good and refused telegrams since the start."""
        return self._count, self._refusals.count

    @property
    def _count(self) -> int:
        return self._nobody.good + sum(device.good for device in self._devices.values())

    def _members(self) -> list[_Device]:
        return list(self._devices.values()) or [self._nobody]

    def _meet(self, devices: Sequence[DeviceId]) -> None:
        """These devices sent in one telegram."""
        new = [device for device in devices if device not in self._devices]
        back = any(device in self._left for device in new)
        self._look_at_strangers(new if len(new) == len(devices) and not back else [])
        if len(new) == len(devices):
            for before in self._devices.values():
                before.succeeded, before.beside = before.name not in self._named, back
        again = [self._devices[device] for device in devices if device not in new]
        if any(one.succeeded for one in again):
            self._tell("devices send in turn (two meters on one line, or meter exchanged?)", list(self._devices))
            for other in self._devices.values():
                other.succeeded = other not in again and other.name not in self._named
            for one in again:
                one.beside = True
        for device in new:
            if len(self._devices) >= DEVICES_PER_METER:  # beyond this, the state of the first one is dropped
                if (oldest := next((one for one in self._devices if one not in devices), None)) is None:
                    return
                self._nobody.good += self._devices.pop(oldest).good
            made = self._devices[device] = _Device(device, self._clock.stamp().utc_us, self._now())
            made.condition, made.beside = self._nobody.condition, back
            if self._named and device not in self._named:
                self._tell(f"{device} is no device that the profile names (meter exchanged?)", list(self._devices))

    @property
    def _in_turmoil(self) -> bool:
        """True while the id changes at each telegram: events of single devices are not logged."""
        return self._changing and bool(self._strangers)

    def _look_at_strangers(self, new: Sequence[DeviceId]) -> None:
        """Detect an id that changes at each telegram, which is one fault."""
        strangers = [device for device in new if device not in self._named]
        self._strangers = [*self._strangers, *strangers] if strangers else []
        if len(self._strangers) < _CHANGING or self._changing:
            return
        self._changing = True
        log.warning(
            "meter %s: its device id changes at each telegram: %s. Each id is stored as a device of its own. Check the "
            "line, and what the profile says of the list (columns, push_list)",
            self._meter, ", ".join(map(str, self._strangers)), extra=self._about("meter-exchanged"),
        )  # fmt: skip

    def _leave(self, device: DeviceId) -> None:
        """Another device came, and this one has been silent since."""
        self._nobody.good += self._devices.pop(device).good
        others = list(self._devices)
        self._tell(f"was {device}, is now {', '.join(map(str, others))} (meter exchanged?)", [device, *others])
        self._left.pop(device, None)
        self._left[device] = None
        if len(self._left) > DEVICES_PER_METER:
            del self._left[next(iter(self._left))]
        self._sink.left(self._meter, device)

    def _tell(self, what: str, devices: Sequence[DeviceId]) -> None:
        """Log once that there are these devices."""
        new = not self._told_devices.issuperset(devices)
        self._tellings += new
        self._told_devices = {*self._named, *self._left, *self._devices, *devices}
        log.log(
            logging.WARNING if new and self._tellings <= _MOST_TOLD and not self._in_turmoil else logging.DEBUG,
            "meter %s: %s. Each device is stored under its own id. If all of these are there, name them in the meter's "
            "section: devices = [%s]",
            self._meter, what, ", ".join(f'"{device}"' for device in devices), extra=self._about("meter-exchanged"),
        )  # fmt: skip

    def _good(self, values: Values) -> None:
        values, doubts = judged(values, self._corrections)
        if doubts and not values.readings:
            self.refused("; ".join(doubts.values()))
            return
        for subject, words in doubts.items():
            self._doubt(values.device, subject, words)
        capture = Capture(
            self._meter, values.device, values.stamp, values.meter_time, values.readings, values.signature, values.flags
        )
        device = self._devices.get(values.device)
        if device is None:
            self._nobody.good += 1
            self._sink.capture(capture)
            return
        device.good += 1
        device.heard = self._now()
        device.last_us, device.last_state = values.stamp.utc_us, values.stamp.state
        device.remark = values.remark
        self._refusals.since_good = 0
        self._sink.capture(capture)
        self._change(
            device,
            Condition.LOCKED if values.advice else Condition.READING,
            values.advice or f"device {values.device}",
        )

    def _doubt(self, device: DeviceId, subject: str, words: str) -> None:
        """Implausible values are stored as sent, and logged once."""
        if (device, subject) in self._doubted or len(self._doubted) >= _MOST_DOUBTS:
            return
        self._doubted.add((device, subject))
        log.warning(
            "meter %s, device %s: %s", self._meter, device, words, extra=self._about("values-implausible")
        )  # fmt: skip

    def _about(self, event: str) -> dict[str, str]:
        """Fields for the journal."""
        return {"event": event, "METER": self._meter, "PORT": self._port}

    def _change(self, device: _Device, condition: Condition, note: str) -> None:
        if condition is not device.condition:
            level = logging.INFO if condition in _HEALTHY else logging.WARNING
            log.log(
                logging.DEBUG if condition in self._told or self._in_turmoil else level,
                "meter %s: %s: %s", self._meter, condition, note, extra=self._about(f"meter-{condition}"),
            )  # fmt: skip
            good = condition in (Condition.READING, Condition.LOCKED)
            self._told = set() if good else self._told | {condition}
            device.condition, device.since_us = condition, self._clock.stamp().utc_us
        device.note = note
        self._report(device)

    def _report(self, device: _Device) -> None:
        self._sink.state(
            MeterState(
                self._meter,
                device.name,
                device.condition,
                device.since_us,
                device.last_us,
                device.last_state,
                device.good,
                self._refusals.count,
                device.note,
                device.remark,
            )
        )
