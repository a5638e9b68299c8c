"""Parcels: whole or refused."""

import json
import os
import stat
import zipfile
from pathlib import Path

import pytest
from smgw.webservice.media_type import COSEM_XML, COSEM_XML_CMS, MediaType
from smgw.webservice.parcel import LARGEST_DOCUMENT, LARGEST_SEAL, SLIP, Packed, ParcelError, ParcelWriter, unpack

DOCUMENTS = [b"<ldev/>", b"", bytes(range(256)) * 100]


def packed(path: Path, media_type: MediaType = COSEM_XML) -> Path:
    with ParcelWriter(path, media_type) as parcel:
        for document in DOCUMENTS:
            parcel.add(document, 2)
    return path


def made(path: Path, slip: object, *documents: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, document in enumerate(documents, 1):
            archive.writestr(f"{number:07}.xml", document)
        archive.writestr(SLIP, json.dumps(slip))
    return path


def octets_of(path: Path) -> list[bytes]:
    return [one.octets for one in unpack(path)]


def test_what_was_packed_is_unpacked_in_order(tmp_path: Path) -> None:
    path = packed(tmp_path / "stick.zip")
    assert list(unpack(path)) == [
        Packed(octets, False, f"{number:07}.xml") for number, octets in enumerate(DOCUMENTS, 1)
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["stick.zip"]


def test_an_archive_is_private_and_follows_no_link(tmp_path: Path) -> None:
    target, path = tmp_path / "target", tmp_path / "stick.zip"
    target.write_text("mine")
    path.symlink_to(target)
    path.with_name("stick.zip.part").symlink_to(target)
    before = os.umask(0)
    try:
        packed(path)
    finally:
        os.umask(before)
    assert target.read_text() == "mine"
    assert stat.S_IMODE(path.lstat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_archive_of_another_user_is_named_as_such(tmp_path: Path) -> None:
    path = packed(tmp_path / "stick.zip")
    path.chmod(0)
    with pytest.raises(ParcelError, match="may not read it; run the command as its owner"):
        next(unpack(path))


def test_an_interrupted_packing_leaves_what_was_there(tmp_path: Path) -> None:
    path = packed(tmp_path / "stick.zip")
    parcel = ParcelWriter(path)
    parcel.add(b"another", 1)
    parcel.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert octets_of(path) == DOCUMENTS
    assert [file.name for file in tmp_path.iterdir()] == ["stick.zip"]


@pytest.mark.parametrize("place", range(0, 100, 7))
def test_an_octet_changed_anywhere_in_a_document_is_noticed(tmp_path: Path, place: int) -> None:
    path = packed(tmp_path / "stick.zip")
    octets = bytearray(path.read_bytes())
    octets[len(octets) * place // 100] ^= 0x10
    path.write_bytes(octets)
    try:
        found = octets_of(path)
    except ParcelError as error:
        assert "stick.zip" in str(error)  # noqa: PT017 - either is well
    else:
        assert found == DOCUMENTS  # it was in a place that tells nothing, such as a date


@pytest.mark.parametrize(
    ("slip", "said"),
    [
        ({"format": 3, "documents": 1, "rows": 1}, "knows 1 and 2, use a newer one"),
        ({"format": 2, "documents": 1, "rows": 1}, "cannot be unpacked"),
        ({"format": 2, "documents": 1, "rows": 1, "media_type": "no type"}, "cannot be unpacked"),
        ({"format": 2, "documents": 1, "rows": 1, "media_type": f"{COSEM_XML};encap=letter"}, "cannot be unpacked"),
        ({"format": 1, "documents": 2, "rows": 1}, "copy it again"),
        ({"documents": 1}, "cannot be unpacked"),
        ([], "cannot be unpacked"),
    ],
)
def test_a_slip_that_does_not_fit_is_told(tmp_path: Path, slip: object, said: str) -> None:
    with pytest.raises(ParcelError, match=said):
        list(unpack(made(tmp_path / "stick.zip", slip, b"<ldev/>")))


def test_a_document_that_swells_is_not_unpacked(tmp_path: Path) -> None:
    slip = {"format": 1, "documents": 1, "rows": 1}
    path = made(tmp_path / "stick.zip", slip, bytes(LARGEST_DOCUMENT + 1))
    assert path.stat().st_size < 100_000
    with pytest.raises(ParcelError, match="longer than"):
        list(unpack(path))


def test_a_place_that_takes_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ParcelError, match="name a file where you may write"):
        ParcelWriter(tmp_path / "absent" / "stick.zip")


def test_an_archive_of_sealed_documents_says_so(tmp_path: Path) -> None:
    path = packed(tmp_path / "stick.zip", COSEM_XML_CMS)
    assert list(unpack(path)) == [
        Packed(octets, True, f"{number:07}.p7m") for number, octets in enumerate(DOCUMENTS, 1)
    ]
    with zipfile.ZipFile(path) as archive:
        slip = json.loads(archive.read(SLIP))
    assert slip == {"format": 2, "documents": 3, "rows": 6, "media_type": str(COSEM_XML_CMS)}


@pytest.mark.parametrize(("media_type", "fits"), [(COSEM_XML_CMS, True), (COSEM_XML, False)], ids=["sealed", "bare"])
def test_a_seal_may_make_the_largest_document_longer(tmp_path: Path, media_type: MediaType, fits: bool) -> None:
    path = tmp_path / "stick.zip"
    with ParcelWriter(path, media_type) as parcel:
        parcel.add(bytes(LARGEST_DOCUMENT + LARGEST_SEAL), 1)
    if fits:
        assert len(octets_of(path)[0]) == LARGEST_DOCUMENT + LARGEST_SEAL
    else:
        with pytest.raises(ParcelError, match="longer than"):
            octets_of(path)
