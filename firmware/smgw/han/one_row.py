"""Of several rows of one registration time the one that is shown: the first that counts, else the first.

There are several where the clock was wrong before, or where the meter's own load profile filled a gap.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter

from smgw.cosem.reading import meter_status
from smgw.han.series import usable
from smgw.metering.evaluation.counting import counts
from smgw.store.lmn.by_time import Sample
from smgw.store.records import Origin, StoredRecord

_TARGET = attrgetter("target_time_us")
_TIME = attrgetter("target_us")


def one_row(records: Iterable[StoredRecord]) -> Iterator[StoredRecord]:
    """One record of each target time; they come in the order of these."""
    for _, several in groupby(records, _TARGET):
        found = list(several)
        yield next((one for one in found if _counts(one)), found[0])


def _counts(record: StoredRecord) -> bool:
    status = meter_status(record.readings)
    return record.origin is not Origin.MISSING and counts(record.gateway_status, status)


def one_sample(samples: Iterable[Sample]) -> Iterator[Sample]:
    """One value of each register and target time."""
    for _, several in groupby(samples, _TIME):
        found = list(several)
        if len(found) == 1:
            yield found[0]
            continue
        chosen: dict[bytes, Sample] = {}
        for one in found:
            if one.obis not in chosen or (usable(one) and not usable(chosen[one.obis])):
                chosen[one.obis] = one
        yield from chosen.values()
