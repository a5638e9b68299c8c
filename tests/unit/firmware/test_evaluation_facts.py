"""What an evaluation says of itself in a row: written, read again, and not believed if it is something else."""

import json

import pytest
from smgw.cosem import Data, DataType
from smgw.cosem.evaluation_facts import FACTS, EvaluationFacts
from smgw.cosem.quantity import quantities


def text(**keys: object) -> Data:
    return Data(DataType.VISIBLE_STRING, json.dumps(keys))


@pytest.mark.parametrize(
    "facts",
    [
        EvaluationFacts("day-night", "DE1", "Europe/Berlin", 3),
        EvaluationFacts("daily", zone="UTC"),
        EvaluationFacts("x"),
    ],
    ids=["whole", "daily", "least"],
)
def test_they_are_read_as_they_were_written(facts: EvaluationFacts) -> None:
    reading = facts.reading()
    assert (reading.class_id, reading.obis, reading.attribute) == tuple(FACTS)[:3]
    assert EvaluationFacts.of(reading.value) == facts


def test_other_keys_do_not_matter() -> None:
    assert EvaluationFacts.of(text(name="a", colour="red")) == EvaluationFacts("a")


@pytest.mark.parametrize(
    "data",
    [
        text(),
        text(name=5),
        text(name="a", months="1"),
        text(name="a", months=True),
        text(name="a", months=13),
        text(name="a\u001b[2J"),
        Data(DataType.VISIBLE_STRING, "[1]"),
        Data(DataType.VISIBLE_STRING, "{"),
        Data(DataType.VISIBLE_STRING, "[" * 2000),
        Data(DataType.VISIBLE_STRING, json.dumps({"name": "a" * 3000})),
        Data(DataType.LONG64, 1),
    ],
    ids=["none", "number", "text", "truth", "13", "control", "array", "cut", "deep", "long", "no text"],
)
def test_what_is_none_is_not_believed(data: Data) -> None:
    assert EvaluationFacts.of(data) is None


def test_an_emp_with_pseudonyms_does_not_get_them() -> None:
    assert quantities((EvaluationFacts("day-night", "DE1").reading(),)) == ()
