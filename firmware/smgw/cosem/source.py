"""The source of a row: a device behind a meter profile."""

from typing import NamedTuple

from smgw.cosem.device_id import DeviceId


class Source(NamedTuple):
    """One device behind a meter profile. Each source has its own cursor, grid and newest row."""

    meter: str  # name of the meter profile
    device: DeviceId
