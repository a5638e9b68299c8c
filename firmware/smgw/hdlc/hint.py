"""What octets that made no frame look like: a hint to wrong line settings, for the person who set them."""

_ENOUGH = 32  # fewer octets say nothing
_MOST = 0.9  # a hint needs this share: some octets are damaged
_ODD_PARITY = bytes(octet for octet in range(256) if octet.bit_count() % 2)
_EVEN_PARITY = bytes(octet for octet in range(256) if not octet.bit_count() % 2)
_HIGH = bytes(range(128, 256))
_TEXT = bytes(range(32, 127)) + b"\r\n"
_FRAMING = b"\x00\x80\xc0\xe0\xf0\xf8\xfc\xfe\xff"  # a line at another speed: long runs of equal bits
_SML_START = b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01"
_FEEDS = 3  # LF octets that are enough; binary octets hold one in 256
LINE_ENDS_TRANSLATED = (
    "a CR (0D) stands before each LF (0A): a bridge translates line ends, which damages binary octets; "
    "switch the bridge to raw mode"
)


def line_hint(octets: bytes) -> str | None:
    """What is probably wrong with the line, and what to try; None if nothing can be said.

    `octets` is what came in with 8N1 and held no intact frame, some hundred of it at best.
    """
    if len(octets) < _ENOUGH:
        return None
    if _SML_START in octets:
        return "this is SML: use the protocol sml"
    seven_bits = bytes(octet & 0x7F for octet in octets)
    if _share(octets, _TEXT) >= _MOST:
        return "this is text (IEC 62056-21 read-out or DSMR P1), not HDLC: use the protocol of that meter"
    if _share(seven_bits, _TEXT) >= _MOST and _share(octets, _EVEN_PARITY) >= _MOST:
        return "this is text with even parity (IEC 62056-21, 7E1): the meter waits for its sign-on (mode E)"
    if (feeds := octets.count(b"\n")) >= _FEEDS and octets.count(b"\r\n") == feeds:
        return LINE_ENDS_TRANSLATED
    if _share(octets, _FRAMING) >= _MOST:
        return "long runs of equal bits: the baud rate is too high, or the line is inverted; try a lower rate"
    inverted = bytes(octet ^ 0xFF for octet in octets)
    if octets.count(b"\x7e") * 40 < len(octets) and inverted.count(b"\x7e") * 40 > len(octets):
        return "flags come inverted: turn the polarity of the line or the head"
    if _share(octets, _EVEN_PARITY) >= _MOST:
        return "each octet has even parity: the line is 7E1, or 8 bits are cut; set 7E1 or check the meter's setting"
    if _share(octets, _ODD_PARITY) >= _MOST:
        return "each octet has odd parity: the line is 7O1; set 7O1 or check the meter's setting"
    if _share(octets, _HIGH) >= _MOST:
        return "bit 7 is always set: parity is mark, or the baud rate is wrong"
    if b"\x7e" not in octets:
        return "there is no flag (7E) at all: the baud rate or the parity is wrong"
    return None


def _share(octets: bytes, those: bytes) -> float:
    return 1 - len(octets.translate(None, those)) / len(octets)
