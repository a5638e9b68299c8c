"""The reader for a meter profile."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from smgw.cosem import DeviceId
from smgw.lmn.load_profile import ProfileKeeper
from smgw.lmn.push import PushReader
from smgw.lmn.reader import Reader
from smgw.lmn.sink import Clock, Sink
from smgw.profiles.meter import MeterProfile, Protocol
from smgw.profiles.secrets import Secrets
from smgw.store.records import CacheKind

if TYPE_CHECKING:
    from smgw.lmn.dlms_security import CounterKeeper


def make_reader(
    profile: MeterProfile,
    clock: Clock,
    sink: Sink,
    secrets: Secrets,
    *,
    cached: Callable[[CacheKind, DeviceId, bytes], bytes | None] | None = None,
    keeper: ProfileKeeper | None = None,
    counters: "CounterKeeper | None" = None,
) -> Reader:
    """What reads this meter.

    `cached` gives what is kept for a device and firmware; without `keeper` no load profile is fetched, without
    `counters` no ciphered meter is asked.
    """
    if profile.protocol is Protocol.DLMS:
        from smgw.lmn.dlms_poll import DlmsReader  # a gateway without DLMS meters does not carry DLMS

        return DlmsReader(profile, secrets, clock, sink, cached, keeper, counters)
    if profile.protocol is Protocol.DLMS_PUSH:
        from smgw.lmn.dlms_push import DlmsPushReader

        return DlmsPushReader(profile, secrets, clock, sink)
    if not profile.polled:
        return PushReader(profile, clock, sink)
    from smgw.lmn.poll import PollReader  # a gateway whose meters push does not carry the asking side

    return PollReader(profile, clock, sink, secrets.password, cached, keeper)
