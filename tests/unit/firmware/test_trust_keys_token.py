"""Keys in a security module, with SoftHSM as the module: use, a token that is pulled out, and PINs."""

from collections.abc import Iterator
from hashlib import sha256, sha384, sha512
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from smgw.profiles.keys import KeysProfile
from smgw.trust.certificate import Purpose
from smgw.trust.errors import FileError, KeyMismatchError, KeysUnavailableError, PinError, WrongCurveError
from smgw.trust.keys import key_name, pkcs11
from smgw.trust.keys.holder import open_keys
from smgw.trust.keys.pkcs11 import TokenSession
from smgw.trust.keys.token import TokenKeys
from smgw.trust.keys.token_request import RequestKey
from smgw.trust.names import gateway
from smgw.trust.request import make_request
from soft_token import MODULE, PIN, SoftToken

DIGEST = sha256(b"reading").digest()
CURVES = {"brainpool": ec.BrainpoolP256R1(), "p256": ec.SECP256R1()}


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftToken:
    monkeypatch.setattr(pkcs11, "_REFUSED", set())
    return SoftToken(tmp_path, monkeypatch)


@pytest.fixture
def keys(token: SoftToken) -> Iterator[TokenKeys]:
    made = TokenKeys(MODULE, token.label, token.pin_file)
    yield made
    made.close()


@pytest.fixture(params=list(CURVES))
def curve(request: pytest.FixtureRequest) -> ec.EllipticCurve:
    return CURVES[request.param]


def make(token: SoftToken, curve: ec.EllipticCurve, *, agrees: bool) -> ec.EllipticCurvePublicKey:
    session = TokenSession(MODULE, token.label, PIN.encode, write=True)
    try:
        return RequestKey(session, "made", curve, agrees=agrees).public_key()
    finally:
        session.close()


def verify(public: ec.EllipticCurvePublicKey, signature: bytes, digest: bytes, algorithm: HashAlgorithm) -> None:
    public.verify(signature, digest, ec.ECDSA(utils.Prehashed(algorithm)))


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def test_it_signs_digests_of_every_length(token: SoftToken, keys: TokenKeys, curve: ec.EllipticCurve) -> None:
    public = make(token, curve, agrees=False)
    for digest, algorithm in ((sha256, SHA256()), (sha384, SHA384()), (sha512, SHA512())):
        octets = digest(b"reading").digest()
        verify(public, keys.sign(key_name(public), octets), octets, algorithm)


def test_it_agrees_on_the_same_secret_as_the_peer(token: SoftToken, keys: TokenKeys, curve: ec.EllipticCurve) -> None:
    public = make(token, curve, agrees=True)
    for _ in range(40):  # some shared secrets begin with zeros
        peer = ec.generate_private_key(curve)
        assert keys.agree(key_name(public), point(peer.public_key())) == peer.exchange(ec.ECDH(), public)


def test_random_octets_differ(keys: TokenKeys) -> None:
    assert len({keys.random(32) for _ in range(10)}) == 10


def test_a_point_that_is_none_of_the_curve_does_not_reach_the_token(token: SoftToken, keys: TokenKeys) -> None:
    public = make(token, ec.BrainpoolP256R1(), agrees=True)
    stranger = point(ec.generate_private_key(ec.SECP256R1()).public_key())
    with pytest.raises(WrongCurveError):
        keys.agree(key_name(public), stranger)
    with pytest.raises(WrongCurveError):
        keys.agree(key_name(public), b"\x04" + bytes(64))


def test_a_key_that_signs_never_agrees_and_the_other_way_round(token: SoftToken, keys: TokenKeys) -> None:
    signature, encryption = (make(token, ec.SECP256R1(), agrees=agrees) for agrees in (False, True))
    with pytest.raises(KeyMismatchError, match=f"key {key_name(encryption)}"):
        keys.sign(key_name(encryption), DIGEST)
    with pytest.raises(KeyMismatchError):
        keys.agree(key_name(signature), point(encryption))


def test_a_key_that_was_made_later_is_found(token: SoftToken, keys: TokenKeys) -> None:
    with pytest.raises(KeyMismatchError, match="smgw keys request"):
        keys.sign("0" * 40, DIGEST)
    public = make(token, ec.SECP256R1(), agrees=False)
    verify(public, keys.sign(key_name(public), DIGEST), DIGEST, SHA256())
    assert keys.described == "token smgw: 1 keys for signature, 0 for encryption"


def test_the_holder_opens_the_token_that_the_configuration_names(token: SoftToken) -> None:
    public = make(token, ec.SECP256R1(), agrees=False)
    profile = KeysProfile("pkcs11", MODULE, token.label, Path("pin"))
    holder = open_keys(Path("/nowhere"), Path("/nowhere"), profile, token.pin_file.parent)
    verify(public, holder.sign(key_name(public), DIGEST), DIGEST, SHA256())
    holder.close()


def test_a_request_is_signed_in_the_token_and_the_key_for_encryption_signs_no_more(
    token: SoftToken, keys: TokenKeys, curve: ec.EllipticCurve
) -> None:
    session = TokenSession(MODULE, token.label, PIN.encode, write=True)
    try:
        key = RequestKey(session, "smgw-enc-1", curve, agrees=True)
        pem = make_request(gateway("EXXX0012345678"), Purpose.ENCRYPTION, key)
        found = x509.load_pem_x509_csr(pem)
        assert found.is_signature_valid
        assert point(found.public_key()) == point(key.public_key())
        with pytest.raises(KeysUnavailableError, match="KEY_FUNCTION_NOT_PERMITTED"):
            key.sign(b"", ec.ECDSA(SHA256()))
    finally:
        session.close()
    peer = ec.generate_private_key(curve)
    secret = keys.agree(key_name(key.public_key()), point(peer.public_key()))
    assert secret == peer.exchange(ec.ECDH(), key.public_key())


