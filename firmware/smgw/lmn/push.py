"""The reader of a meter that sends SML telegrams on its own, most often every second through an optical head."""

from smgw.cosem import Capture, DeviceId, Stamp
from smgw.lmn.reader import Reader
from smgw.ports import Port
from smgw.ports.port import GATHER_S
from smgw.sml.habits import PIN_ADVICE, pin_locked
from smgw.sml.messages import GetListResponse
from smgw.sml.readings import readings
from smgw.sml.telegram import Telegram, TelegramReader

_TICK = 1.0
#: On a line whose speed is known, the rest of a telegram as long as the last one is slept through: half the wake-ups.
_MOST_SLEPT, _MOST_OCTETS = 0.5, 2048  # the kernel holds 4096 octets of a tty
_MARGIN = 0.01


class PushReader(Reader):
    """Listens, and tells when telegrams stop."""

    def _serve(self, port: Port) -> None:
        telegrams = TelegramReader()
        began = self._clock.stamp()  # the telegram's first octets: the meter's values are no younger
        expected = received = 0
        while not self._stop.is_set():
            if not port.wait(_TICK):
                self.watch.tick()
                continue
            now = self._clock.stamp()
            if not telegrams.receiving:
                began, received = now, 0
            octets = port.read()
            events = telegrams.receive(octets)
            if not events and not telegrams.receiving:  # noise, or the first octets of a telegram's start
                port.gather()
                more = port.read()
                octets, events = octets + more, telegrams.receive(more)
            received += len(octets)
            for event in events:
                if isinstance(event, Telegram):
                    self._take(event, began)
                    expected = received
                else:
                    self.watch.refused(event.reason)
                began, received = now, 0  # what follows began in these octets, however long the one before hung
            self.watch.tick()
            if telegrams.receiving:
                port.gather(_rest(port, expected - received))

    def _take(self, telegram: Telegram, stamp: Stamp) -> None:
        self._heard()
        for body in telegram.unread:
            self.watch.refused(body.reason)
        for values in telegram.lists:
            self.watch.good(self._capture(values, stamp), PIN_ADVICE if pin_locked(values.entries) else None)

    def _capture(self, values: GetListResponse, stamp: Stamp) -> Capture:
        profile = self.profile
        wanted = frozenset(map(bytes, profile.objects))
        return Capture(
            profile.name,
            DeviceId(values.server_id),
            stamp,
            values.sensor_time.meter_time() if values.sensor_time else None,
            readings(values.server_id, values.entries, wanted, correct=profile.correct_power_sign),
        )


def _rest(port: Port, octets: int) -> float:
    """How long so many octets still take, if the line has a speed; otherwise the shortest gathering."""
    if not port.paced:
        return GATHER_S
    return min(max(min(octets, _MOST_OCTETS) * port.settings.octet_time + _MARGIN, GATHER_S), _MOST_SLEPT)
