"""The gateway's own profile, and the configuration that holds all profiles."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from smgw.cosem.device_id import DeviceId
from smgw.profiles import checks
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.content import canonical
from smgw.profiles.meter import MeterProfile
from smgw.profiles.section import Key, section

_MEDIUM_COMMUNICATION = 0xE  # DIN 43863-5: devices that communicate, such as gateways
_EXAMPLE = "ESMG0000000001"


class RetentionProfile(NamedTuple):
    """How long the store keeps what it holds; rows that no EMP has yet may stay longer, up to `undelivered_mb`."""

    grid_months: int = 24  # values on the grid of a registration period
    daily_weeks: int = 6
    live_days: int = 7  # a value of every telegram
    undelivered_mb: int = 512  # 10^6 octets


class GatewayProfile(NamedTuple):
    """The gateway itself."""

    device_id: DeviceId
    ntp: tuple[str, ...] = ()  # host or host:port; empty: the time is never synchronised
    retention: RetentionProfile = RetentionProfile()

    def content(self) -> str:
        """Canonical JSON: the version of this profile."""
        return canonical(self)


class Configuration(NamedTuple):
    """All profiles of one gateway. Names are unique, every EMP names only meters that are here."""

    gateway: GatewayProfile
    meters: tuple[MeterProfile, ...]
    emps: tuple[CommunicationProfile, ...] = ()
    directory: Path = Path()  # where the file stands: relative paths in it start here

    def meter(self, name: str) -> MeterProfile:
        """The meter of that name; KeyError if there is none."""
        for meter in self.meters:
            if meter.name == name:
                return meter
        raise KeyError(name)

    def emp(self, name: str) -> CommunicationProfile:
        """The EMP of that name; KeyError if there is none."""
        for emp in self.emps:
            if emp.name == name:
                return emp
        raise KeyError(name)

    def meters_for(self, emp: CommunicationProfile) -> tuple[MeterProfile, ...]:
        """The meters whose readings this EMP may have, in the order of the file."""
        return tuple(meter for meter in self.meters if not emp.meters or meter.name in emp.meters)


def _retention(values: Mapping[str, Any]) -> RetentionProfile:
    return RetentionProfile(**values)


RETENTION_KEYS: Mapping[str, Key] = {
    "grid_months": Key(checks.integer(1, 240, "months")),
    "daily_weeks": Key(checks.integer(1, 1040, "weeks")),
    "live_days": Key(checks.integer(1, 3650, "days")),
    "undelivered_mb": Key(checks.integer(1, 1_000_000, "MB")),
}

KEYS: Mapping[str, Key] = {
    "device_id": Key(checks.device_id(_EXAMPLE, _MEDIUM_COMMUNICATION), needed=f'"{_EXAMPLE}"'),
    "ntp": Key(checks.array('an array of hosts, such as ["ntp.example.org"]', checks.host)),
    "retention": Key(section(RETENTION_KEYS, _retention)),
}


def build(values: Mapping[str, Any]) -> GatewayProfile:
    """The profile of checked values."""
    return GatewayProfile(**values)
