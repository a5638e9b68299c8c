"""From octets to telegrams: frames whose every check sum is right, with their messages."""

from typing import NamedTuple

from smgw.sml.file import FileError
from smgw.sml.messages import GetListResponse, Message, OtherBody
from smgw.sml.shape import Shapes
from smgw.sml.transport import MAX_FRAME, Frame, FrameDecoder
from smgw.wire import Crc, Refused


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
        """Bodies that this program does not understand, each with its reason."""
        return [message.body for message in self.messages if isinstance(message.body, OtherBody)]


class TelegramReader:
    """Octets in pieces of any size in, telegrams out; a frame that cannot be vouched for comes out as `Refused`."""

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._frames = FrameDecoder(max_frame)
        self.shapes = Shapes()  # counts, for who wants to know, how often the fast path was enough

    @property
    def receiving(self) -> bool:
        """True while a telegram has begun and not ended."""
        return self._frames.receiving

    def receive(self, data: bytes) -> list[Telegram | Refused]:
        """Take octets, return what they completed, in order."""
        return [self._telegram(event) for event in self._frames.receive(data)]

    def finish(self) -> list[Telegram | Refused]:
        """The octets have ended: say what was cut off."""
        return [self._telegram(event) for event in self._frames.finish()]

    def _telegram(self, event: Frame | Refused) -> Telegram | Refused:
        if isinstance(event, Refused):
            return event
        payload, crc = event
        try:
            return Telegram(self.shapes.decode(payload, crc), crc)
        except FileError as error:
            return Refused(str(error), len(payload))
