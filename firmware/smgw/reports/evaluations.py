"""How evaluations fare: the newest registers of each, for `smgw status`."""

from typing import Any

from smgw.cosem.evaluation_facts import FACTS
from smgw.profiles.gateway import Configuration
from smgw.reports.readings import reading_object
from smgw.store.lmn.view import LmnView


def evaluations(view: LmnView, configuration: Configuration) -> list[dict[str, Any]]:
    """One for each evaluation that has rows of its own; plain JSON. Times are microseconds UTC.

    The newest version of a profile is the device that came last.
    """
    sources = view.sources()
    found = []
    for one in configuration.evaluations:
        if one.use_case.originals:
            continue
        own = [source for source in sources if source.meter == one.name]
        newest = view.newest(own[-1]) if own else None
        found.append(
            {
                "name": one.name,
                "taf": one.taf,
                "device": None if newest is None else str(newest.device),
                "time_us": None if newest is None else newest.target_time_us or newest.stamp.utc_us,
                "registers": []
                if newest is None
                else [reading_object(reading) for reading in newest.readings if reading.obis != FACTS.obis],
            }
        )
    return found
