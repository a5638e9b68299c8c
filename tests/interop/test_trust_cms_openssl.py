"""`openssl cms` verifies and decrypts what we seal in the form of RFC 5753, and we open what it makes."""

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sealing import OTHER_GATEWAY, Peers, party
from smgw.trust import oids
from smgw.trust.certificate import Purpose
from smgw.trust.cms import der
from smgw.trust.cms.message import open_sealed, seal
from smgw.trust.cms.profile import Profile
from smgw.trust.errors import IntegrityError, MalformedError, SignatureError, WrongSignerError

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="the command openssl is not installed")
PAYLOAD = b"<object>" + b"4711;" * 200 + b"</object>"
CURVES = pytest.mark.parametrize("curve", [ec.BrainpoolP256R1(), ec.SECP256R1()], ids=lambda curve: curve.name)


def openssl(folder: Path, *arguments: str, octets: bytes) -> bytes:
    """The output of `openssl cms` for these octets."""
    given, made = folder / "in.der", folder / "out.der"
    given.write_bytes(octets)
    made.unlink(missing_ok=True)
    command = ["openssl", "cms", *arguments, "-binary", "-in", str(given), "-out", str(made)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return made.read_bytes()


def verified(folder: Path, signer: str, octets: bytes) -> bytes:
    """The signed content, which OpenSSL calls verified."""
    options = ("-noverify", "-nointern", "-certfile", signer)  # -noverify: the chain; a test of the chain has its own
    return openssl(folder, "-verify", "-inform", "DER", *options, octets=octets)


def openssls(folder: Path, peers: Peers, payload: bytes = PAYLOAD, cipher: str = "-aes-128-gcm") -> bytes:
    """A message that OpenSSL encrypts and signs."""
    recipient, _ = peers.emp.write(folder)
    signer, key = peers.gateway.write(folder)
    encrypt = ("-encrypt", cipher, "-outform", "DER", "-recip", recipient, "-keyid", "-keyopt", "ecdh_kdf_md:sha256")
    envelope = openssl(folder, *encrypt, octets=payload)
    sign = ("-sign", "-nodetach", "-outform", "DER", "-signer", signer, "-inkey", key, "-md", "sha256")
    kind = ("-econtent_type", oids.AUTH_ENVELOPED_DATA, "-keyid", "-nosmimecap")
    return openssl(folder, *sign, *kind, octets=envelope)


@CURVES
def test_openssl_verifies_and_decrypts_what_we_seal(tmp_path: Path, curve: ec.EllipticCurve) -> None:
    peers = Peers.on(curve)
    gateway, emp = peers
    octets = seal(PAYLOAD, gateway.keys, gateway.certificate, emp.certificate, profile=Profile.RFC5753)
    signer, _ = gateway.write(tmp_path)
    recipient, key = emp.write(tmp_path)
    envelope = verified(tmp_path, signer, octets)
    # OpenSSL takes an envelope only in a ContentInfo of its own.
    wrapped = der.element(0x30, der.identifier(oids.AUTH_ENVELOPED_DATA), der.element(0xA0, envelope))
    decrypt = ("-decrypt", "-inform", "DER", "-recip", recipient, "-inkey", key)
    assert openssl(tmp_path, *decrypt, octets=wrapped) == PAYLOAD


@pytest.mark.parametrize("profile", Profile)
def test_openssl_verifies_the_signature_of_either_form(tmp_path: Path, profile: Profile) -> None:
    gateway, emp = Peers.on()
    octets = seal(PAYLOAD, gateway.keys, gateway.certificate, emp.certificate, compress=True, profile=profile)
    signer, _ = gateway.write(tmp_path)
    assert verified(tmp_path, signer, octets)[:1] == b"\x30"


def test_openssl_refuses_another_signer_of_ours(tmp_path: Path) -> None:
    gateway, emp = Peers.on()
    octets = seal(PAYLOAD, gateway.keys, gateway.certificate, emp.certificate, profile=Profile.RFC5753)
    other, _ = party(OTHER_GATEWAY, Purpose.SIGNATURE).write(tmp_path)
    with pytest.raises(AssertionError, match="signer certificate not found"):
        verified(tmp_path, other, octets)


@CURVES
def test_we_open_what_openssl_encrypts_and_signs(tmp_path: Path, curve: ec.EllipticCurve) -> None:
    peers = Peers.on(curve)
    gateway, emp = peers
    octets = openssls(tmp_path, peers)
    found = open_sealed(octets, emp.keys, emp.certificate, [gateway.certificate], profile=Profile.RFC5753)
    assert (found.payload, found.signer) == (PAYLOAD, gateway.certificate)


def test_we_refuse_openssls_message_of_another_signer(tmp_path: Path) -> None:
    peers = Peers.on()
    octets = openssls(tmp_path, peers)
    stranger = party(OTHER_GATEWAY, Purpose.SIGNATURE).certificate
    with pytest.raises(WrongSignerError):
        open_sealed(octets, peers.emp.keys, peers.emp.certificate, [stranger], profile=Profile.RFC5753)


def test_we_refuse_openssls_message_that_was_changed(tmp_path: Path) -> None:
    gateway, emp = peers = Peers.on()
    octets = openssls(tmp_path, peers)
    place = octets.index(der.identifier(oids.AES128_GCM)) + 100
    changed = octets[:place] + bytes((octets[place] ^ 1,)) + octets[place + 1 :]
    with pytest.raises(SignatureError):
        open_sealed(changed, emp.keys, emp.certificate, [gateway.certificate], profile=Profile.RFC5753)


def test_a_receiver_of_the_bsis_form_refuses_openssls_message(tmp_path: Path) -> None:
    gateway, emp = peers = Peers.on()
    with pytest.raises(MalformedError):
        open_sealed(openssls(tmp_path, peers), emp.keys, emp.certificate, [gateway.certificate])


@pytest.mark.parametrize("cipher", ["-aes-256-gcm", "-aes-128-cbc"])
def test_we_refuse_ciphers_of_openssl_that_the_profile_does_not_have(tmp_path: Path, cipher: str) -> None:
    gateway, emp = peers = Peers.on()
    octets = openssls(tmp_path, peers, cipher=cipher)
    with pytest.raises((MalformedError, IntegrityError)):
        open_sealed(octets, emp.keys, emp.certificate, [gateway.certificate], profile=Profile.RFC5753)
