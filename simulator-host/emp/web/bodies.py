"""Bodies of requests: their type and length, how they arrive, and what is in them, bare or sealed (CMS).

Content-Encoding of a sealed body: the content was compressed before it was sealed (TR-03109-1 Annex II, 7.3).
"""

import logging
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from aiohttp import web
from smgw.cosem.data import Data
from smgw.cosem.device_id import DeviceId
from smgw.cosemxml import document, reader
from smgw.cosemxml.document import Document
from smgw.cosemxml.error import CosemXmlError
from smgw.cosemxml.resources import MethodRequest, Resource
from smgw.cosemxml.source import Limits
from smgw.trust.certificate import Certificate
from smgw.trust.errors import TooLargeError, TrustError
from smgw.webservice import headers as rules
from smgw.webservice.error import ContentTooLarge, ServiceError, Status, Unprocessable, UnsupportedMediaType
from smgw.webservice.media_type import COSEM_XML, COSEM_XML_CMS, MediaType, is_bare_cosem_xml, is_cms_cosem_xml
from smgw.webservice.uri import Target

from emp.store.storage import Proof
from emp.trust.opening import Opener
from emp.trust.senders import is_own, proof, sender_of
from emp.web.binding import missing
from emp.web.body import Budget, read, unpack
from emp.web.bounds import Bounds
from emp.web.counters import Counters
from emp.web.handshakes import one_line
from emp.web.peers import Turns, turn_of
from emp.web.seldom import Seldom

_LOG = logging.getLogger(__name__)
_Found = TypeVar("_Found")
MAX_NOTICE = 4096  # octets
_OVERHEAD = 4096  # of a seal: some 600 octets, and certificates that somebody puts into it


class Seals(NamedTuple):
    """How sealed documents (CMS) are taken: `required`, or also bare ones."""

    opener: Opener
    required: bool = True


class _Kind(NamedTuple):
    encoding: str | None
    opener: Opener | None  # None: it is bare


class Bodies:
    """Reads the bodies of one listener."""

    def __init__(self, bounds: Bounds, turns: Turns, counters: Counters, seals: Seals | None) -> None:
        self._bounds = bounds
        self._turns = turns
        self._counters = counters
        self._seals = seals
        self._budget = Budget(bounds.held_octets, bounds.body_octets)
        self._told = Seldom(_LOG)

    async def document(
        self, request: web.Request, target: Target, length: int, gateway: DeviceId | None
    ) -> tuple[Document, Proof | None]:
        """The document of a PUT, and the proof who sent it. `gateway`: whose certificate the connection has."""
        limit = self._bounds.body_octets
        kind = self._check(request, length, limit, required=self._required)

        def decode(octets: bytes) -> tuple[Document, Certificate | None]:
            octets, signer = self._opened(octets, kind, gateway, limit)
            return document.decode(unpack(octets, kind.encoding, limit), Limits(octets=limit)), signer

        found, signer = await self._read(request, gateway, length, kind, decode)
        if found.device != target.device:
            raise Unprocessable(f"the ldev is {found.device}, the URI names {target.device}")
        sender = gateway if signer is None else sender_of(signer)
        if sender is None:
            return found, None
        if not is_own(found, sender):
            self.refused(sender, f"it names the gateway {found.gateway}")
            raise missing(target.device)
        return found, proof(found, sender, signer)

    async def parameter(self, request: web.Request, length: int, gateway: DeviceId | None) -> Data | None:
        """The parameter of a method; None without a body."""
        if length == 0:
            return None
        kind = self._check(request, length, MAX_NOTICE, required=self._required and gateway is not None)

        def decode(octets: bytes) -> Resource:
            octets, _ = self._opened(octets, kind, gateway, MAX_NOTICE)
            return reader.decode(unpack(octets, kind.encoding, MAX_NOTICE))

        found = await self._read(request, gateway, length, kind, decode)
        if not isinstance(found, MethodRequest):
            raise Unprocessable("a methodRequestParameter belongs here")
        return found.parameter

    def refused(self, gateway: DeviceId | None, why: str) -> None:
        """Log why a document is refused: its sender gets no reason."""
        name = gateway or "unknown"
        self._told.say(logging.WARNING, str(name), "gateway %s: a document is refused: %s", name, one_line(why))

    async def _read(
        self,
        request: web.Request,
        gateway: DeviceId | None,
        length: int,
        kind: _Kind,
        decode: Callable[[bytes], _Found],
    ) -> _Found:
        """Read a body and decode it in a thread."""
        peer, sealed = turn_of(request, gateway), kind.opener is not None

        def explained() -> _Found:
            try:
                return decode(octets)
            except CosemXmlError as error:
                raise Unprocessable(str(error)) from None

        with self._budget.account(peer) as account:
            octets = await read(request.content, length, self._bounds.body_timeout, self._budget, account)
            try:
                found = await self._turns.decode(peer, explained)
            except SealError:
                self._counters.sealed["refused"] += 1
                raise
        self._counters.sealed["opened"] += sealed
        return found

    def _opened(
        self, octets: bytes, kind: _Kind, gateway: DeviceId | None, limit: int
    ) -> tuple[bytes, Certificate | None]:
        """The content of a sealed body, and who signed it; a bare body as it is. Runs in a thread."""
        if kind.opener is None:
            return octets, None
        try:
            opened = kind.opener.open(octets, gateway, limit)
        except TrustError as error:
            self.refused(gateway, str(error))
            raise SealError(too_large=isinstance(error, TooLargeError)) from None
        return opened.payload, opened.signer

    @property
    def _required(self) -> bool:
        return self._seals is not None and self._seals.required

    def _check(self, request: web.Request, length: int, most: int, *, required: bool) -> _Kind:
        """Check type and length of a body; `required`: it must be sealed."""
        media_type = MediaType.parse(request.headers.get("Content-Type", ""))
        sealed = self._seals is not None and is_cms_cosem_xml(media_type)
        if not sealed and (required or not is_bare_cosem_xml(media_type)):
            wanted = COSEM_XML_CMS if required else COSEM_XML
            raise UnsupportedMediaType(f"{media_type} is not read; {wanted} in UTF-8 is", {"Accept": str(wanted)})
        most += _OVERHEAD if sealed else 0
        if length > most:
            raise ContentTooLarge(f"the body has {length} octets; at most {most} are taken", {"Connection": "close"})
        encoding = rules.content_encoding(request.headers)
        return _Kind(encoding, self._seals.opener if self._seals is not None and sealed else None)


class SealError(ServiceError):
    """A sealed body that is not accepted: the reason is in the log."""

    def __init__(self, *, too_large: bool) -> None:
        super().__init__("not accepted")
        self.status = Status.CONTENT_TOO_LARGE if too_large else Status.FORBIDDEN
