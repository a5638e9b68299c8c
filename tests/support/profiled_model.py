"""A meter that is polled and has a load profile, for `line_meter.PolledMeter`."""

from collections.abc import Iterable

from captures_made import DEVICE
from line_meter import Model
from profile_meter import QUARTER, ProfileMeter, row
from smgw.cosem import DeviceId
from smgw.sml.messages import ListEntry

__all__ = ["QUARTER", "ProfiledModel"]


class ProfiledModel(Model, ProfileMeter):
    """A row for each of these seconds since 1970, which its first value repeats."""

    device: DeviceId = DEVICE

    def __init__(self, seconds: Iterable[int], **options: object) -> None:
        Model.__init__(self)
        ProfileMeter.__init__(self, [row(one) for one in seconds], **options)  # type: ignore[arg-type]
        self.server_id = DEVICE

    def entries(self) -> tuple[ListEntry, ...]:
        return Model.entries(self)
