"""Sends rows of a feed as documents, one at a time."""

import contextlib
import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from smgw.cosem import DeviceId
from smgw.cosemxml import document as cosem_document
from smgw.cosemxml.document import DocumentError
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.outlets.cosem_xml import PLAIN, is_plain
from smgw.store.records import StoredRecord
from smgw.trust.errors import TrustError
from smgw.wan.cosem_xml.documents import Part, parts
from smgw.wan.cosem_xml.exchange import Answer, Exchange
from smgw.wan.cosem_xml.verdict import verdict
from smgw.wan.outlet import Batch, Outcome, OutcomeKind

log = logging.getLogger(__name__)


class _Prepared(NamedTuple):
    """The first document of some rows. `body` is None if it cannot be written: `fault` says why."""

    records: tuple[StoredRecord, ...]
    part: Part
    body: bytes | None
    fault: str = ""


class CosemXmlOutlet:
    """PUTs documents on <url>/cosem/ldevs/<device>; see `wan.outlet.Outlet`."""

    def __init__(self, gateway: DeviceId, profile: CommunicationProfile) -> None:
        self._gateway = gateway
        self._needs_trust = profile.options is not None
        if is_plain(profile.url):
            log.warning("EMP %s: %s", profile.name, PLAIN)
        self._exchange = Exchange(profile.url, profile.timeout)
        self._next: _Prepared | None = None
        self.end = self._exchange.end
        self.close = self._exchange.close

    def send(self, batch: Batch) -> Outcome:
        """Send the first document of the rows; the outcome is about its rows.

        While the EMP works, the first document of the following rows is made. One is in progress, and one is ready.
        """
        if self._needs_trust:
            return Outcome(OutcomeKind.HOLD, "TLS and CMS are not built yet; use plain http", whole=True)
        ready, self._next = self._next, None
        if ready is None or ready.records is not batch.records:
            ready = self._prepared(batch)
        _, part, body, fault = ready
        if body is None:
            return Outcome(OutcomeKind.UNSENDABLE, f"not sent: {fault}", rows=len(part.records))

        def prepare() -> None:
            # A fault of those rows belongs to their own `send`, which meets it again.
            with contextlib.suppress(Exception):
                following = batch.following() if batch.following else None
                self._next = None if following is None else self._prepared(following)

        rows = len(part.records)
        try:
            answer = self._put(batch.feed.who, part, body, prepare)
        except TrustError as error:
            return Outcome(OutcomeKind.HOLD, str(error), rows=rows, whole=True)
        return Outcome(verdict(answer.status), _said(answer), answer.retry_after, rows)

    def _prepared(self, batch: Batch) -> _Prepared:
        feed = batch.feed
        part = next(parts(feed.recorder or self._gateway, feed.delivered, batch.records))
        try:
            return _Prepared(batch.records, part, cosem_document.encode(part.document))
        except DocumentError as error:
            return _Prepared(batch.records, part, None, str(error))

    def _put(self, who: str, part: Part, body: bytes, meanwhile: Callable[[], None]) -> Answer:
        first, last = part.records[0].position, part.records[-1].position
        began = time.monotonic()
        log.debug("PUT begins: EMP %s, records %d..%d", who, first, last)
        answer = self._exchange.put(part.document.device, body, meanwhile)
        log.debug(
            "PUT done: EMP %s, records %d..%d, %d octets, answer %s in %.0f ms",
            who, first, last, len(body), answer.status or answer.detail, (time.monotonic() - began) * 1e3,
        )  # fmt: skip
        return answer


def _said(answer: Answer) -> str:
    """`answers 422: no such register`."""
    said = f"answers {answer.status}" if answer.status else "no answer"
    return f"{said}: {answer.detail}" if answer.detail else said
