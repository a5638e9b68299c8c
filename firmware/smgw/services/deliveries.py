"""The deliveries of a configuration: the order of each dispatcher, and their states."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from smgw.cosem import DeviceId
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.feed import Grant, grants, requested_grants
from smgw.profiles.gateway import Configuration
from smgw.profiles.keys import KeysProfile
from smgw.wan.dispatcher import Dispatcher


class Order(NamedTuple):
    """The order of a dispatcher. If it changes, a new dispatcher continues where this one ended."""

    gateway: DeviceId
    emp: CommunicationProfile  # without `meters`, which the grants contain
    granted: tuple[Grant, ...]
    keys: KeysProfile = KeysProfile()  # who holds the gateway's private keys
    directory: Path = Path()  # where the configuration stands
    requested: tuple[Grant, ...] = ()  # rows that go by the order of a person alone


def orders_of(configuration: Configuration) -> Iterator[Order]:
    """One for each EMP."""
    granted, requested = grants(configuration), requested_grants(configuration)
    for emp in configuration.emps:
        own = tuple(grant for grant in granted if grant.who == emp.name)
        order = Order(configuration.gateway.device_id, emp._replace(meters=()), own)
        order = order._replace(requested=tuple(grant for grant in requested if grant.who == emp.name))
        if emp.options is not None:  # of an outlet that may use keys
            order = order._replace(keys=configuration.keys, directory=configuration.directory)
        yield order


def deliveries_in_words(dispatchers: Mapping[str, Dispatcher]) -> str:
    """`2 EMPs: lab idle, utility backing-off`."""
    states = ", ".join(f"{name} {dispatcher.state}" for name, dispatcher in dispatchers.items())
    return f"{len(dispatchers)} EMPs: {states}" if states else "no EMP configured"
