"""What the octets of a meter's line are, as far as octets alone can tell."""

from enum import StrEnum


class Kind(StrEnum):
    """What octets are."""

    SML = "SML"
    HDLC = "HDLC"
    MBUS = "M-Bus"
    MBUS_RECORDS = "M-Bus records"
    MBUS_CALLS = "M-Bus, calls of a meter"
    RADIO = "M-Bus by radio"
    WRAPPER = "wrapper"
    P1 = "DSMR P1"
    D0 = "IEC 62056-21"
    TEXT = "text"
    TELNET = "Telnet"
    SEVEN_BITS = "seven data bits"
    LINE_ENDS = "line ends"
    INVERTED = "inverted"
    WRONG_SPEED = "wrong speed"
    NOISE = "noise"


#: What is a protocol of meters. The others are faults of the line.
PROTOCOLS = frozenset({
    Kind.SML, Kind.HDLC, Kind.MBUS, Kind.MBUS_RECORDS, Kind.MBUS_CALLS, Kind.RADIO, Kind.WRAPPER, Kind.P1, Kind.D0,
})  # fmt: skip
