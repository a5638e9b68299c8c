"""The documents are in plain words: short sentences, which readers of many languages understand."""

import re
from pathlib import Path

import pytest
from prose import sentences

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
LONGEST, MEAN = 30, 16


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_no_sentence_has_more_than_30_words(document: Path) -> None:
    assert [one for one in sentences(document.read_text()) if len(one.split()) > LONGEST] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_sentences_have_at_most_16_words_on_average(document: Path) -> None:
    found = sentences(document.read_text())
    assert sum(len(one.split()) for one in found) <= MEAN * len(found)


def test_no_source_holds_the_marks_of_a_merge() -> None:
    marks = re.compile(r"^(<{7}|>{7}) ", re.MULTILINE)
    sources = [path for folder in ("firmware", "simulator-host", "tests") for path in (ROOT / folder).rglob("*.py")]
    assert sources
    assert [path for path in [*sources, *DOCUMENTS] if marks.search(path.read_text())] == []
