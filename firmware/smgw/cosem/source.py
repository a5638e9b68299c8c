"""Whose values a row holds."""

from typing import NamedTuple

from smgw.cosem.device_id import DeviceId


class Source(NamedTuple):
    """One device that a meter profile brought: whose rows have a cursor, a grid and a newest one of their own."""

    meter: str  # name of the meter profile
    device: DeviceId
