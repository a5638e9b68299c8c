"""Long values in blocks: whatever the cuts, what goes in comes out; what does not follow is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smgw.dlms.apdus.block import GeneralBlock
from smgw.dlms.errors import TransferError
from smgw.dlms.session.general_block import OVERHEAD, GeneralBlocks
from smgw.dlms.session.transfer import Incoming, Outgoing


@given(pieces=st.lists(st.binary(max_size=40), max_size=20), size=st.integers(1, 50))
def test_a_value_in_blocks_comes_out_whole(pieces: list[bytes], size: int) -> None:
    outgoing, incoming = Outgoing(pieces), Incoming()
    while True:
        piece = outgoing.piece(size)
        assert len(piece.raw) == size or (piece.last and len(piece.raw) <= size)
        incoming.add(piece.number, piece.raw)
        if piece.last:
            break
    assert incoming.value() == b"".join(pieces)
    assert incoming.octets == len(incoming.value())


@given(pieces=st.lists(st.binary(max_size=40), max_size=10), size=st.integers(0, 100))
def test_a_short_value_is_given_whole(pieces: list[bytes], size: int) -> None:
    value = b"".join(pieces)
    assert Outgoing(pieces).whole(size) == (value if len(value) <= size else None)
    assert Outgoing(pieces).rest() == value


def test_pieces_are_drawn_only_as_blocks_leave() -> None:
    drawn = []

    def pieces() -> object:
        for number in range(100):
            drawn.append(number)
            yield bytes(10)

    outgoing = Outgoing(pieces())  # type: ignore[arg-type]
    outgoing.piece(25)
    assert len(drawn) == 3


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_block_out_of_turn_is_refused(number: int) -> None:
    incoming = Incoming()
    incoming.add(1, b"first")
    with pytest.raises(TransferError, match=f"block {number} came where block 2 was due"):
        incoming.add(number, b"")


def test_a_value_longer_than_the_limit_is_refused() -> None:
    """R28."""
    incoming = Incoming(limit=10)
    incoming.add(1, bytes(10))
    with pytest.raises(TransferError, match="more than 10 octets"):
        incoming.add(2, b"x")


@given(apdu=st.binary(min_size=1, max_size=3000), size=st.integers(20, 400), window=st.integers(1, 63))
def test_general_blocks_bring_any_apdu_over(apdu: bytes, size: int, window: int) -> None:
    sender, receiver = GeneralBlocks(), GeneralBlocks(window=window)
    blocks = sender.send(apdu, size)
    assert carried(sender, receiver, blocks, lost=set()) == apdu


@given(
    apdu=st.binary(min_size=200, max_size=3000),
    window=st.integers(2, 20),
    lost=st.sets(st.integers(0, 40), max_size=10),
)
def test_general_blocks_that_are_lost_within_a_window_are_sent_again(apdu: bytes, window: int, lost: set[int]) -> None:
    sender, receiver = GeneralBlocks(), GeneralBlocks(window=window)
    blocks = sender.send(apdu, 40)
    assert carried(sender, receiver, blocks, lost=lost) == apdu


def carried(sender: GeneralBlocks, receiver: GeneralBlocks, blocks: list[GeneralBlock], lost: set[int]) -> bytes | None:
    """What arrives. `lost` counts blocks with the streaming bit; the last of a window is what asks for an answer."""
    streamed = 0
    whole = None
    for _ in range(1000):
        answers = []
        for block in blocks:
            assert len(block.encode()) <= 400
            if block.streaming:
                streamed += 1
                if streamed in lost:
                    continue
            replies, apdu = receiver.receive(block)
            answers += replies
            whole = apdu if apdu is not None else whole
        if whole is not None:
            return whole
        blocks = [following for answer in answers for following in sender.receive(answer)[0]]
    raise AssertionError("no end")


def test_an_acknowledgement_of_what_was_never_sent_is_refused() -> None:
    sender = GeneralBlocks()
    sender.send(bytes(1000), 100)
    with pytest.raises(TransferError, match="acknowledged and is none"):
        sender.receive(GeneralBlock(True, False, 6, 1, 99, b""))


def test_a_general_block_twice_is_taken_once() -> None:
    receiver = GeneralBlocks()
    first = GeneralBlock(False, False, 1, 1, 0, b"first ")
    receiver.receive(first)
    again, nothing = receiver.receive(first)
    assert (again[0].acknowledged, nothing) == (1, None)
    assert receiver.receive(GeneralBlock(True, False, 1, 2, 0, b"second"))[1] == b"first second"


def test_general_blocks_without_end_are_refused() -> None:
    """R28."""
    receiver = GeneralBlocks(limit=100)
    receiver.receive(GeneralBlock(False, True, 1, 1, 0, bytes(100)))
    with pytest.raises(TransferError, match="more than 100 octets"):
        receiver.receive(GeneralBlock(False, True, 1, 2, 0, b"x"))


def test_a_block_holds_no_more_than_is_left_beside_its_frame() -> None:
    (block,) = GeneralBlocks().send(bytes(500), 100)
    assert len(block.piece) == 100 - OVERHEAD
    assert len(block.encode()) <= 100
