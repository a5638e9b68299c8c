"""M-Bus (EN 13757-2), sans-IO: its frames in a stream of octets. What is in them is the user's matter.

Today they carry DLMS pushes (`dlms.carriers.mbus`). There is no M-Bus master here.
"""

from smgw.mbus.frame import Frame, FrameDecoder

__all__ = ["Frame", "FrameDecoder"]
