"""Conformance: the services that the two sides of an association agree on (IEC 62056-5-3, 7.3.1)."""

from enum import IntFlag


class Conformance(IntFlag):
    """The conformance block as a 24-bit number; bit 0 of the standard is the most significant one."""

    NONE = 0
    GENERAL_PROTECTION = 1 << 22
    GENERAL_BLOCK_TRANSFER = 1 << 21
    READ = 1 << 20  # short names
    WRITE = 1 << 19
    UNCONFIRMED_WRITE = 1 << 18
    DELTA_VALUE_ENCODING = 1 << 17
    ATTRIBUTE_0_SET = 1 << 15
    PRIORITY_MANAGEMENT = 1 << 14
    ATTRIBUTE_0_GET = 1 << 13
    BLOCK_GET = 1 << 12
    BLOCK_SET = 1 << 11
    BLOCK_ACTION = 1 << 10
    MULTIPLE_REFERENCES = 1 << 9
    INFORMATION_REPORT = 1 << 8
    DATA_NOTIFICATION = 1 << 7
    ACCESS = 1 << 6
    PARAMETERIZED_ACCESS = 1 << 5
    GET = 1 << 4
    SET = 1 << 3
    SELECTIVE_ACCESS = 1 << 2
    EVENT_NOTIFICATION = 1 << 1
    ACTION = 1 << 0


#: Services with logical names, and those with short names.
LOGICAL = (
    Conformance.BLOCK_ACTION
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.EVENT_NOTIFICATION
    | Conformance.ACTION
    | Conformance.PRIORITY_MANAGEMENT
    | Conformance.ATTRIBUTE_0_GET
    | Conformance.ATTRIBUTE_0_SET
    | Conformance.ACCESS
)
SHORT = (
    Conformance.READ
    | Conformance.WRITE
    | Conformance.UNCONFIRMED_WRITE
    | Conformance.INFORMATION_REPORT
    | Conformance.PARAMETERIZED_ACCESS
)
#: What our client asks of a meter with short names.
SHORT_CLIENT = (
    Conformance.READ
    | Conformance.WRITE
    | Conformance.BLOCK_GET
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.PARAMETERIZED_ACCESS
)
#: The default request of our client: services that old and new meters know. General protection and general block
#: transfer were reserved bits in the past. The client can do both, and requests them only where they are configured.
CLIENT = (
    Conformance.PRIORITY_MANAGEMENT
    | Conformance.BLOCK_GET
    | Conformance.BLOCK_SET
    | Conformance.BLOCK_ACTION
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.EVENT_NOTIFICATION
    | Conformance.ACTION
)
