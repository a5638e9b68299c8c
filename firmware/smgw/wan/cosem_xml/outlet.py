"""Sends rows of a feed as documents, one at a time."""

import contextlib
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from smgw.cosem import DeviceId
from smgw.cosemxml import document as cosem_document
from smgw.cosemxml.document import DocumentError
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.outlets.cosem_xml import PLAIN, is_plain
from smgw.store.records import StoredRecord
from smgw.trust.errors import MessageError, TrustError
from smgw.wan.cosem_xml.documents import Part, parts
from smgw.wan.cosem_xml.exchange import MEDIA_TYPE, Answer, Exchange
from smgw.wan.cosem_xml.securities import secured
from smgw.wan.cosem_xml.verdict import verdict
from smgw.wan.outlet import Batch, Handshakes, Outcome, OutcomeKind, Surroundings

if TYPE_CHECKING:
    from smgw.wan.cosem_xml.sealing import Pair

log = logging.getLogger(__name__)

_UNSUPPORTED = 415
_FORBIDDEN = 403
_SILENT = "answers 400"  # without a reason
_NOTED_S = 900.0  # each note is a write to the disk
_NO_CMS = 'Let it take them, or write cms = "off" in [[emp]].'


class _Prepared(NamedTuple):
    """The first document of some rows. `body` is None if it cannot be made: `failure` is the outcome then."""

    records: tuple[StoredRecord, ...]
    part: Part
    body: bytes | None
    pair: "Pair | None" = None  # for whom and by whom it is sealed
    failure: Outcome = Outcome(OutcomeKind.ACKNOWLEDGED)


class CosemXmlOutlet:
    """PUTs documents on <url>/cosem/ldevs/<device>; see `wan.outlet.Outlet`."""

    def __init__(self, gateway: DeviceId, profile: CommunicationProfile, surroundings: Surroundings) -> None:
        self._gateway = gateway
        self._secured = secured(gateway, profile, surroundings)
        self._note_handshakes = surroundings.note_handshakes
        self._handshakes = Handshakes()
        self._noted_s = float("-inf")
        way, sealing = self._secured.way, self._secured.sealing
        media_type = MEDIA_TYPE if sealing is None else sealing.media_type
        self._exchange = Exchange(profile.url, profile.timeout, way, media_type)
        self._next: _Prepared | None = None
        self.end = self._exchange.end
        if is_plain(profile.url):
            log.warning("EMP %s: %s", profile.name, PLAIN)

    def send(self, batch: Batch) -> Outcome:
        """Send the first document of the rows; the outcome is about its rows.

        While the EMP works, the first document of the following rows is made. One is in progress, and one is ready.
        """
        ready, self._next = self._next, None
        if ready is None or ready.records is not batch.records or not self._is_current(ready):
            ready = self._prepared(batch)
        _, part, body, _, failure = ready
        if body is None:
            return failure
        rows = len(part.records)

        def prepare() -> None:
            # A fault of those rows belongs to their own `send`, which meets it again.
            with contextlib.suppress(Exception):
                following = batch.following() if batch.following else None
                self._next = None if following is None else self._prepared(following)

        try:
            answer = self._put(batch.feed.who, part, body, prepare)
        except TrustError as error:
            return _unready(error, rows)
        finally:
            self._note()
        if answer.status == _UNSUPPORTED and self._secured.sealing is not None:
            fault = f"the EMP does not take sealed documents ({_said(answer)})"
            return _unready(MessageError(fault, _NO_CMS), rows)
        kind, said = verdict(answer.status), _said(answer)
        if self._secured.sealing is not None and (answer.status == _FORBIDDEN or said == _SILENT):
            kind, said = OutcomeKind.HOLD, f"{said}; its log says why"  # perhaps it cannot open what we seal
        return Outcome(kind, said, answer.retry_after, rows)

    def _prepared(self, batch: Batch) -> _Prepared:
        feed = batch.feed
        part = next(parts(feed.recorder or self._gateway, feed.delivered, batch.records))
        rows, sealing = len(part.records), self._secured.sealing
        try:
            if sealing is None:
                return _Prepared(batch.records, part, cosem_document.encode(part.document))
            pair = sealing.pair()
            return _Prepared(batch.records, part, sealing.seal(cosem_document.encode(part.document), pair), pair)
        except DocumentError as error:
            failure = Outcome(OutcomeKind.UNSENDABLE, f"not sent: {error}", rows=rows)
        except TrustError as error:
            failure = _unready(error, rows)
        return _Prepared(batch.records, part, None, None, failure)

    def _is_current(self, ready: _Prepared) -> bool:
        """False if a document must be sealed anew, or perhaps can be sealed now."""
        sealing = self._secured.sealing
        try:
            return sealing is None or (ready.body is not None and ready.pair == sealing.pair())
        except TrustError:
            return False

    def close(self) -> None:
        """See `wan.outlet.Outlet`."""
        self._exchange.close()
        self._note(at_once=True)

    def _note(self, *, at_once: bool = False) -> None:
        """Tell the process of new handshakes, now and then."""
        if (way := self._secured.way) is None or not (at_once or time.monotonic() - self._noted_s >= _NOTED_S):
            return
        made = Handshakes(way.counters.full, way.counters.resumed, way.counters.refused)
        if made != self._handshakes:
            self._handshakes, self._noted_s = made, time.monotonic()
            self._note_handshakes(made)

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


def _unready(error: TrustError, rows: int) -> Outcome:
    """Nothing can be sent at all before something is mended."""
    return Outcome(OutcomeKind.HOLD, str(error), rows=rows, whole=True, topic=type(error).__name__)


def _said(answer: Answer) -> str:
    """`answers 422: no such register`."""
    said = f"answers {answer.status}" if answer.status else "no answer"
    return f"{said}: {answer.detail}" if answer.detail else said
