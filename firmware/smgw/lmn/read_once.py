"""Reads one meter once, without a daemon: a poll, or the first telegram."""

from collections.abc import Sequence

from smgw.lmn.contract import Heard, PolledMeter, PushedMeter, Surroundings, Values
from smgw.lmn.driver import line_settings, security_of
from smgw.lmn.errors import NoAnswerError, PollError, StoppedError
from smgw.lmn.judging import judged
from smgw.lmn.listening import Listening, turns
from smgw.lmn.unread import UnreadLine
from smgw.ports import Port, Wake, open_port
from smgw.profiles.entries import resolve
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.wire import Refused

_SLACK_S = 0.5


def read_once(
    profile: MeterProfile, secrets: Secrets, surroundings: Surroundings, wake: Wake, seconds: float
) -> list[Values]:
    """What a meter gives, a device each. `wake` is set when the time of `seconds` is over.

    Raises PollError if nothing comes, with what was refused last or what the octets look like; RemoteProtocolError,
    PortError. A meter that is asked is asked again until the time is over, unless it refuses us.
    """
    meter = resolve(profile.entry.meter)(profile, secrets, surroundings)
    unread = UnreadLine(profile, surroundings.now)
    began = surroundings.now()
    security = security_of([profile], surroundings)
    with open_port(profile.port, line_settings(profile), wake, security) as port:
        port.tap = unread.take
        found, refused = (_polled if profile.polled else _pushed)(port, meter, profile, surroundings)
    if not found:
        nothing = "no answer" if profile.polled else "no telegram"
        if surroundings.now() - began >= seconds - _SLACK_S:  # not if the wait ended early
            nothing += f" within {seconds:g} s"
        raise PollError("; ".join(filter(None, (nothing, _why(unread, refused, seconds)))))
    return [judged(one, profile.corrections)[0] for one in found]


def _why(unread: UnreadLine, refused: str, seconds: float) -> str:
    if finding := unread.finding(seconds):
        return f"{finding.amount} came: {finding.look}"
    return f"last refused: {refused}" if refused else ""


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


class _First:
    """Holds the first values, and the reason why an earlier telegram gave none."""

    def __init__(self) -> None:
        self.values: list[Values] = []
        self.refused = ""

    def heard(self, heard: Sequence[Heard]) -> bool:
        self.values = self.values or values_in(heard)
        self.refused = next((one.reason for one in heard if isinstance(one, Refused)), self.refused)
        return bool(self.values)

    def tick(self) -> None:
        """Does nothing."""


def _pushed(
    port: Port, meter: PushedMeter, profile: MeterProfile, surroundings: Surroundings
) -> tuple[list[Values], str]:
    first = _First()
    if opening := profile.entry.opening(profile.options):
        port.write(opening)
    line = Listening(meter, first, surroundings)
    for heard in turns(line, port, surroundings.now, surroundings.stopping):
        if heard:
            break
    return first.values, first.refused


def values_in(heard: Sequence[Heard]) -> list[Values]:
    """The values of the first telegram with values."""
    return next((list(one) for one in heard if not isinstance(one, Refused)), [])
