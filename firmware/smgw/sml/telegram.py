"""Octets to telegrams: frames with correct check sums, and their messages."""

from typing import NamedTuple

from smgw.sml.file import FileError
from smgw.sml.messages import GetListResponse, Message, OtherBody
from smgw.sml.shape import Shapes
from smgw.sml.transport import MAX_FRAME, Frame, FrameDecoder
from smgw.wire import Crc, Refused

_new = tuple.__new__  # makes a NamedTuple in half the time that its constructor takes


class Telegram(NamedTuple):
    """The messages of one frame."""

    messages: list[Message]
    crc: Crc

    @property
    def lists(self) -> list[GetListResponse]:
        """The lists of values in it: one with most meters."""
        return [message.body for message in self.messages if isinstance(message.body, GetListResponse)]

    @property
    def unread(self) -> list[OtherBody]:
        """Bodies that could not be decoded, each with its reason."""
        return [message.body for message in self.messages if isinstance(message.body, OtherBody)]


class TelegramReader:
    """Octets in pieces of any size in, telegrams out; a frame with a wrong check sum gives `Refused`."""

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._frames = FrameDecoder(max_frame)
        self.shapes = Shapes()  # also counts the use of the fast path

    @property
    def receiving(self) -> bool:
        """True while a telegram is unfinished."""
        return self._frames.receiving

    def receive(self, data: bytes) -> list[Telegram | Refused]:
        """Take octets, return the telegrams that they complete and the octets refused, in order."""
        return [self._telegram(event) for event in self._frames.receive(data)]

    def finish(self) -> list[Telegram | Refused]:
        """The octets have ended: report an unfinished telegram."""
        return [self._telegram(event) for event in self._frames.finish()]

    def _telegram(self, event: Frame | Refused) -> Telegram | Refused:
        if isinstance(event, Refused):
            return event
        payload, crc = event
        try:
            return _new(Telegram, (self.shapes.decode(payload, crc), crc))
        except FileError as error:
            return Refused(str(error), len(payload))
