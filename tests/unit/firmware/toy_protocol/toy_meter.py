"""A toy protocol: the gateway sends a greeting, the meter answers `<device> <Wh>` and a line end."""

import re
from collections.abc import Iterator, Sequence

from smgw.cosem import DeviceId, Obis, Reading, integer
from smgw.dump.printer import Options
from smgw.lmn.contract import Heard, Patience, Surroundings, Values
from smgw.lmn.errors import NoAnswerError, PollError
from smgw.lmn.load_profile import ProfileSource
from smgw.lmn.scan import Ask, Found, Scan
from smgw.ports import Port
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.store.ranges import Range

ENERGY = Obis.parse("1-0:1.8.0")
WATT_HOUR = 30
_ANSWER = re.compile(rb"(\w+) (\d+)\n")


class ToyMeter:
    """Keeps the contract PolledMeter."""

    idle_s = float("inf")
    unanswered = False

    def __init__(self, profile: MeterProfile, _secrets: Secrets, surroundings: Surroundings) -> None:
        self.patience = Patience(profile.timeout, profile.retries)
        self._greeting = profile.options.greeting if profile.options else "?"
        self._clock, self._now = surroundings.clock, surroundings.now

    def identify(self, port: Port) -> DeviceId:
        return self._ask(port).device

    def poll(self, port: Port) -> Sequence[Heard]:
        return [(self._ask(port),)]

    def load_profile(self, profile: Obis, wanted: Range) -> ProfileSource:
        raise PollError(f"a toy has no load profile {profile}")

    def listen(self, port: Port, until: float) -> Sequence[Heard]:
        port.gather(max(0.0, until - self._now()))
        return []

    def close(self, port: Port) -> None:
        """There is no session."""

    def _ask(self, port: Port) -> Values:
        port.write(self._greeting.encode())
        due, answer = self._now() + self.patience.timeout, b""
        while (left := due - self._now()) > 0:
            if port.wait(left):
                stamp = self._clock.stamp()
                answer += port.read()
                if found := _ANSWER.search(answer):
                    reading = Reading(ENERGY, integer(int(found[2]), 8, signed=False), 0, WATT_HOUR)
                    return Values(DeviceId(found[1]), stamp, None, (reading,))
            else:
                break
        raise NoAnswerError(f"no answer within {self.patience.timeout:g} s")


def _scan(scan: Scan) -> Iterator[Found]:
    profile = scan.candidate("toy")
    scan.say("toy, greeted")
    meter = ToyMeter(profile, Secrets(), scan.surroundings)
    with scan.open(profile) as port:
        try:
            yield Found(profile, meter.identify(port).decode())
        except NoAnswerError:
            return


SCAN = Ask(0, _scan)


class ToyPrinter:
    """Keeps the contract of `smgw.dump.printer.Printer`."""

    def __init__(self, options: Options) -> None:
        self._most = options.most
        self.delivered = 0

    @property
    def enough(self) -> bool:
        return bool(self._most) and self.delivered >= self._most

    def receive(self, data: bytes) -> bool:
        found = _ANSWER.findall(data)
        for device, energy in found:
            self.delivered += 1
            print(f"toy {device.decode()}: {energy.decode()} Wh")
        return bool(found)

    def finish(self) -> None:
        """Nothing is held back."""

    def summary(self) -> None:
        """Nothing to add."""


def make_printer(options: Options) -> ToyPrinter:
    return ToyPrinter(options)
