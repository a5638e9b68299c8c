"""The reader of a meter that sends SML telegrams on its own, most often every second through an optical head."""

from smgw.cosem import Capture, DeviceId, Stamp
from smgw.lmn.reader import Reader
from smgw.ports import Port
from smgw.sml.habits import PIN_ADVICE, pin_locked
from smgw.sml.messages import GetListResponse
from smgw.sml.readings import readings
from smgw.sml.telegram import Telegram, TelegramReader

#: How long octets gather before they are looked at: fewer wake-ups, and still within 0.1 s of the last octet.
GATHER = 0.05
_TICK = 1.0


class PushReader(Reader):
    """Listens, and tells when telegrams stop."""

    def _serve(self, port: Port) -> None:
        telegrams = TelegramReader()
        began = self._clock.stamp()  # the telegram's first octets: the meter's values are no younger
        while not self._stop.is_set():
            if not port.wait(_TICK):
                self.watch.tick()
                continue
            now = self._clock.stamp()
            if not telegrams.receiving:
                began = now
            port.gather(GATHER)
            for event in telegrams.receive(port.read()):
                if isinstance(event, Telegram):
                    self._take(event, began)
                else:
                    self.watch.refused(event.reason)
                began = now  # what follows began in these octets, however long the one before hung
            self.watch.tick()

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
