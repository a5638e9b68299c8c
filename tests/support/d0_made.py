"""Read-outs of D0: one that was asked for, and one that was pushed."""

from smgw.iec62056.d0.check import bcc
from smgw.iec62056.seven_bit import with_parity

HEAD = b"/LGZ4ZMF100AC.M26\r\n"
BODY = (
    b"F.F(00)\r\n0.0(          120858)\r\nC.1.0(13647123)\r\nC.1.1(        )\r\n1.8.1(042951.721*kWh)\r\n"
    b"1.8.0(061561.289*kWh)\r\n1.8.0*01(060000.000*kWh)\r\n1.8.0&02(050000.000*kWh)\r\n32.7(241*V)\r\n!\r\n"
)
EASYMETER = (
    b"/ESY5Q3DA3024 V3.04\r\n\r\n1-0:0.0.0*255(1ESY1160142770)\r\n1-0:1.8.0*255(00000504.9023619*kWh)\r\n"
    b"1-0:21.7.0*255(-000115.94*W)\r\n1-0:96.5.5*255(80)\r\n0-0:96.1.255*255(1ESY1160142770)\r\n!\r\n"
)


def framed(body: bytes = BODY, head: bytes = HEAD) -> bytes:
    """A read-out as a 7E1 line carries it."""
    return with_parity(head + b"\x02" + body + b"\x03" + bytes((bcc(body + b"\x03"),)))
