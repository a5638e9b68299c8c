"""How evaluations fare: the newest registers of each, for `smgw status`."""

import contextlib
from typing import Any

from smgw.cosem.evaluation_facts import FACTS
from smgw.metering.evaluation.state import decode_states
from smgw.profiles.gateway import Configuration
from smgw.reports.readings import reading_object
from smgw.store.lmn.view import LmnView


def evaluations(view: LmnView, configuration: Configuration) -> list[dict[str, Any]]:
    """One for each evaluation that has rows of its own; plain JSON. Times are microseconds UTC.

    The newest version of a profile is the device that came last. `fell_since_us`: since then nothing counts, because a
    meter fell below its last reading; None: no meter did.
    """
    sources = view.sources()
    fallen = _fallen(view)
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
                "fell_since_us": fallen.get(one.name),
            }
        )
    return found


def _fallen(view: LmnView) -> dict[str, int]:
    """Evaluations in which a meter fell -> target time of their last reading that counts, microseconds UTC."""
    found = {}
    for stored in view.evaluation_states():
        with contextlib.suppress(ValueError):  # a damaged state begins anew
            states = decode_states(stored.octets) if stored.version else ()
            times = [state.last.time_s for state in states if state.fell and state.last is not None]
            if times:
                found[stored.name] = min(times) * 1_000_000
    return found
