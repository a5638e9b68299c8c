"""A meter that is asked by D0: a read-out for each poll, or its registers one by one in programming mode."""

import logging
from collections.abc import Sequence

from smgw.cosem import DeviceId, Obis
from smgw.errors import RemoteProtocolError
from smgw.iec62056.codes import write_code
from smgw.iec62056.d0.check import Check
from smgw.iec62056.d0.values import values
from smgw.iec62056.data_sets import DataSet, data_sets
from smgw.lmn.contract import Heard, Patience, Surroundings, Values
from smgw.lmn.d0.found import Found, options_of
from smgw.lmn.d0.session import D0Session, is_error
from smgw.lmn.errors import PollError
from smgw.lmn.load_profile import ProfileSource
from smgw.ports import Port
from smgw.profiles.d0 import Codes, Way
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.store.ranges import Range

log = logging.getLogger(__name__)

_IDENTITIES = (Obis.parse("0-0:96.1.0"), Obis.parse("1-0:0.0.0"))


class D0Poll:
    """One meter behind a head or on a line."""

    unanswered = False  # each poll begins with a sign-on

    def __init__(self, profile: MeterProfile, secrets: Secrets, surroundings: Surroundings) -> None:
        self.profile = profile
        self._options = options_of(profile)
        self._clock = surroundings.clock
        self._session = D0Session(profile, secrets, surroundings)
        self._found = Found(profile)
        self._device: DeviceId | None = None
        self._identity: tuple[DataSet, ...] = ()  # read in this session of programming mode
        self._missing_told = False

    @property
    def idle_s(self) -> float:
        """Meters end programming mode after 60 to 120 s without a request."""
        return 45.0 if self._session.programming else float("inf")

    @property
    def patience(self) -> Patience:
        """The time-out of an answer."""
        return self._session.patience

    @patience.setter
    def patience(self, patience: Patience) -> None:
        self._session.patience = patience

    def identify(self, port: Port) -> DeviceId:
        """The identity of the meter at this port."""
        if self._device is None:
            self._device = self._values(port).device
        return self._device

    def poll(self, port: Port) -> Sequence[Heard]:
        """One poll. Raises PollError, RemoteProtocolError, PortError."""
        found = self._values(port)
        self._device = found.device
        if not found.readings:
            raise PollError("the meter sends none of the wanted objects" if self.profile.objects else "no values came")
        self._tell_missing(found)
        return [(found,)]

    def load_profile(self, profile: Obis, wanted: Range) -> ProfileSource:
        """Begin to fetch a range (microseconds UTC) of a load profile."""
        from smgw.lmn.d0.load_profile import D0Profile  # few profiles name one

        return D0Profile(self._session, self.profile, profile, wanted)

    def listen(self, port: Port, until: float) -> Sequence[Heard]:
        """Wait until a moment. A late answer is dropped."""
        self._session.wait(port, until)
        return []

    def close(self, port: Port) -> None:
        """End the session; the next verb begins anew."""
        self._session.close(port)
        self._device = None

    def _values(self, port: Port) -> Values:
        if self._options.read is Way.REGISTERS:
            return self._registers(port)
        one = self._session.read_out(port)
        return self._found.of(one, self._session.answered or self._clock.stamp())

    def _registers(self, port: Port) -> Values:
        if not self._session.programming:
            self._identity = ()
            self._session.enter(port)
        stamp = self._clock.stamp()
        self._identity = self._identity or tuple(one for obis in _IDENTITIES for one in self._register(port, obis))
        sets = [one for obis in self.profile.objects for one in self._register(port, obis)]
        told = values((*sets, *self._identity), self._options.group_a, frozenset(map(bytes, self.profile.objects)))
        return self._found.made(told, stamp, Check.BCC)

    def _register(self, port: Port, obis: Obis) -> list[DataSet]:
        """The register as a data set with its long code; none if the meter refuses it."""
        code = write_code(obis, long=self._options.codes is Codes.LONG)
        data = self._session.ask(port, self._options.register_command, f"{code}()")
        if is_error(data):
            log.debug("meter %s: %s: %r", self.profile.name, code, data)
            return []
        sets = data_sets(data)
        if len(sets) != 1:
            raise RemoteProtocolError(f"{code}: {len(sets)} data sets came for one register")
        if sets[0].code and sets[0].code.removesuffix("*255") not in (code, code.removesuffix("*255")):
            raise RemoteProtocolError(f"{code}: the answer is that of {sets[0].code}")
        return [DataSet(write_code(obis, long=True), sets[0].groups)]

    def _tell_missing(self, found: Values) -> None:
        have = {one.obis for one in found.readings}
        missing = [str(obis) for obis in self.profile.objects if obis not in have]
        if missing and not self._missing_told:
            log.warning(
                "meter %s: %s has no %s", self.profile.name, found.device, ", ".join(missing),
                extra={"event": "object-missing", "METER": self.profile.name, "OBIS": missing},
            )  # fmt: skip
        self._missing_told = bool(missing)
