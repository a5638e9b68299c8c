"""M-Bus (EN 13757-2), sans-IO: its frames in a stream of octets. It does not read their content.

They carry DLMS pushes (`dlms.carriers.mbus`). There is no M-Bus master here yet.
"""

from smgw.mbus.frame import Frame, FrameDecoder

__all__ = ["Frame", "FrameDecoder"]
