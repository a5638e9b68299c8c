"""The canonical text of a profile: what the store keeps as its version."""

import json
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from smgw.cosem.device_id import DeviceId
from smgw.cosem.obis import Obis

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def canonical(profile: "DataclassInstance") -> str:
    """JSON with every field by name, names sorted, no spaces: equal profiles give equal text, different ones do not."""
    values = {field.name: _plain(getattr(profile, field.name)) for field in fields(profile)}
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _plain(value: object) -> object:
    match value:
        case None | bool() | int():
            return value
        case Obis() | DeviceId() | Path() | StrEnum():
            return str(value)
        case str():
            return value
        case tuple():
            return [_plain(one) for one in value]
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}  # type: ignore[arg-type]
