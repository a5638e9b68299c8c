"""Private keys behind the interface `Keys`: files that are private, passphrases, and nothing that gives a key out."""

import copy
import os
import pickle
from hashlib import sha256, sha384, sha512
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as rsa_key
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from smgw.errors import LocalProtocolError
from smgw.trust.errors import (
    FileError,
    KeyMismatchError,
    OpenToOthersError,
    PassphraseError,
    TrustError,
    WrongCurveError,
)
from smgw.trust.keys import Keys, key_name
from smgw.trust.keys.pem import PemFile, PemKeys
from smgw.trust.keys.private_file import SIZE_MAX, read_passphrase

KEY = ec.generate_private_key(ec.BrainpoolP256R1())
NAME = key_name(KEY.public_key())
PASSPHRASE = b"correct horse"
PLAIN = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
OLDER = KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
ENCRYPTED = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSPHRASE))
CURVES = (ec.BrainpoolP256R1(), ec.BrainpoolP384R1(), ec.SECP256R1())


def written(folder: Path, octets: bytes, name: str = "sig.key", mode: int = 0o600) -> Path:
    file = folder / name
    file.write_bytes(octets)
    file.chmod(mode)
    return file


def refused(file: PemFile, error: type[TrustError]) -> TrustError:
    with pytest.raises(error) as caught:
        PemKeys.read([file])
    assert type(caught.value) is error
    assert caught.value.file in file
    assert caught.value.remedy
    return caught.value


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


@pytest.mark.parametrize("mode", [0o600, 0o400])
@pytest.mark.parametrize("octets", [PLAIN, OLDER], ids=["pkcs8", "ec"])
def test_a_private_file_is_read(tmp_path: Path, octets: bytes, mode: int) -> None:
    assert NAME in PemKeys.read([PemFile(written(tmp_path, octets, mode=mode))])


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\nsecond line"])
def test_an_encrypted_key_is_read_with_its_passphrase(tmp_path: Path, end: bytes) -> None:
    passphrase = written(tmp_path, PASSPHRASE + end, "passphrase")
    assert NAME in PemKeys.read([PemFile(written(tmp_path, ENCRYPTED), passphrase)])


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601, 0o610])
def test_a_key_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    error = refused(PemFile(written(tmp_path, PLAIN, mode=mode)), OpenToOthersError)
    assert f"{mode:04o}" in str(error)
    assert "chmod 600" in str(error)


def test_a_passphrase_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    passphrase = written(tmp_path, PASSPHRASE, "passphrase", 0o644)
    refused(PemFile(written(tmp_path, ENCRYPTED), passphrase), OpenToOthersError)


def of_somebody(file: Path) -> Path:
    """The file belongs to a user who is not root."""
    if os.geteuid() == 0:
        os.chown(file, 4712, -1)
    return file


def test_root_may_use_the_key_of_any_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = of_somebody(written(tmp_path, PLAIN))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert NAME in PemKeys.read([PemFile(file)])


def test_a_key_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = of_somebody(written(tmp_path, PLAIN))
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    error = refused(PemFile(file), OpenToOthersError)
    assert "chown 4711" in str(error)


def test_a_credential_of_systemd_needs_no_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    file = PemFile(written(tmp_path, ENCRYPTED, mode=0o440), written(tmp_path, PASSPHRASE, "passphrase", 0o440))
    assert NAME in PemKeys.read([file])


def test_a_file_beside_the_credentials_still_needs_its_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "credentials").mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    refused(PemFile(written(tmp_path, PLAIN, mode=0o644)), OpenToOthersError)


def test_a_wrong_passphrase(tmp_path: Path) -> None:
    passphrase = written(tmp_path, b"wrong horse", "passphrase")
    error = refused(PemFile(written(tmp_path, ENCRYPTED), passphrase), PassphraseError)
    assert str(passphrase) in str(error)
    assert "wrong horse" not in str(error) + repr(vars(error))


def test_a_missing_passphrase(tmp_path: Path) -> None:
    refused(PemFile(written(tmp_path, ENCRYPTED)), PassphraseError)


def test_a_passphrase_for_a_key_that_has_none(tmp_path: Path) -> None:
    passphrase = written(tmp_path, PASSPHRASE, "passphrase")
    refused(PemFile(written(tmp_path, PLAIN), passphrase), PassphraseError)


@pytest.mark.parametrize("octets", [b"", b"\n", b"\nsecond line"])
def test_an_empty_passphrase(tmp_path: Path, octets: bytes) -> None:
    with pytest.raises(PassphraseError):
        read_passphrase(written(tmp_path, octets, "passphrase"))


