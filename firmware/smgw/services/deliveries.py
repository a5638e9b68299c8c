"""The deliveries of a configuration: what each dispatcher works by, and how they fare."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from smgw.cosem import DeviceId
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.gateway import Configuration
from smgw.profiles.meter import MeterProfile
from smgw.wan.dispatcher import Dispatcher


class Order(NamedTuple):
    """All that a dispatcher works by: if any of it changes, another dispatcher takes over where this one ended."""

    gateway: DeviceId
    emp: CommunicationProfile
    meters: tuple[MeterProfile, ...]


def orders_of(configuration: Configuration) -> Iterator[Order]:
    """One for each EMP."""
    for emp in configuration.emps:
        yield Order(configuration.gateway.device_id, emp, configuration.meters_for(emp))


def deliveries_in_words(dispatchers: Mapping[str, Dispatcher]) -> str:
    """`2 EMPs: lab idle, utility backing-off`."""
    states = ", ".join(f"{name} {dispatcher.state}" for name, dispatcher in dispatchers.items())
    return f"{len(dispatchers)} EMPs: {states}" if states else "no EMP configured"
