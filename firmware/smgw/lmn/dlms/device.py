"""The known properties of a DLMS meter: its association, identity, scalers and units, and its clock.

Scalers are cached by logical device name and firmware id: only a new meter or a new firmware is asked again.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import tzinfo
from enum import Enum, auto

from smgw.cosem import AttributeName, DeviceId, Obis, ScalerUnit
from smgw.dlms.apdus.get import Result
from smgw.dlms.apdus.results import DataAccessResult
from smgw.dlms.session.events import Pushed
from smgw.errors import RemoteProtocolError
from smgw.lmn.contract import Surroundings
from smgw.lmn.dlms.objects import (
    DEVICE_NAME,
    FIRMWARE,
    SERIAL,
    pack_scalers,
    read_scaler_unit,
    scaler_unit_of,
    text_of,
    unpack_scalers,
)
from smgw.lmn.dlms.security import Security, options_of
from smgw.lmn.dlms.session import DlmsSession
from smgw.ports import Port
from smgw.profiles.meter import MeterProfile
from smgw.profiles.secrets import Secrets
from smgw.store.records import CacheKind

log = logging.getLogger(__name__)

#: After one of these refusals the object does not exist. Any other refusal may be temporary (R30).
LASTING = frozenset(
    {
        DataAccessResult.READ_WRITE_DENIED,
        DataAccessResult.OBJECT_UNDEFINED,
        DataAccessResult.OBJECT_CLASS_INCONSISTENT,
        DataAccessResult.OBJECT_UNAVAILABLE,
        DataAccessResult.TYPE_UNMATCHED,
        DataAccessResult.SCOPE_OF_ACCESS_VIOLATED,
    }
)


class Way(Enum):
    """The ways to read the buffer of a load profile."""

    RANGE = auto()
    ENTRIES = auto()
    WHOLE = auto()


class DlmsDevice:
    """One meter behind an address. `exchanged` counts how often another meter, or another firmware, answered."""

    def __init__(
        self, profile: MeterProfile, secrets: Secrets, surroundings: Surroundings, pushed: Callable[[Pushed], None]
    ) -> None:
        self.profile = profile
        self.options = options_of(profile)
        self.session = DlmsSession(profile, Security(profile, secrets, surroundings.counters), surroundings, pushed)
        self.zone = _zone(self.options.time_zone)
        self.deviation: int | None = None  # of the meter's clock, in minutes
        self.firmware = b""
        self.exchanged = 0
        self.ways: dict[Obis, Way] = {}  # the way to read each load profile, if not by range
        self._told: set[str] = set()
        self._cache = surroundings.cache
        self._known: tuple[DeviceId, bytes] | None = None
        self._scalers: dict[AttributeName, ScalerUnit] = {}

    @property
    def id(self) -> DeviceId:
        """The identity of the meter; there must have been an association."""
        assert self._known is not None
        return self._known[0]

    @property
    def known(self) -> bool:
        """True after the first association."""
        return self._known is not None

    def open_session(self, port: Port) -> DlmsSession:
        """Open an association; the meter is known afterwards. Raises as `DlmsSession.open`."""
        if not self.session.open_:
            self.session.open(port)
            self._recognise(port)
        return self.session

    def get_list(self, port: Port, attributes: Sequence[AttributeName]) -> list[Result]:
        """Read attributes, in order."""
        return self.open_session(port).get_list(port, attributes)

    def warn_once(self, text: str) -> None:
        """Log a habit of this meter, as a warning at the first time."""
        log.log(logging.DEBUG if text in self._told else logging.WARNING, "meter %s: %s", self.profile.name, text)
        self._told.add(text)

    def scalers(self, port: Port, values: Sequence[AttributeName]) -> dict[AttributeName, ScalerUnit]:
        """Scaler and unit of these values. Unknown ones are read and cached.

        A value whose scaler cannot be read now is left out, because it must not pass as a number without a scaler.
        A value whose scaler is in the profile is not left out (R16).
        """
        asked = {one: place for one in values if one not in self._scalers and (place := scaler_unit_of(one))}
        if asked:
            for one, result in zip(asked, self.get_list(port, list(asked.values())), strict=True):
                if isinstance(result, DataAccessResult):
                    if result in LASTING:
                        self._scalers[one] = ScalerUnit()
                    continue
                try:
                    self._scalers[one] = read_scaler_unit(result)
                except RemoteProtocolError as error:
                    log.warning("meter %s: %s: %s", self.profile.name, one.obis, error)
                    self._scalers[one] = ScalerUnit()
            self._cache.put(CacheKind.SCALER_UNIT, self.id, self.firmware, pack_scalers(self._scalers))
        told = self.profile.corrections.scalers
        return {one: ScalerUnit() for one in values if one.obis in told} | self._scalers

    def _recognise(self, port: Port) -> None:
        """Load the identity of the meter and its cached data."""
        name, firmware = self.session.get_list(port, [DEVICE_NAME, FIRMWARE])
        octets = text_of(name)
        if not octets:
            (serial,) = self.session.get_list(port, [SERIAL])
            # The profile's name identifies a meter that reports no name.
            octets = text_of(serial) or self.profile.name.encode()
        self.firmware = text_of(firmware)
        known = (DeviceId(octets[:64]), self.firmware)
        if known == self._known:
            return
        self._known = known
        self.exchanged += 1
        self.ways, self._told = {}, set()
        cached = self._cache.get(CacheKind.SCALER_UNIT, *known)
        self._scalers = unpack_scalers(cached or b"[]")


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    from zoneinfo import ZoneInfo  # only for a meter that needs it

    return ZoneInfo(name)
