"""Makes a line from its configuration."""

import threading
from collections.abc import Sequence

from smgw.lmn.contract import Surroundings
from smgw.lmn.driver import Driver
from smgw.lmn.load_profile import ProfileKeeper
from smgw.lmn.push_line import PushLine
from smgw.lmn.sink import Sink
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets


def make_driver(
    line: Sequence[tuple[MeterProfile, Secrets]],
    surroundings: Surroundings,
    sink: Sink,
    keeper: ProfileKeeper | None = None,
) -> Driver | PushLine:
    """What reads the meters of one port: with a thread of its own, or in the loop. Imports only their protocol.

    Without `keeper` no load profile is fetched; without counters in the surroundings no ciphered meter is polled.
    """
    (profile, secrets), *others = line
    stop = threading.Event()
    surroundings = surroundings._replace(stopping=stop.is_set)
    if not profile.polled:
        assert not others or profile.entry.line, "meters of this protocol share no port"
        return PushLine(profile, secrets, surroundings, sink, stop, others)
    from smgw.lmn.polling import PollingDriver  # a gateway with pushing meters does not load the polling side

    return PollingDriver(line, surroundings, sink, keeper, stop)
