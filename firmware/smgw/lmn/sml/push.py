"""A meter that sends SML telegrams on its own, most often every second through an optical head."""

from collections.abc import Sequence

from smgw.cosem import DeviceId, Stamp
from smgw.lmn.contract import Heard, Surroundings, Values
from smgw.lmn.sml.hidden import Hidden
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.sml.messages import GetListResponse
from smgw.sml.readings import readings
from smgw.sml.telegram import Telegram, TelegramReader
from smgw.wire import Refused


class SmlPush:
    """Telegrams in; a telegram may hold lists of several devices."""

    pause_s = float("inf")  # a telegram continues when its next octets come; its check sum verifies it

    def __init__(self, profile: MeterProfile, _secrets: Secrets, surroundings: Surroundings) -> None:
        self._wanted = frozenset(map(bytes, profile.objects))
        self._correct = profile.correct_power_sign
        self._hidden = Hidden(profile.name)
        self._telegrams = TelegramReader()
        self._began = surroundings.clock.stamp()
        self._expected = self._received = 0

    @property
    def receiving(self) -> bool:
        """True while a telegram is unfinished."""
        return self._telegrams.receiving

    @property
    def lacks(self) -> int:
        """Missing octets until the telegram is as long as the one before."""
        return max(0, self._expected - self._received) if self.receiving else 0

    def receive(self, octets: bytes, stamp: Stamp) -> Sequence[Heard]:
        """Take octets; the lists of the telegrams that they completed."""
        if not self._telegrams.receiving:
            self._began, self._received = stamp, 0
        self._received += len(octets)
        heard: list[Heard] = []
        for event in self._telegrams.receive(octets):
            if isinstance(event, Telegram):
                heard += [Refused(body.reason, 0) for body in event.unread]
                if event.lists:
                    heard.append(tuple(map(self._values, event.lists)))
                self._expected = self._received
            else:
                heard.append(event)
            # The next telegram began in these octets, however long the one before took.
            self._began, self._received = stamp, 0
        return heard

    def finish(self) -> Sequence[Heard]:
        """Refuse an unfinished telegram."""
        return [event for event in self._telegrams.finish() if isinstance(event, Refused)]

    def _values(self, values: GetListResponse) -> Values:
        advice, remark = self._hidden.notes(values.server_id, values.entries)
        return Values(
            DeviceId(values.server_id),
            self._began,
            values.sensor_time.meter_time() if values.sensor_time else None,
            readings(values.server_id, values.entries, self._wanted, correct=self._correct),
            values.list_signature,
            advice,
            remark=remark,
        )
