"""The canonical text of a profile, which identifies its version in the database."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Any

from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis


def canonical(profile: Any) -> str:
    """JSON of a NamedTuple or a mapping: every field by name, names sorted, no spaces.

    Equal profiles give equal text, different ones do not.
    """
    return json.dumps(_plain(profile), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _plain(value: object) -> object:
    match value:
        case None | bool() | int():
            return value
        case Obis() | DeviceId() | Path() | StrEnum():
            return str(value)
        case str():
            return value
        case tuple() if not hasattr(value, "_fields"):
            return [_plain(one) for one in value]
        case dict():
            return {name: _plain(one) for name, one in value.items()}
    section: Any = value  # of a profile, itself a NamedTuple
    return {name: _plain(one) for name, one in section._asdict().items()}
