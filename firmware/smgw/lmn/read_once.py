"""Reading one meter once, without a daemon: a poll, or the first telegram that comes."""

from collections.abc import Sequence

from smgw.lmn.contract import Heard, PolledMeter, PushedMeter, Surroundings, Values
from smgw.lmn.driver import line_settings
from smgw.lmn.errors import NoAnswerError, PollError, StoppedError
from smgw.lmn.judging import judged
from smgw.ports import Port, Wake, open_port
from smgw.profiles.entries import resolve
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.wire import Refused

_TICK = 0.2


def read_once(
    profile: MeterProfile, secrets: Secrets, surroundings: Surroundings, wake: Wake, seconds: float
) -> list[Values]:
    """What a meter gives, a device each. `wake` is set when the time of `seconds` is over.

    Raises PollError if nothing comes, with what was refused last; RemoteProtocolError, PortError. A meter that is asked
    is asked again until the time is over, unless it refuses us.
    """
    meter = resolve(profile.entry.meter)(profile, secrets, surroundings)
    with open_port(profile.port, line_settings(profile), wake) as port:
        found, refused = (_polled if profile.polled else _pushed)(port, meter, profile, surroundings)
    if not found:
        nothing = "no answer" if profile.polled else "no telegram"
        raise PollError(f"{nothing} within {seconds:g} s" + (f"; last refused: {refused}" if refused else ""))
    return [judged(one, profile.corrections)[0] for one in found]


def _polled(
    port: Port, meter: PolledMeter, profile: MeterProfile, surroundings: Surroundings
) -> tuple[list[Values], str]:
    refused = ""
    try:
        while not surroundings.stopping():
            try:
                if values := values_in(meter.poll(port)):
                    return values, ""
            except StoppedError:
                break
            except NoAnswerError as error:
                refused = str(error)
            meter.listen(port, surroundings.now() + profile.interval)
    finally:
        meter.close(port)
    return [], refused


def _pushed(
    port: Port, meter: PushedMeter, _profile: MeterProfile, surroundings: Surroundings
) -> tuple[list[Values], str]:
    refused, last = "", surroundings.now()
    while not surroundings.stopping():
        if port.wait(_TICK):
            stamp, last = surroundings.clock.stamp(), surroundings.now()
            heard = meter.receive(port.read(), stamp)
        elif meter.receiving and surroundings.now() - last >= meter.pause_s:
            heard = meter.finish()
        else:
            continue
        if values := values_in(heard):
            return values, ""
        refused = next((one.reason for one in heard if isinstance(one, Refused)), refused)
    return [], refused


def values_in(heard: Sequence[Heard]) -> list[Values]:
    """The values of the first telegram that has any."""
    return next((list(one) for one in heard if not isinstance(one, Refused)), [])