def test_no_key_can_be_read_out_of_the_token(token: SoftToken) -> None:
    import PyKCS11

    make(token, ec.SECP256R1(), agrees=True)
    session = TokenSession(MODULE, token.label, PIN.encode)
    try:
        (key,) = session._session.findObjects([(PyKCS11.CKA_CLASS, PyKCS11.CKO_PRIVATE_KEY)])
        assert session._session.getAttributeValue(key, [PyKCS11.CKA_VALUE]) == [None]
    finally:
        session.close()


# Pulled out


def test_a_token_that_is_pulled_out_is_named_and_used_again_when_it_is_back(token: SoftToken, keys: TokenKeys) -> None:
    public = make(token, ec.BrainpoolP256R1(), agrees=False)
    keys.sign(key_name(public), DIGEST)
    token.pull_out()
    for _ in range(2):
        with pytest.raises(KeysUnavailableError, match=r"token smgw: .*Plug it in"):
            keys.sign(key_name(public), DIGEST)
    token.plug_in()
    verify(public, keys.sign(key_name(public), DIGEST), DIGEST, SHA256())


def test_the_removal_is_noticed_without_a_call(token: SoftToken, keys: TokenKeys) -> None:
    assert keys.refresh()
    assert keys.faults == ()
    token.pull_out()
    assert keys.refresh()
    assert "token smgw: the token is not there (found: none)" in str(keys.faults[0])
    assert keys.described == "token smgw is not open"
    assert not keys.refresh()
    token.plug_in()
    assert keys.refresh()
    assert keys.faults == ()


def test_another_token_is_not_taken_for_it(token: SoftToken) -> None:
    with pytest.raises(KeysUnavailableError, match=r"token other: the token is not there \(found: smgw\)"):
        TokenKeys(MODULE, "other", token.pin_file).random(1)


def test_a_library_that_is_none_is_named(token: SoftToken, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.so: this library of a security module cannot be loaded"):
        TokenKeys(tmp_path / "none.so", token.label, token.pin_file).random(1)


def test_a_library_that_does_not_start_is_not_said_to_be_missing(token: SoftToken, keys: TokenKeys) -> None:
    token.tokens.rename(token.tokens.with_name("away"))
    with pytest.raises(KeysUnavailableError, match=r"libsofthsm2\.so: .*does not start"):
        keys.random(1)
    token.tokens.with_name("away").rename(token.tokens)
    assert keys.random(1)


def test_a_closed_holder_opens_nothing_again(token: SoftToken, keys: TokenKeys) -> None:
    keys.random(1)
    keys.close()
    with pytest.raises(KeysUnavailableError):
        keys.random(1)


# PINs


def tries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every login at a token from now on."""
    import PyKCS11

    found, real = [], PyKCS11.Session.login

    def login(self: PyKCS11.Session, pin: bytes) -> None:
        found.append("login")
        real(self, pin)

    monkeypatch.setattr(PyKCS11.Session, "login", login)
    return found


def test_a_wrong_pin_is_told_and_tried_once_only(
    token: SoftToken, keys: TokenKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = tries(monkeypatch)
    token.write_pin("1234-wrong")
    for _ in range(3):
        with pytest.raises(PinError, match=r"token smgw: .*refused") as raised:
            keys.random(1)
        keys.refresh()
        assert "1234-wrong" not in f"{raised.value} {raised.value!r} {keys.faults}"
    with pytest.raises(PinError):  # nor by a reload, which makes a new holder
        TokenKeys(MODULE, token.label, token.pin_file).random(1)
    assert counted == ["login"]
    token.write_pin(PIN)
    assert len(keys.random(8)) == 8
    assert counted == ["login"] * 2


@pytest.mark.parametrize(
    ("flag", "told"), [("CKF_USER_PIN_LOCKED", "locked"), ("CKF_USER_PIN_FINAL_TRY", "only one try is left")]
)
def test_a_token_that_is_locked_or_about_to_lock_is_not_tried(
    token: SoftToken, keys: TokenKeys, monkeypatch: pytest.MonkeyPatch, flag: str, told: str
) -> None:
    import PyKCS11

    real = PyKCS11.PyKCS11Lib.getTokenInfo

    def info(self: PyKCS11.PyKCS11Lib, slot: int) -> PyKCS11.CK_TOKEN_INFO:
        found = real(self, slot)
        found.flags |= getattr(PyKCS11, flag)
        return found

    monkeypatch.setattr(PyKCS11.PyKCS11Lib, "getTokenInfo", info)
    counted = tries(monkeypatch)
    with pytest.raises(PinError, match=told):
        keys.random(1)
    assert counted == []


def test_a_pin_file_that_is_open_to_others_is_not_read(token: SoftToken, keys: TokenKeys) -> None:
    token.pin_file.chmod(0o644)
    with pytest.raises(FileError, match="chmod 600"):
        keys.random(1)


def test_without_the_binding_the_error_names_the_package(
    token: SoftToken, keys: TokenKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PyKCS11", None)
    with pytest.raises(KeysUnavailableError, match="apt-get install python3-pykcs11"):
        keys.random(1)


@pytest.mark.parametrize("length", [65, 97, 129])
def test_a_point_is_read_bare_or_in_der(length: int) -> None:
    bare = b"\x04" + bytes([length - 2]) * (length - 1)
    head = b"\x04" + (bytes([length]) if length < 128 else bytes([0x81, length]))
    assert pkcs11._point(bare) == pkcs11._point(head + bare) == bare
