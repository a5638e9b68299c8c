"""Both sides' answers of high level security: each mechanism accepts the other side's and nothing else."""

from collections.abc import Callable
from hashlib import md5, sha1, sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1, SECP521R1, generate_private_key
from smgw.dlms.apdus.acse import Mechanism
from smgw.dlms.security.hls import Authentication, Ecdsa, Encrypted, Hashed, Password, Proof
from smgw.dlms.security.secret import Secret
from smgw.dlms.security.signatures import signer, verifier
from smgw.dlms.security.suites import Gmac, Keys, Suite
from smgw.errors import LocalProtocolError

CLIENT, SERVER = b"CLIENT01", b"SERVER02"
CTOS, STOC = b"from client to server", b"from server to client"
PASS_3 = Proof(CLIENT, SERVER, STOC, CTOS)  # the client proves
SECRET = Secret(b"a secret of whatever length")

Pair = tuple[Authentication, Authentication]


def hashed(mechanism: Mechanism) -> Callable[[], Pair]:
    return lambda: (Hashed(mechanism, SECRET), Hashed(mechanism, SECRET))


def gmac(suite: Suite) -> Callable[[], Pair]:
    keys = Keys.of(suite, bytes(suite.key_length), bytes(range(suite.key_length)))
    return lambda: (Gmac(keys, iter(range(5, 99)).__next__), Gmac(keys, iter(range(5, 99)).__next__))


def ecdsa(curve: type[SECP256R1] | type[SECP384R1]) -> Callable[[], Pair]:
    def make() -> Pair:
        ours, theirs = generate_private_key(curve()), generate_private_key(curve())
        return (
            Ecdsa(signer(ours), verifier(theirs.public_key())),
            Ecdsa(signer(theirs), verifier(ours.public_key())),
        )

    return make


PAIRS = {
    "2": lambda: (Encrypted(Secret(b"a short one")), Encrypted(Secret(b"a short one"))),
    "3": hashed(Mechanism.HIGH_MD5),
    "4": hashed(Mechanism.HIGH_SHA1),
    "5, suite 0": gmac(Suite.AES_GCM_128),
    "5, suite 1": gmac(Suite.ECDH_ECDSA_AES_GCM_128_SHA_256),
    "5, suite 2": gmac(Suite.ECDH_ECDSA_AES_GCM_256_SHA_384),
    "6": hashed(Mechanism.HIGH_SHA256),
    "7, suite 1": ecdsa(SECP256R1),
    "7, suite 2": ecdsa(SECP384R1),
}


@pytest.mark.parametrize("name", PAIRS)
def test_each_side_accepts_the_other_s_answer(name: str) -> None:
    client, server = PAIRS[name]()
    assert server.accepts(PASS_3, client.answer(PASS_3))
    assert client.accepts(PASS_3.turned(), server.answer(PASS_3.turned()))
    assert client.mechanism == server.mechanism == int(name[0])


@pytest.mark.parametrize("name", PAIRS)
def test_no_side_accepts_an_answer_that_was_changed_or_is_about_something_else(name: str) -> None:
    client, server = PAIRS[name]()
    answer = client.answer(PASS_3)
    for place in range(len(answer)):
        assert not server.accepts(PASS_3, answer[:place] + bytes((answer[place] ^ 1,)) + answer[place + 1 :])
    assert not server.accepts(PASS_3, b"")
    assert not server.accepts(PASS_3, answer[:-1])
    assert not server.accepts(PASS_3._replace(challenge=b"another challenge"), answer)


def test_the_digests_are_over_what_the_green_book_says() -> None:
    assert Hashed(Mechanism.HIGH_MD5, SECRET).answer(PASS_3) == md5(STOC + SECRET).digest()
    assert Hashed(Mechanism.HIGH_SHA1, SECRET).answer(PASS_3) == sha1(STOC + SECRET).digest()
    assert (
        Hashed(Mechanism.HIGH_SHA256, SECRET).answer(PASS_3) == sha256(SECRET + CLIENT + SERVER + STOC + CTOS).digest()
    )


def test_mechanism_2_encrypts_the_challenge_with_the_secret_both_filled_up_with_zeros() -> None:
    """Vector of FIPS 197, C.1."""
    proof = PASS_3._replace(challenge=bytes.fromhex("00112233445566778899aabbccddeeff"))
    held = Encrypted(Secret(range(16)))
    assert held.answer(proof).hex() == "69c4e0d86a7b0430d8cdb78070b4c55a"
    filled = PASS_3._replace(challenge=STOC.ljust(32, b"\0"))
    short = Encrypted(Secret(b"secret"))
    assert short.answer(PASS_3) == Encrypted(Secret(b"secret".ljust(16, b"\0"))).answer(filled)


@pytest.mark.parametrize(("curve", "length"), [(SECP256R1, 64), (SECP384R1, 96)])
def test_a_signature_has_two_numbers_of_the_field_s_length(
    curve: type[SECP256R1] | type[SECP384R1], length: int
) -> None:
    sign = signer(generate_private_key(curve()))
    assert {len(sign(bytes((number,)))) for number in range(50)} == {length}


def test_a_curve_that_dlms_does_not_know_is_refused() -> None:
    with pytest.raises(LocalProtocolError, match="P-256 and P-384, not on secp521r1"):
        signer(generate_private_key(SECP521R1()))


def test_secrets_do_not_show() -> None:
    """R27."""
    for held in (Password(SECRET), Hashed(Mechanism.HIGH_MD5, SECRET)):
        assert "whatever" not in repr(held)
