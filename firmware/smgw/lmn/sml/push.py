"""A meter that sends SML telegrams on its own, most often every second through an optical head."""

from smgw.cosem import DeviceId, Stamp
from smgw.lmn.contract import Heard, Surroundings, Values
from smgw.lmn.sml.hidden import Hidden
from smgw.lmn.telegrams import TelegramPush
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.sml.messages import GetListResponse
from smgw.sml.readings import readings
from smgw.sml.telegram import Telegram, TelegramReader
from smgw.wire import Refused


class SmlPush(TelegramPush[Telegram]):
    """Telegrams in; a telegram may hold lists of several devices."""

    pause_s = float("inf")  # a telegram continues when its next octets come; its check sum verifies it

    def __init__(self, profile: MeterProfile, _secrets: Secrets, surroundings: Surroundings) -> None:
        self._wanted = frozenset(map(bytes, profile.objects))
        self._correct = profile.correct_power_sign
        self._hidden = Hidden(profile.name)
        super().__init__(TelegramReader(), surroundings.clock.stamp())

    def _heard(self, telegram: Telegram, began: Stamp) -> list[Heard]:
        heard: list[Heard] = [Refused(body.reason, 0) for body in telegram.unread]
        if telegram.lists:
            heard.append(tuple(self._values(one, began) for one in telegram.lists))
        return heard

    def _values(self, values: GetListResponse, began: Stamp) -> Values:
        advice, remark = self._hidden.notes(values.server_id, values.entries)
        return Values(
            DeviceId(values.server_id),
            began,
            values.sensor_time.meter_time() if values.sensor_time else None,
            readings(values.server_id, values.entries, self._wanted, correct=self._correct),
            values.list_signature,
            advice,
            remark=remark,
        )
