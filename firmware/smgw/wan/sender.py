"""One document on its way to the EMP, and what the answer means."""

import logging
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from smgw.cosem import DeviceId
from smgw.cosemxml import document as cosem_document
from smgw.cosemxml.document import DocumentError
from smgw.profiles.communication import CommunicationProfile
from smgw.profiles.meter import MeterProfile
from smgw.store.records import StoredRecord
from smgw.wan.batch import Batch, batches
from smgw.wan.exchange import Answer, Exchange
from smgw.wan.suspects import NOT_SENT
from smgw.wan.verdict import Verdict, verdict

log = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """The EMP's answer to one document."""

    answer: Answer
    meaning: Verdict


class Sender:
    """Makes the documents for one EMP and sends them."""

    def __init__(self, gateway: DeviceId, profile: CommunicationProfile) -> None:
        self._gateway = gateway
        self._emp = profile.name
        self._exchange = Exchange(profile.url, profile.timeout)
        self.end = self._exchange.end
        self.close = self._exchange.close

    def batches(self, meter: MeterProfile, records: Sequence[StoredRecord]) -> Iterator[Batch]:
        """The documents for records of one meter, in order."""
        return batches(self._gateway, meter.device_id, records)

    def send(self, batch: Batch) -> Outcome:
        """Send one document; never raises for what the EMP or the network does."""
        records = batch.records
        try:
            body = cosem_document.encode(batch.document)
        except DocumentError as error:
            # Ours, not the EMP's: bisected like a dislike, so that it stops nothing and is not lost either.
            return Outcome(Answer(NOT_SENT, f"not sent: {error}"), Verdict.DISLIKED)
        began = time.monotonic()
        log.debug("PUT begins: EMP %s, records %d..%d", self._emp, records[0].position, records[-1].position)
        answer = self._exchange.put(batch.document.device, body)
        log.debug(
            "PUT done: EMP %s, records %d..%d, %d octets, answer %s in %.0f ms",
            self._emp,
            records[0].position,
            records[-1].position,
            len(body),
            answer.status or answer.detail,
            (time.monotonic() - began) * 1e3,
        )
        return Outcome(answer, verdict(answer.status))
