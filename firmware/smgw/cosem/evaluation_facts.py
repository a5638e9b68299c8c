"""What an evaluation says of itself in its rows of period ends and of billing days.

Such a row has one value more: object 0-0:94.49.240*5 (our range), class 1, attribute 2. It is a visible-string with a
JSON object:

    key           value
    name          name of the evaluation
    usage_point   id of the usage point; absent if the profile has none
    zone          time zone of its billing periods
    months        whole months of a billing period, counted from January; absent if it has none (TAF 6)

Readers ignore other keys. Consumer and supplier do not travel. An EMP with pseudonyms gets measured quantities alone
(`cosem.quantity`), so it never gets this value.
"""

import json
from typing import NamedTuple, Self

from smgw.cosem.data import Data, DataType
from smgw.cosem.names import CaptureObject
from smgw.cosem.obis import Obis
from smgw.cosem.reading import Reading

FACTS = CaptureObject(1, Obis.parse("0-0:94.49.240*5"), 2)
_MOST = 2048  # characters
_TEXTS = ("name", "usage_point", "zone")
_MOST_MONTHS = 12


class EvaluationFacts(NamedTuple):
    """The keys of the object. "" and 0: absent."""

    name: str
    usage_point: str = ""
    zone: str = ""
    months: int = 0

    def reading(self) -> Reading:
        """The value of a row."""
        text = json.dumps({key: value for key, value in self._asdict().items() if value}, separators=(",", ":"))
        return Reading(
            FACTS.obis, Data(DataType.VISIBLE_STRING, text), class_id=FACTS.class_id, attribute=FACTS.attribute
        )

    @classmethod
    def of(cls, data: Data) -> Self | None:
        """Read what another program wrote; None if it is no such object."""
        if not isinstance(data.value, str) or len(data.value) > _MOST:
            return None
        try:
            found = json.loads(data.value)
        except (ValueError, RecursionError):
            return None
        if not isinstance(found, dict):
            return None
        texts = [found.get(key, "") for key in _TEXTS]
        months = found.get("months", 0)
        if not all(isinstance(text, str) and text.isprintable() for text in texts) or not texts[0]:
            return None
        if type(months) is not int or not 0 <= months <= _MOST_MONTHS:
            return None
        name, usage_point, zone = texts
        return cls(name, usage_point, zone, months)
