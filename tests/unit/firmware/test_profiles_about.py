"""Every key of the configuration is described: the reference in docs/ is made of these sentences."""

from collections.abc import Iterator, Mapping

import pytest
from smgw.profiles import (
    calendar,
    communication,
    consumer,
    dlms,
    evaluation,
    gateway,
    han,
    house,
    keys,
    meter,
    outlets,
    protocols,
)
from smgw.profiles.section import Key


def _tables() -> Iterator[tuple[str, Mapping[str, Key]]]:
    yield "gateway", gateway.KEYS
    yield "gateway.retention", gateway.RETENTION_KEYS
    yield "keys", keys.KEYS
    yield "han", han.KEYS
    yield "han.mqtt", house.MQTT_KEYS
    yield "han.vzlogger", house.PORT_KEYS
    yield "han.p1", house.P1_KEYS
    yield "meter", meter.KEYS
    for protocol in protocols.every():
        if protocol.section is not None:
            yield f"{protocol.name}.{protocol.section.name}", protocol.section.keys
    yield "emp", communication.KEYS
    yield "evaluation", evaluation.KEYS
    yield "calendar", calendar.KEYS
    yield "consumer", consumer.KEYS
    yield "calendar.season", calendar.SEASON_KEYS
    for outlet in outlets.every():
        yield f"emp.{outlet.name}", outlet.keys


@pytest.mark.parametrize(
    ("table", "key", "rule"), [(table, key, rule) for table, keys in _tables() for key, rule in keys.items()]
)
def test_a_key_is_described_in_sentences_of_at_most_30_words(table: str, key: str, rule: Key) -> None:
    assert rule.about.endswith("."), f'{table}.{key}: write about="..." in its Key'
    assert max(len(sentence.split()) for sentence in rule.about.split(". ")) <= 30


_PROFILES = (
    (gateway.RETENTION_KEYS, gateway.RetentionProfile._field_defaults),
    (meter.KEYS, meter.MeterProfile._field_defaults),
    (dlms.KEYS, dlms.DlmsProfile._field_defaults),
    (communication.KEYS, communication.CommunicationProfile._field_defaults),
    (evaluation.KEYS, evaluation.EvaluationProfile._field_defaults),
)


@pytest.mark.parametrize(
    ("rule", "default"),
    [
        pytest.param(keys[key], default, id=key)
        for keys, defaults in _PROFILES
        for key, default in defaults.items()
        if key in keys and isinstance(default, int) and not isinstance(default, bool) and default > 0
    ],
)
def test_the_sentence_names_the_default_that_the_profile_has(rule: Key, default: int) -> None:
    assert str(default) in rule.about
