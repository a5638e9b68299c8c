"""Which gateway sends a request, and which resources are its own.

With TLS the certificate of the connection says which gateway it is. It reads, writes and deletes its own resources;
those of others do not exist for it. A device is a gateway's own if no other gateway has delivered it. A gateway may
also write a device that others delivered before, if it did so too, or if none of the others is known any more.
A pseudonym is its own if it delivered under it first.
"""

import logging
from collections.abc import Collection
from typing import Any, cast

from aiohttp import web
from smgw.cosem.device_id import DeviceId
from smgw.trust.certificate import Purpose
from smgw.trust.errors import TrustError
from smgw.webservice.error import Forbidden, NotFound

from emp.store.storage import Storage
from emp.trust.expiry import Expiries
from emp.trust.room import Room
from emp.trust.senders import sender_of
from emp.web.guard import Guard
from emp.web.handshakes import one_line
from emp.web.seldom import Seldom

_LOG = logging.getLogger(__name__)


class Gatekeeper:
    """Says who sends a request. Here nobody knows (plain HTTP): who reads or deletes needs what the guard asks for."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    async def admit(self, request: web.Request) -> None:
        """Unauthorized, Forbidden or ServiceUnavailable unless the request may read and delete."""
        await self._guard.admit(request)

    def refuse_other_sites(self, request: web.Request) -> None:
        """Forbidden for requests that a page of another site caused."""
        self._guard.refuse_other_sites(request)

    async def admit_delivery(self, request: web.Request) -> None:
        """Forbidden for a delivery under a name that is not this computer's."""
        self._guard.refuse_other_names(request)

    def gateway(self, request: web.Request) -> DeviceId | None:  # noqa: ARG002
        """The gateway that sends a request; None: nobody knows."""
        return None

    def former(self, owners: Collection[DeviceId]) -> frozenset[DeviceId]:  # noqa: ARG002
        """Those of a device's gateways whose devices may go to another gateway."""
        return frozenset()


class PeopleGatekeeper(Gatekeeper):
    """For users: what they bring they must be allowed to bring, and its seal says which gateway made it."""

    async def admit_delivery(self, request: web.Request) -> None:
        """See the base class."""
        await self._guard.admit(request)


class CertificateGatekeeper(Gatekeeper):
    """With TLS each connection has the certificate of a gateway, which needs no password."""

    def __init__(self, guard: Guard, room: Room, expiries: Expiries) -> None:
        super().__init__(guard)
        self._room = room
        self._expiries = expiries
        self._told = Seldom(_LOG)

    async def admit(self, request: web.Request) -> None:
        """See the base class: a gateway may, and finds only its own."""

    async def admit_delivery(self, request: web.Request) -> None:
        """See the base class: no page of another site has the certificate of a gateway."""

    def gateway(self, request: web.Request) -> DeviceId | None:
        """See the base class. Forbidden if the certificate is no longer believed: revoked or expired meanwhile."""
        connection = request.get_extra_info("ssl_object")
        try:
            self._room.believe(connection.peer, Purpose.TLS)
        except TrustError as error:
            owner = connection.peer.subject.owner
            self._told.say(logging.WARNING, owner, "gateway %s: its connection ends: %s", owner, one_line(str(error)))
            raise Forbidden("not accepted", {"Connection": "close"}) from None
        found = sender_of(connection.peer)
        self._expiries.note_client(found, connection.peer.not_after_s)
        return found

    def former(self, owners: Collection[DeviceId]) -> frozenset[DeviceId]:
        """See the base class: gateways without a certificate that is still believed."""
        return frozenset(owner for owner in owners if not self._room.knows(owner))


class _OwnResources:
    """A store as one gateway sees it."""

    def __init__(self, storage: Storage, gateway: DeviceId) -> None:
        self._storage = storage
        self._gateway = gateway

    def devices(self) -> list[DeviceId]:
        return self._storage.devices(self._gateway)

    def has(self, device: DeviceId) -> bool:
        return delivers(self._storage, device, self._gateway) and len(self._storage.gateways_of(device)) <= 1

    def has_gateway(self, gateway: DeviceId) -> bool:
        return gateway == self._gateway and self._storage.has_gateway(gateway)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)


def own_resources(storage: Storage, gateway: DeviceId | None) -> Storage:
    """A store in which the devices of other gateways do not exist; None: all of it."""
    return storage if gateway is None else cast("Storage", _OwnResources(storage, gateway))


def delivers(storage: Storage, device: DeviceId, gateway: DeviceId) -> bool:
    """True if a gateway delivers a device, perhaps beside others. The id of a gateway is that gateway's only."""
    if storage.is_claimed(device, gateway):
        return True
    if device != gateway and storage.has_gateway(device):
        return False
    return gateway in storage.gateways_of(device)


def missing(device: DeviceId | None) -> NotFound:
    """The answer for a device that is not here, or that belongs to another gateway."""
    return NotFound(f"no device {device} is known here")
