"""Messages with another structure, too large ones and repeated ones are refused, in bounded memory."""

import tracemalloc
import zlib

import pytest
from forging import CONTENT, ENCRYPTED, MAC, WRAPPED, at, edited, flipped, signed_by
from refusing import BOTH, PAYLOAD, PEERS, enveloped, opened, refused, sealed
from smgw.trust import oids
from smgw.trust.cms import der
from smgw.trust.cms.enveloped import envelop
from smgw.trust.cms.message import open_sealed
from smgw.trust.cms.profile import Profile, Suite
from smgw.trust.cms.replays import Replays
from smgw.trust.errors import IntegrityError, MalformedError, ReplayedError, TooLargeError


@BOTH
def test_a_message_cut_off_anywhere(suite: Suite) -> None:
    octets = sealed(suite)
    for size in range(len(octets)):
        refused(octets[:size], MalformedError)


def test_something_behind_the_message() -> None:
    refused(sealed() + b"\x00", MalformedError)


def test_the_indefinite_length_of_ber() -> None:
    octets = sealed()
    refused(b"\x30\x80" + octets[4:] + bytes(2), MalformedError)


def test_a_length_with_more_octets_than_needed() -> None:
    octets = sealed()
    refused(b"\x30\x83\x00" + octets[2:], MalformedError)


def test_a_message_that_is_only_sealed_and_not_signed() -> None:
    envelope = at(sealed(), CONTENT).content
    octets = der.element(0x30, der.identifier(oids.AUTH_ENVELOPED_DATA), der.element(0xA0, envelope))
    refused(octets, MalformedError)


def test_a_message_that_is_only_signed_and_not_sealed() -> None:
    from smgw.trust.cms.signed import sign

    refused(sign(PAYLOAD, oids.DATA, PEERS.gateway.keys, PEERS.gateway.certificate), MalformedError)


# Size


def _bomb(size: int) -> bytes:
    """A message of some kilobytes whose content inflates to `size` octets."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()
    algorithm = der.element(0x30, der.identifier(oids.ZLIB_COMPRESSION))
    inside = der.element(0x30, der.identifier(oids.DATA), der.element(0xA0, der.element(4, packed)))
    compressed = der.element(0x30, der.element(2, b"\x00"), algorithm, inside)
    gateway, emp = PEERS
    envelope = envelop(compressed, oids.COMPRESSED_DATA, gateway.keys, emp.certificate, Suite.AES_128_GCM, Profile.BSI)
    return signed_by(gateway, envelope)


def test_a_bomb_of_50_mb_is_refused_in_bounded_memory() -> None:
    octets = _bomb(50 << 20)
    assert len(octets) < 100_000
    tracemalloc.start()
    try:
        refused(octets, TooLargeError)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 << 20  # the limit is 4 MiB, and zlib doubles its buffer


def test_content_just_as_large_as_the_limit_is_opened() -> None:
    gateway, emp = PEERS
    for compress in (False, True):
        octets = sealed(payload=bytes(1000), compress=compress)
        found = open_sealed(octets, emp.keys, emp.certificate, [gateway.certificate], largest=1000)
        assert len(found.payload) == 1000
        with pytest.raises(TooLargeError):
            open_sealed(octets, emp.keys, emp.certificate, [gateway.certificate], largest=999)


def test_a_message_far_beyond_the_limit_is_not_even_read() -> None:
    refused(bytes(5 << 20), TooLargeError)


@pytest.mark.parametrize(
    "change",
    [flipped, lambda node: der.element(4, node.content[:-3]), lambda node: der.element(4, node.content, b"more")],
)
def test_a_damaged_compressed_stream_under_a_right_mac(monkeypatch: pytest.MonkeyPatch, change: object) -> None:
    from smgw.trust.cms import message

    real = message.compressed
    monkeypatch.setattr(message, "compressed", lambda payload: edited(real(payload), (0, 2, 1, 0), change))  # type: ignore[arg-type]
    refused(sealed(compress=True), MalformedError)


# Replay


def test_a_message_that_comes_again() -> None:
    replays, octets = Replays(), sealed()
    replays.admit(opened(octets))
    with pytest.raises(ReplayedError):
        replays.admit(opened(octets))


def test_a_message_that_comes_again_with_a_new_signature() -> None:
    """The holder of a key can always sign the same envelope again; it is the same message."""
    replays, octets = Replays(), sealed()
    replays.admit(opened(octets))
    with pytest.raises(ReplayedError):
        replays.admit(opened(signed_by(PEERS.gateway, at(octets, CONTENT).content)))


def test_the_same_payload_sealed_anew_is_no_replay() -> None:
    replays = Replays()
    assert replays.admit(opened(sealed())).payload == replays.admit(opened(sealed())).payload


def test_the_memory_of_replays_is_bounded() -> None:
    replays, messages = Replays(2), [opened(sealed()) for _ in range(3)]
    for one in messages:
        replays.admit(one)
    replays.admit(messages[0])  # forgotten
    with pytest.raises(ReplayedError):
        replays.admit(messages[2])


# What an error holds


@pytest.mark.parametrize("path", [MAC, (*ENCRYPTED, 2), (*WRAPPED, 0, 1)])
def test_an_error_holds_nothing_of_the_content(path: tuple[int, ...]) -> None:
    error = refused(enveloped(flipped, path), IntegrityError)
    assert "4711" not in repr(vars(error)) + str(error)
    assert error.__cause__ is None
    assert error.subject == "CMS message"
