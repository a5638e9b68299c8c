"""The private keys of the trust folder: which files are used, when they are read again, and what a fault hides."""

from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from smgw.profiles.keys import KeysProfile
from smgw.trust.errors import KeyMismatchError, OpenToOthersError, PassphraseError
from smgw.trust.keys import Keys, key_name
from smgw.trust.keys.folder import FolderKeys
from smgw.trust.keys.holder import open_keys
from trial_pki import HeldTriple, Holder, session_pki

DIGEST = sha256(b"reading").digest()
PASSPHRASE = b"correct horse"


def name(holder: Holder) -> str:
    return key_name(holder.key.public_key())


def signs(keys: Keys, triple: HeldTriple) -> bool:
    signature = keys.sign(name(triple.signature), DIGEST)
    triple.signature.key.public_key().verify(signature, DIGEST, ec.ECDSA(Prehashed(SHA256())))
    return True


def agrees(keys: Keys, triple: HeldTriple) -> bool:
    peer = ec.generate_private_key(triple.encryption.key.curve)
    point = peer.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    shared = peer.exchange(ec.ECDH(), triple.encryption.key.public_key())
    return keys.agree(name(triple.encryption), point) == shared


@pytest.fixture(params=["brainpool", "p256"])
def curve(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_keys_of_the_folder_sign_and_agree(tmp_path: Path, curve: str) -> None:
    triple = session_pki(curve).write_triple(tmp_path)
    keys = open_keys(tmp_path / "run", tmp_path)
    assert signs(keys, triple)
    assert agrees(keys, triple)
    assert len(keys.random(32)) == 32


def test_all_triples_can_be_used_while_a_renewal_overlaps(tmp_path: Path) -> None:
    both = [session_pki().write_triple(tmp_path, number=number) for number in (1, 2)]
    keys = FolderKeys(tmp_path)
    assert all(signs(keys, triple) and agrees(keys, triple) for triple in both)
    assert keys.described == "2 keys for signature, 2 for encryption"


def test_a_renewal_is_found_without_a_restart(tmp_path: Path) -> None:
    keys = open_keys(tmp_path / "run", tmp_path)
    assert signs(keys, session_pki().write_triple(tmp_path))
    assert signs(keys, session_pki().write_triple(tmp_path, number=2))


def test_a_removed_key_is_forgotten_at_the_next_look(tmp_path: Path) -> None:
    triple = session_pki().write_triple(tmp_path)
    keys = FolderKeys(tmp_path)
    assert signs(keys, triple)
    (tmp_path / "own/1/sig.key").unlink()
    assert keys.refresh()
    with pytest.raises(KeyMismatchError, match=r"Put sig\.key back"):
        signs(keys, triple)
    assert agrees(keys, triple)
    assert not keys.refresh()


def test_a_key_for_encryption_never_signs_and_one_for_signature_never_agrees(tmp_path: Path) -> None:
    triple = session_pki().write_triple(tmp_path)
    keys = FolderKeys(tmp_path)
    with pytest.raises(KeyMismatchError):
        keys.sign(name(triple.encryption), DIGEST)
    point = triple.encryption.key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    with pytest.raises(KeyMismatchError):
        keys.agree(name(triple.signature), point)


def test_the_key_for_tls_is_never_read(tmp_path: Path) -> None:
    triple = session_pki().write_triple(tmp_path)
    (tmp_path / "own/1/tls.key").write_text("no key")
    with pytest.raises(KeyMismatchError):
        FolderKeys(tmp_path).sign(name(triple.tls), DIGEST)


def test_keys_that_wait_for_their_certificates_are_not_read(tmp_path: Path) -> None:
    triple = session_pki().write_triple(tmp_path)
    (tmp_path / "own/2").mkdir()
    (tmp_path / "own/2/sig.key").write_text("no key yet")
    keys = FolderKeys(tmp_path)
    assert signs(keys, triple)
    assert keys.faults == ()


def test_a_file_with_a_fault_does_not_hide_the_others(tmp_path: Path) -> None:
    good = session_pki().write_triple(tmp_path)
    bad = session_pki().write_triple(tmp_path, number=2)
    (tmp_path / "own/2/sig.key").chmod(0o644)
    keys = open_keys(tmp_path / "run", tmp_path)
    assert signs(keys, good)
    assert agrees(keys, bad)
    with pytest.raises(OpenToOthersError) as raised:
        signs(keys, bad)
    assert raised.value.file == tmp_path / "own/2/sig.key"


def test_a_fault_passes_when_it_is_mended(tmp_path: Path) -> None:
    triple = session_pki().write_triple(tmp_path)
    file = tmp_path / "own/1/sig.key"
    content = file.read_bytes()
    file.write_text("damaged, and longer or shorter than it was")
    keys = open_keys(tmp_path / "run", tmp_path)
    with pytest.raises(Exception, match=r"sig\.key.*start it: systemctl start smgw-keys"):
        signs(keys, triple)
    file.write_bytes(content)
    assert signs(keys, triple)


def test_the_passphrase_lies_beside_the_configuration(tmp_path: Path) -> None:
    triple = session_pki().write_triple(tmp_path, passphrase=PASSPHRASE)
    phrase = tmp_path / "etc" / "phrase"
    phrase.parent.mkdir()
    phrase.write_bytes(PASSPHRASE)
    phrase.chmod(0o600)
    keys = open_keys(tmp_path / "run", tmp_path, KeysProfile(passphrase_file=Path("phrase")), tmp_path / "etc")
    assert signs(keys, triple)


def test_a_wrong_passphrase_is_named_and_not_shown(tmp_path: Path) -> None:
    triple = session_pki().write_triple(tmp_path, passphrase=PASSPHRASE)
    phrase = tmp_path / "phrase"
    phrase.write_bytes(b"battery staple")
    phrase.chmod(0o600)
    with pytest.raises(PassphraseError, match=r"sig\.key.*first line of .*phrase") as raised:
        signs(open_keys(tmp_path / "run", tmp_path, KeysProfile(passphrase_file=phrase)), triple)
    assert "battery" not in str(raised.value)


def test_without_any_key_the_error_says_where_they_belong(tmp_path: Path) -> None:
    triple = session_pki().triple()
    with pytest.raises(KeyMismatchError, match="smgw keys request") as raised:
        signs(open_keys(tmp_path / "run", tmp_path), triple)
    assert raised.value.file == tmp_path / "own"
