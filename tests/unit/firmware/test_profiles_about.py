"""Every key of the configuration is described: the reference in docs/ is made of these sentences."""

from collections.abc import Iterator, Mapping

import pytest
from smgw.profiles import communication, gateway, meter, outlets, protocols
from smgw.profiles.section import Key


def _tables() -> Iterator[tuple[str, Mapping[str, Key]]]:
    yield "gateway", gateway.KEYS
    yield "gateway.retention", gateway.RETENTION_KEYS
    yield "meter", meter.KEYS
    for protocol in protocols.every():
        if protocol.section is not None:
            yield f"{protocol.name}.{protocol.section.name}", protocol.section.keys
    yield "emp", communication.KEYS
    for outlet in outlets.every():
        yield f"emp.{outlet.name}", outlet.keys


@pytest.mark.parametrize(
    ("table", "key", "rule"), [(table, key, rule) for table, keys in _tables() for key, rule in keys.items()]
)
def test_a_key_is_described_in_one_sentence_of_at_most_30_words(table: str, key: str, rule: Key) -> None:
    sentence = rule.about
    assert sentence.endswith("."), f'{table}.{key}: write about="..." in its Key'
    assert ". " not in sentence
    assert len(sentence.split()) <= 30
