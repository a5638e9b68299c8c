"""M-Bus by wire (EN 13757-2, EN 13757-3), sans-IO: frames in a stream of octets, records, and names of values.

The frames also carry DLMS pushes (`dlms.carriers.mbus`). Records are read by `telegram.py`, named by `readings.py`.
"""

from smgw.mbus.frame import Frame, FrameDecoder

__all__ = ["Frame", "FrameDecoder"]
