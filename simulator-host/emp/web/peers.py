"""Who sends a request, and whose turn it is: one peer cannot use up what all share."""

import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from typing import TypeVar

from aiohttp import web
from smgw.cosem.device_id import DeviceId
from smgw.webservice.error import ServiceError

_MOST_DEPOSITS = 128  # of one peer, waiting for the writer
_PENALTY = 4  # a refused body costs its peer this many times the time that it took
_LONGEST_S = 10.0
_MOST_PEERS = 1000  # remembered; those with something in progress always are

_Found = TypeVar("_Found")


def name_of(address: str) -> str:
    """The peer behind an address. All addresses of an IPv6 network of 64 bits are one peer."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def peer_of(request: web.Request) -> str:
    """The peer that sent a request."""
    address = request.get_extra_info("peername")
    return name_of(str(address[0])) if address else ""


def turn_of(request: web.Request, gateway: DeviceId | None) -> str:
    """Who takes turns: the gateway of the certificate, so that those behind one address do not wait for each other."""
    return peer_of(request) if gateway is None else str(gateway)


class _Peer:
    """What one peer has in progress."""

    def __init__(self) -> None:
        self.users = 0
        self.decoding = asyncio.Lock()
        self.deposits = asyncio.Semaphore(_MOST_DEPOSITS)
        self.not_before = 0.0


class Turns:
    """Of each peer one body is decoded at a time, and a bounded number of documents waits for the writer."""

    def __init__(self, workers: Executor) -> None:
        self._workers = workers
        self._peers: dict[str, _Peer] = {}

    async def decode(self, peer: str, make: Callable[[], _Found]) -> _Found:
        """Call `make` in a worker. If it raises a ServiceError, the peer's next call waits for a time."""
        loop = asyncio.get_running_loop()
        async with self._using(peer) as state, state.decoding:
            await asyncio.sleep(max(0.0, state.not_before - time.monotonic()))
            spent = 0.0

            def measured() -> _Found:
                nonlocal spent
                begun = time.thread_time()
                try:
                    return make()
                finally:
                    spent = time.thread_time() - begun

            try:
                return await loop.run_in_executor(self._workers, measured)
            except ServiceError:
                state.not_before = time.monotonic() + min(_LONGEST_S, _PENALTY * spent)
                raise

    @asynccontextmanager
    async def deposit(self, peer: str) -> AsyncIterator[None]:
        """A place among the documents that wait for the writer."""
        async with self._using(peer) as state, state.deposits:
            yield

    @asynccontextmanager
    async def _using(self, peer: str) -> AsyncIterator[_Peer]:
        state = self._peers.setdefault(peer, _Peer())
        state.users += 1
        try:
            yield state
        finally:
            state.users -= 1
            if len(self._peers) > _MOST_PEERS:
                now = time.monotonic()
                for name in [name for name, known in self._peers.items() if not known.users and known.not_before < now]:
                    del self._peers[name]
