"""Reading one meter once, without a daemon: a poll, or the first telegram that comes."""

from smgw.errors import SmgwError
from smgw.lmn.contract import PolledMeter, PushedMeter, Refused, Surroundings, Values
from smgw.lmn.driver import line_settings
from smgw.lmn.errors import PollError
from smgw.ports import Port, open_port
from smgw.profiles.meter import MeterProfile
from smgw.profiles.protocol import resolve
from smgw.profiles.secrets import Secrets

_TICK = 0.2


def read_once(profile: MeterProfile, secrets: Secrets, surroundings: Surroundings, seconds: float) -> list[Values]:
    """What a meter gives within `seconds`, a device each.

    Raises PollError if nothing comes, with what was refused last; RemoteProtocolError, PortError. A meter that is asked
    is asked again until the time is over, unless it refuses us.
    """
    meter = resolve(profile.entry.meter)(profile, secrets, surroundings)
    ends = surroundings.now() + seconds
    with open_port(profile.port, line_settings(profile)) as port:
        if profile.polled:
            return _polled(port, meter, profile, surroundings, ends)
        return _pushed(port, meter, surroundings, ends, seconds)


def _polled(
    port: Port, meter: PolledMeter, profile: MeterProfile, surroundings: Surroundings, ends: float
) -> list[Values]:
    refused: SmgwError = PollError("no answer")
    try:
        while surroundings.now() < ends:
            try:
                heard = meter.poll(port)
            except PollError as error:
                refused = error
            else:
                if values := [one for one in heard if isinstance(one, Values)]:
                    return values
            meter.listen(port, min(ends, surroundings.now() + profile.interval))
    finally:
        meter.close(port)
    raise refused


def _pushed(port: Port, meter: PushedMeter, surroundings: Surroundings, ends: float, seconds: float) -> list[Values]:
    refused = ""
    while (left := ends - surroundings.now()) > 0:
        if not port.wait(min(left, _TICK)) and not meter.receiving:
            continue
        heard = meter.receive(port.read(), surroundings.clock.stamp())
        if values := [one for one in heard if isinstance(one, Values)]:
            return values
        refused = next((one.reason for one in heard if isinstance(one, Refused)), refused)
    raise PollError(f"no telegram within {seconds:g} s" + (f"; last refused: {refused}" if refused else ""))
