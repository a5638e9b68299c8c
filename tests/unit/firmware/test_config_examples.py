"""The example configurations: one meter is active; each section and key in comments is right when it is used."""

import re
import tomllib
from pathlib import Path

import pytest
from smgw.profiles import board, communication, gateway, meter
from smgw.profiles.keys import KEYS
from smgw.profiles.toml_importer import load, parse

CONFIG = Path(__file__).parents[3] / "config"
FILES = [CONFIG / "gateway.example.toml", CONFIG / "gateway.debian.toml"]
EXAMPLE = FILES[0].read_text(encoding="utf-8")


def sections(text: str) -> list[str]:
    """The sections in comments: paragraphs of the file that begin with `# [`."""
    return [paragraph for paragraph in text.split("\n\n") if paragraph.startswith("# [")]


def used(comment: str) -> str:
    return re.sub(r"^# ", "", comment, flags=re.MULTILINE)


def _names_of(section: str) -> list[str]:
    """An EMP and an evaluation name one another: each is right only with the other one."""
    if not re.search("^# (evaluations|emps) =", section, re.MULTILINE):
        return []
    return [
        one for one in sections(EXAMPLE) if one != section and re.search("^# (evaluations|emps) =", one, re.MULTILINE)
    ]


def keys(text: str) -> list[str]:
    """The keys in comments that stand in an active section."""
    active = text
    for section in sections(text):
        active = active.replace(section, "")
    return re.findall(r"^# [a-z_0-9]+ = .*$", active, re.MULTILINE)


def whole() -> str:
    """The example with all of its sections and keys in use."""
    text = EXAMPLE
    for comment in (*sections(EXAMPLE), *keys(EXAMPLE)):
        text = text.replace(comment, used(comment), 1)
    return text


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_an_example_has_one_active_meter_and_delivers_to_nobody(file: Path) -> None:
    configuration = load(file)
    assert [one.name for one in configuration.meters] == ["house"]
    assert configuration.emps == ()


@pytest.mark.parametrize(
    ("file", "section"),
    [(file, section) for file in FILES for section in sections(file.read_text(encoding="utf-8"))],
    ids=lambda one: one.name if isinstance(one, Path) else one.splitlines()[-1],
)
def test_a_section_in_comments_is_right_when_it_is_used(file: Path, section: str) -> None:
    text = file.read_text(encoding="utf-8")
    named = [one for one in sections(text) if section in (one, *_names_of(one)) or one in _names_of(section)]
    changed = text
    for one in named:
        changed = changed.replace(one, used(one))
    assert parse(changed, file.name) != parse(text, file.name)


@pytest.mark.parametrize("key", keys(EXAMPLE))
def test_a_key_in_comments_is_right_when_it_is_used(key: str) -> None:
    parse(EXAMPLE.replace(key, used(key), 1), "g.toml")


def test_all_sections_and_keys_are_right_together() -> None:
    configuration = parse(whole(), "g.toml")
    assert len(configuration.meters) > 5
    assert [one.name for one in configuration.emps] == ["demo", "lab"]


def test_the_example_shows_every_key() -> None:
    document = tomllib.loads(whole())
    shown = {key for kind in ("meter", "emp") for table in document[kind] for key in table} | set(document["gateway"])
    assert set(document["keys"]) == set(KEYS)
    assert set(document["board"]) == set(board.KEYS)
    sections = {"dlms", "p1", "d0", "s0", "mbus", "wmbus"}
    assert shown - {"line"} == set(meter.KEYS) | sections | set(communication.KEYS) | set(gateway.KEYS)


def test_defaults_that_the_example_shows_are_the_defaults() -> None:
    text = EXAMPLE
    for key in keys(EXAMPLE):
        if not re.match("# (ntp|system_clock|objects|device_id|devices|scalers|units|factors) =", key):
            text = text.replace(key, used(key), 1)
    assert parse(text, "g.toml") == parse(EXAMPLE, "g.toml")
