import sqlite3
from pathlib import Path

import pytest
from smgw.store.errors import StoreError
from smgw.store.lmn.store import LmnStore
from smgw.update.bundle import Bundle, Store, described, description, objections
from smgw.update.stores import of_this_program, on_the_card

PROGRAM = {"lmn": Store(5, 5), "wan": Store(3, 3)}


def bundle(**stores: Store) -> Bundle:
    return Bundle("board", "1.0", {**PROGRAM, **stores})


def test_the_manifest_says_which_stores_the_program_uses() -> None:
    stores = {"lmn": Store(6, 5), "wan": Store(3, 3)}
    text = description(stores)
    assert text == "smgw stores: lmn 6 usable from 5, wan 3 usable from 3"
    assert described("board", "1.0", text) == Bundle("board", "1.0", stores)


@pytest.mark.parametrize("text", ["", "lmn 6 usable from 5", "smgw stores: ", "somebody else's words"])
def test_a_manifest_without_them_says_nothing(text: str) -> None:
    assert objections(described("board", "1.0", text), "board", PROGRAM, {}) == [
        "its manifest does not say which stores it can use; make it with `make bundle`"
    ]


@pytest.mark.parametrize(
    ("offered", "card", "words"),
    [
        (bundle(), {}, ""),
        (bundle(), PROGRAM, ""),
        (bundle(lmn=Store(6, 5)), PROGRAM, ""),
        (bundle(lmn=Store(6, 6)), PROGRAM, "no way back: it writes lmn.db of schema version 6"),
        (bundle(lmn=Store(4, 4)), PROGRAM, "up to schema version 4, and the file on this card needs 5"),
        (bundle(lmn=Store(5, 5)), {"lmn": Store(6, 5)}, ""),
        (bundle(lmn=Store(5, 5)), {"lmn": Store(6, 6)}, "the file on this card needs 6"),
        (bundle(lmn=Store(4, 4)), {"lmn": Store(4, 4)}, ""),
        (Bundle("board", "1.0", {"lmn": Store(5, 5)}), {}, "its program knows no wan.db"),
        (bundle()._replace(compatible="other"), {}, "it is for 'other', and this gateway is 'board'"),
    ],
    ids=["first", "equal", "adds", "no-way-back", "older", "older-usable", "older-not", "down", "less", "board"],
)
def test_a_bundle_is_refused_if_a_store_would_not_survive_both_ways(
    offered: Bundle, card: dict[str, Store], words: str
) -> None:
    found = objections(offered, "board", PROGRAM, card)
    assert (words in found[0]) if words else not found


def test_the_files_on_the_card_have_their_versions(tmp_path: Path) -> None:
    assert on_the_card(tmp_path) == {}
    LmnStore.open(tmp_path / "lmn", ballast_bytes=0).close()
    assert on_the_card(tmp_path) == {"lmn": of_this_program()["lmn"]}
    connection = sqlite3.connect(tmp_path / "lmn" / "lmn.db")
    connection.execute("PRAGMA user_version = 8")
    connection.execute("PRAGMA application_id = 6")
    connection.close()
    assert on_the_card(tmp_path) == {"lmn": Store(8, 6)}


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "wan").mkdir()
    (tmp_path / "wan" / "wan.db").write_bytes(b"no database at all, but some text" * 99)
    with pytest.raises(StoreError, match=r"wan\.db: its schema version cannot be read"):
        on_the_card(tmp_path)