@pytest.mark.parametrize(
    "octets",
    [b"", b"no key", PLAIN[:-60], KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)],
    ids=["empty", "text", "cut", "public"],
)
def test_a_file_that_holds_no_private_key(tmp_path: Path, octets: bytes) -> None:
    refused(PemFile(written(tmp_path, octets)), FileError)


def test_an_rsa_key(tmp_path: Path) -> None:
    octets = rsa_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    assert "elliptic curve" in str(refused(PemFile(written(tmp_path, octets)), FileError))


def test_a_file_that_is_absent(tmp_path: Path) -> None:
    refused(PemFile(tmp_path / "absent.key"), FileError)


def test_a_folder_in_place_of_a_file(tmp_path: Path) -> None:
    refused(PemFile(tmp_path), FileError)


def test_a_fifo_does_not_hold_the_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    refused(PemFile(tmp_path / "fifo"), FileError)


def test_a_file_that_is_far_too_large(tmp_path: Path) -> None:
    refused(PemFile(written(tmp_path, PLAIN + bytes(SIZE_MAX))), FileError)


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
@pytest.mark.parametrize(("hashed", "algorithm"), [(sha256, SHA256()), (sha384, SHA384()), (sha512, SHA512())])
def test_a_signature_is_ecdsa_in_der(curve: ec.EllipticCurve, hashed: object, algorithm: object) -> None:
    key = ec.generate_private_key(curve)
    digest = hashed(b"what is signed").digest()  # type: ignore[operator]
    signature = PemKeys([key]).sign(key_name(key.public_key()), digest)
    key.public_key().verify(signature, digest, ec.ECDSA(Prehashed(algorithm)))  # type: ignore[arg-type]


def test_a_digest_of_another_length_is_not_signed() -> None:
    with pytest.raises(LocalProtocolError):
        PemKeys([KEY]).sign(NAME, bytes(20))


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_both_sides_agree_on_the_same_secret(curve: ec.EllipticCurve) -> None:
    one, other = ec.generate_private_key(curve), ec.generate_private_key(curve)
    first = PemKeys([one]).agree(key_name(one.public_key()), point(other))
    assert first == PemKeys([other]).agree(key_name(other.public_key()), point(one))


@pytest.mark.parametrize(
    "given",
    [
        b"",
        b"\x00",
        b"\x04" + bytes(64),
        point(ec.generate_private_key(ec.SECP256R1())),
        point(ec.generate_private_key(ec.BrainpoolP384R1())),
        KEY.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint),
    ],
    ids=["empty", "infinity", "zero", "P-256", "longer", "compressed"],
)
def test_a_point_that_is_not_on_the_curve_is_refused(given: bytes) -> None:
    """Else the secret would tell, octet by octet, the private key."""
    with pytest.raises(WrongCurveError):
        PemKeys([KEY]).agree(NAME, given)


def test_a_key_that_is_not_there() -> None:
    for call in (lambda: PemKeys().sign(NAME, bytes(32)), lambda: PemKeys().agree(NAME, point(KEY))):
        with pytest.raises(KeyMismatchError, match=NAME):
            call()


def test_keys_of_a_renewal_stand_beside_each_other(tmp_path: Path) -> None:
    newer = ec.generate_private_key(ec.BrainpoolP256R1())
    octets = newer.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    keys = PemKeys.read([PemFile(written(tmp_path, PLAIN)), PemFile(written(tmp_path, octets, "newer.key"))])
    assert NAME in keys
    assert key_name(newer.public_key()) in keys


def test_random_octets_are_as_many_as_wanted_and_new() -> None:
    holder: Keys = PemKeys()
    assert [len(holder.random(count)) for count in (0, 12, 32)] == [0, 12, 32]
    assert holder.random(16) != holder.random(16)


def test_no_text_shows_a_key() -> None:
    keys = PemKeys([KEY])
    secret = KEY.private_numbers().private_value
    for text in (repr(keys), str(keys), f"{[keys]}"):
        assert str(secret) not in text
        assert f"{secret:x}" not in text


@pytest.mark.parametrize("give_out", [pickle.dumps, copy.copy, copy.deepcopy])
def test_keys_are_not_copied_and_not_sent(give_out: object) -> None:
    with pytest.raises(TypeError):
        give_out(PemKeys([KEY]))  # type: ignore[operator]


def test_the_interface_gives_no_key_out() -> None:
    assert {name for name in dir(PemKeys) if not name.startswith("_")} == {"agree", "joined", "random", "read", "sign"}
