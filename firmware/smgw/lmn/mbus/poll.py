"""A meter on an M-Bus: its telegrams, read one after the other, are one set of values."""

from collections.abc import Sequence

from smgw.cosem import DeviceId, Obis, Stamp
from smgw.lmn.contract import Heard, Patience, Surroundings
from smgw.lmn.errors import NoAnswerError, PollError
from smgw.lmn.load_profile import ProfileSource
from smgw.lmn.mbus.content import Content
from smgw.lmn.mbus.line import MBusLine
from smgw.mbus.master import Address, DamagedError, Master, Secondary, SilentError
from smgw.mbus.telegram import ApplicationError, Telegram
from smgw.ports import Port
from smgw.profiles.mbus import MBusProfile
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.store.ranges import Range

_TOO_OFTEN = 9
_LATE_S = 60.0  # a read-out may have begun so late, because of other meters; the next one is on time
_REST_S = 3600.0  # for a meter that says it was read too often


class MBusPoll:
    """One meter. A read-out begins anew each time, so there is no session to keep."""

    idle_s = float("inf")
    unanswered = False  # octets from before a request are dropped

    def __init__(self, profile: MeterProfile, secrets: Secrets, surroundings: Surroundings) -> None:
        self.profile = profile
        self._options = profile.options if isinstance(profile.options, MBusProfile) else MBusProfile()
        self._content = Content(profile, self._options.medium)
        self._clock = surroundings.clock
        self._now = surroundings.now
        self._stopping = surroundings.stopping
        self._line = MBusLine(surroundings, profile.timeout)
        self._master = Master(profile.retries, secrets.get("encryption_key"))
        self._rested = float("-inf")  # when the meter may be read again
        self.patience = Patience(profile.timeout, profile.retries)

    @property
    def _address(self) -> Address:
        options = self._options
        if not options.secondary:
            return options.station
        return Secondary.parse(options.secondary)._replace(fabrication=options.fabrication.upper())

    def identify(self, port: Port) -> DeviceId:
        """The identity of the meter that answers."""
        return self._content.device(self._read(port, 1)[0])

    def poll(self, port: Port) -> Sequence[Heard]:
        """Read all telegrams of the meter; nothing if its battery needs a rest."""
        if self._now() < self._rested:
            return []
        began, pause = self._now(), self._options.pause
        telegrams = self._read(port)
        stamp = self._begun or self._clock.stamp()
        self._rested = began + pause - min(pause / 10, _LATE_S)
        return [(self._content.values(telegrams, stamp),)]

    def load_profile(self, profile: Obis, _wanted: Range) -> ProfileSource:
        """M-Bus has none."""
        raise PollError(f"an M-Bus meter has no load profile {profile}")

    def listen(self, port: Port, until: float) -> Sequence[Heard]:
        """Wait; drop what comes unasked."""
        while not self._stopping() and (left := until - self._now()) > 0:
            if port.wait(left):
                port.gather()
                port.read()
        return []

    def close(self, _port: Port) -> None:
        """There is no session."""

    def _read(self, port: Port, most: int = 0) -> list[Telegram]:
        line, master = self._line, self._master
        line.timeout, master.retries = self.patience
        self._begun: Stamp | None = None
        options = (self._options.subcode, most) if most else (self._options.subcode,)
        try:
            telegrams = line.run(port, master.read(self._address, *options))
        except SilentError as error:
            raise NoAnswerError(
                f"{error} within {self.patience.timeout:g} s, asked {self.patience.retries + 1} times"
            ) from None
        except DamagedError as error:
            raise PollError(str(error)) from None
        except ApplicationError as error:
            if error.code == _TOO_OFTEN:
                self._rested = self._now() + _REST_S
                raise PollError(f"{error}; it is asked again in an hour; write a longer interval") from None
            raise
        self._begun = line.answered
        return telegrams
