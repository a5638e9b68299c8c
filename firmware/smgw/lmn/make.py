"""The reader for a meter profile."""

from collections.abc import Callable

from smgw.cosem import DeviceId
from smgw.lmn.load_profile import ProfileKeeper
from smgw.lmn.poll import PollReader
from smgw.lmn.push import PushReader
from smgw.lmn.reader import Reader
from smgw.lmn.sink import Clock, Sink
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets


def make_reader(
    profile: MeterProfile,
    clock: Clock,
    sink: Sink,
    secrets: Secrets,
    *,
    cached: Callable[[DeviceId, bytes], bytes | None] | None = None,
    keeper: ProfileKeeper | None = None,
) -> Reader:
    """What reads this meter.

    `cached` gives the object list kept for a device and firmware; without `keeper` no load profile is fetched.
    """
    if not profile.polled:
        return PushReader(profile, clock, sink)
    return PollReader(profile, clock, sink, secrets.password, cached, keeper)
