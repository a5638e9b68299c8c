"""UI frames of a link: APDUs without turn, answer and acknowledgement (IEC 62056-46, 6.4.3.3)."""

from smgw.errors import RemoteProtocolError
from smgw.hdlc.address import Address
from smgw.hdlc.control import Control, Kind
from smgw.hdlc.events import ApduReceived
from smgw.hdlc.frame import Frame, encode_frame
from smgw.hdlc.llc import Role, split
from smgw.hdlc.segments import Assembly, cut
from smgw.wire import Refused


class Unnumbered:
    """Both directions of one link. The secondary marks the last frame of an APDU with F."""

    def __init__(self, role: Role) -> None:
        self._role = role
        self._assembly = Assembly()

    def frames(self, apdu: bytes, own: Address, peer: Address, information: int) -> bytes:
        """An APDU in frames of at most `information` octets of information each."""
        frames = []
        for segment in cut(self._role.value + apdu, information):
            control = Control(Kind.UI, final=self._role is Role.SECONDARY and not segment.more).encode()
            frames.append(encode_frame(peer, own, control, segment.information, segmented=segment.more))
        return b"".join(frames)

    def take(self, frame: Frame) -> list[ApduReceived | Refused]:
        """The APDU that a frame completes, if any."""
        try:
            whole = self._assembly.add(frame.information, more=frame.segmented)
        except RemoteProtocolError as error:
            return [Refused(str(error), len(frame.information))]
        return [ApduReceived(apdu, True, frame.source.upper) for apdu in split(whole or b"")]
