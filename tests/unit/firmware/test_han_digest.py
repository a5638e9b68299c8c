"""HTTP Digest: the examples of RFC 7616, and nonces that are used once."""

import pytest
from han_login import FakeClock
from smgw.han.digest import MD5, NONCE_S, SHA_256, Freshness, Nonces, challenges, is_right, read, secret_of

# RFC 7616, 3.9.1
_FIELD = (
    'Digest username="Mufasa", realm="http-auth@example.org", uri="/dir/index.html", algorithm={algorithm}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", nc=00000001, '
    'cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", qop=auth, response="{response}", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
_RESPONSES = {
    MD5: "8ca523f5e9506fed4657c9700eebdbec",
    SHA_256: "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
}


@pytest.mark.parametrize("algorithm", [MD5, SHA_256])
def test_the_examples_of_the_rfc_are_right_logins(algorithm: str) -> None:
    login = read(_FIELD.format(algorithm=algorithm, response=_RESPONSES[algorithm]))
    assert login is not None
    secret = secret_of(algorithm, "Mufasa", "http-auth@example.org", "Circle of Life")
    assert is_right(login, secret, "GET")
    assert not is_right(login, secret, "POST")
    assert not is_right(login, secret_of(algorithm, "Mufasa", "http-auth@example.org", "circle"), "GET")


@pytest.mark.parametrize(
    "field",
    [
        "Basic YTpi",
        "Digest",
        'Digest username="a"',
        _FIELD.format(algorithm="SHA-512", response="00"),
        _FIELD.format(algorithm=MD5, response="00").replace("qop=auth", "qop=auth-int"),
        _FIELD.format(algorithm=MD5, response="00").replace("nc=00000001", "nc=1"),
        _FIELD.format(algorithm=MD5, response="00") + ', username="other"',
        _FIELD.format(algorithm=MD5, response="00") + " = ",
        "Digest " + "a" * 10_000,
        'Digest username="' + "\\" * 4000,
    ],
)
def test_what_is_no_whole_login_is_none(field: str) -> None:
    assert read(field) is None


def test_both_challenges_have_a_quoted_algorithm_and_the_same_nonce() -> None:
    strong, weak = (line for _, line in challenges("esmg0000000001", "abc", stale=True))
    assert 'algorithm="SHA-256", nonce="abc"' in strong
    assert 'algorithm="MD5", nonce="abc"' in weak
    assert strong.endswith("stale=true")


def test_a_nonce_counts_once_with_each_number_in_any_order() -> None:
    nonces = Nonces()
    nonce = nonces.new("peer")
    assert [nonces.use(nonce, "peer", count) for count in (2, 1, 3, 2, 1, 3)] == [
        *[Freshness.FRESH] * 3,
        *[Freshness.REPLAYED] * 3,
    ]


def test_a_number_far_below_the_highest_is_no_longer_taken() -> None:
    nonces = Nonces()
    nonce = nonces.new("peer")
    nonces.use(nonce, "peer", 1000)
    assert nonces.use(nonce, "peer", 1) is Freshness.REPLAYED


@pytest.mark.parametrize("forged", ["", "0" * 60, "zz" * 30, "ÿ" * 60])
def test_a_nonce_that_nobody_gave_out_is_stale(forged: str) -> None:
    assert Nonces().use(forged, "peer", 1) is Freshness.STALE


def test_a_nonce_is_worth_nothing_to_another_peer_or_later_or_in_another_process() -> None:
    clock = FakeClock()
    nonces = Nonces(clock)
    nonce = nonces.new("peer")
    assert nonces.use(nonce, "other", 1) is Freshness.STALE
    assert Nonces(clock).use(nonce, "peer", 1) is Freshness.STALE
    clock.pass_(NONCE_S)
    assert nonces.use(nonce, "peer", 1) is Freshness.STALE


def test_a_forgotten_nonce_cannot_be_used_again() -> None:
    """The table is bounded; who fills it must not make an old login usable."""
    clock = FakeClock()
    nonces = Nonces(clock)
    first = nonces.new("peer")
    assert nonces.use(first, "peer", 1) is Freshness.FRESH
    for _ in range(2100):
        clock.pass_(0.01)
        nonces.use(nonces.new("peer"), "peer", 1)
    assert nonces.use(first, "peer", 1) is Freshness.STALE
