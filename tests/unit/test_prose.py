"""The documents are in plain words: short sentences, which readers of many languages understand."""

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
