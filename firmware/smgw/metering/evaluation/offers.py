"""What a row of a meter offers to an evaluation: the values of its measured registers, if they count."""

from smgw.cosem.data import RANGE
from smgw.cosem.device_id import DeviceId
from smgw.cosem.reading import Reading, meter_status
from smgw.metering.evaluation.counting import counts
from smgw.metering.evaluation.evaluation import Offer
from smgw.profiles.evaluation import EvaluationProfile

_SECOND = 1_000_000
_VALUE = 2  # attribute of a register


def offers(
    profile: EvaluationProfile,
    place: int,
    device: DeviceId,
    target_time_us: int,
    gateway_status: int,
    readings: tuple[Reading, ...],
    came_us: int = 0,
) -> list[Offer | None]:
    """An offer for each measured register of a profile; None: the row does not have it. `place`: of its meter.
    `came_us`: when the gateway got the row.

    A gap row has null-data as value, which does not count.
    """
    valid = counts(gateway_status, meter_status(readings))
    found: list[Offer | None] = []
    for measured in profile.objects:
        one = next((one for one in readings if one.obis == measured and one.attribute == _VALUE), None)
        if one is None:
            found.append(None)
            continue
        value = one.value.value if valid and one.value.type in RANGE else None
        number = value if isinstance(value, int) else None
        found.append(
            Offer(place, device.hex(), target_time_us // _SECOND, number, one.scaler, one.unit, came_us // _SECOND)
        )
    return found
