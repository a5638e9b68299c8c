"""Device identification (DIN 43863-5, DIN 43849): text, canonical name and the octets that a meter sends."""

import re
from typing import Self
from urllib.parse import quote_from_bytes, unquote_to_bytes

from smgw.errors import SmgwError

_DIN_TEXT = re.compile(r"([0-9A-F])([A-Z]{3})([0-9A-F]{2})([0-9]{8})")
_DIN_SUFFIX = ".sm"
_SERIAL_MAX = 99_999_999
_PSEUDONYM = re.compile(r"psn-[a-z2-7]{24}")
_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_EVALUATION = re.compile(r"taf([0-9]{1,2})-[a-z2-7]{16}")
#: Octets behind a pseudonym: 24 letters and digits of base 32.
PSEUDONYM_OCTETS = 15


class DeviceIdError(SmgwError, ValueError):
    """This text is not a device id."""

    def __init__(self, given: str, wanted: str) -> None:
        super().__init__(f"{given!r} is no device id; {wanted}")
        self.given = given


class DeviceId(bytes):
    """A device by the octets it sends; a DIN 43863-5 id has ten:

    octet   0    1        2 .. 4        5       6 .. 9
            0A   medium   FLAG letters  block   serial, u32 big-endian, at most 99,999,999
    text         1        EMH           00      05347109                       -> 1EMH0005347109 -> 1emh0005347109.sm

    Half of the real meters send other ids (09 01 ..., 06 ..., ASCII). Such an id is stored as received. It is shown in
    hex, also in XML, and percent-encoded in a URI (TR-03109-1 Annex II, canonical device name).

    A pseudonym is an id of our own: the ASCII octets of `psn-` and 24 letters and digits. Text and URI show it so. So
    is the id of an evaluation: `taf2-` (its tariff use case) and 16 letters and digits.
    """

    __slots__ = ()

    def __new__(cls, octets: bytes) -> Self:
        if not 1 <= len(octets) <= 64:
            raise DeviceIdError(octets.hex(), "it has 1 to 64 octets")
        return super().__new__(cls, octets)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `1EMH0011802881`, `1 EMH 00 1180 2881`, `1emh0011802881.sm` or, for a foreign id, its octets in hex.

        A pseudonym is read as it is shown.
        """
        if _PSEUDONYM.fullmatch(own := text.strip().lower()) or _EVALUATION.fullmatch(own):
            return cls(own.encode())
        squeezed = re.sub(r"[\s-]", "", text).upper()
        if match := _DIN_TEXT.fullmatch(squeezed.removesuffix(_DIN_SUFFIX.upper())):
            medium, maker, block, serial = match.groups()
            return cls(
                bytes((0x0A, int(medium, 16))) + maker.encode() + bytes.fromhex(block) + int(serial).to_bytes(4, "big")
            )
        if re.fullmatch(r"(?:[0-9A-F]{2})+", squeezed):
            return cls(bytes.fromhex(squeezed))
        raise DeviceIdError(text, "write a DIN 43863-5 id such as 1EMH0011802881, or the octets the meter sends in hex")

    @classmethod
    def pseudonym(cls, octets: bytes) -> Self:
        """The pseudonym of these random octets, of which there are PSEUDONYM_OCTETS."""
        from base64 import b32encode  # not loaded unless a gateway makes one

        return cls(b"psn-" + b32encode(octets).lower())

    @classmethod
    def evaluation(cls, taf: int, octets: bytes) -> Self:
        """The id of the derived registers of an evaluation; 10 octets that no other has."""
        number = int.from_bytes(octets, "big")
        letters = (_BASE32[number >> place & 31] for place in range(75, -1, -5))  # base64 would cost 0.1 MB
        return cls(f"taf{taf}-{''.join(letters)}".encode())

    @classmethod
    def from_uri(cls, segment: str) -> Self:
        """Read the path segment `<devid>` of Annex II: a canonical `.sm` name or percent-encoded octets."""
        if segment.lower().endswith(_DIN_SUFFIX):
            device = cls.parse(segment)
            if device.is_din:
                return device
        octets = unquote_to_bytes(segment.encode("utf-8", "surrogateescape"))  # also octets that are not encoded
        if not octets:
            raise DeviceIdError(segment, "a URI names it as 1emh0011802881.sm or by percent-encoded octets")
        return cls(octets)

    @property
    def is_din(self) -> bool:
        """True if these octets are a DIN 43863-5 id."""
        return (
            len(self) == 10
            and self[0] == 0x0A
            and self[1] <= 0x0F
            and all(0x41 <= letter <= 0x5A for letter in self[2:5])
            and int.from_bytes(self[6:], "big") <= _SERIAL_MAX
        )

    @property
    def is_pseudonym(self) -> bool:
        """True if these octets are a pseudonym, which stands for a device and for its gateway."""
        return self.startswith(b"psn-") and _PSEUDONYM.fullmatch(self.decode("latin-1")) is not None

    @property
    def taf(self) -> int:
        """The tariff use case of an evaluation; 0 if these octets are not the id of one."""
        match = _EVALUATION.fullmatch(self.decode("latin-1")) if self.startswith(b"taf") else None
        return int(match[1]) if match else 0

    @property
    def maker(self) -> str | None:
        """The maker's three FLAG letters, if the id has the form of DIN 43863-5 (0A or the older 09)."""
        letters = bytes(self[2:5])
        if len(self) == 10 and self[0] in (0x09, 0x0A) and letters.isalpha() and letters.isascii():
            return letters.decode().upper()
        return None

    @property
    def uri(self) -> str:
        """The path segment: `1emh0005347109.sm`, or every octet that is no unreserved character as %XX."""
        if self.is_din:
            return f"{self}{_DIN_SUFFIX}".lower()
        segment = quote_from_bytes(self, safe="")
        if segment.lower().endswith(_DIN_SUFFIX):  # octets that look like a canonical name must not pass as one
            segment = segment[: -len(_DIN_SUFFIX)] + "%2E" + segment[1 - len(_DIN_SUFFIX) :]
        return segment

    @property
    def xml_id(self) -> str:
        """The `id` of an `ldev` element: the canonical name, or the octets in lower-case hex."""
        return f"{self}{_DIN_SUFFIX}".lower() if self.is_din else self.hex()

    def __str__(self) -> str:
        if self.is_din:
            return f"{self[1]:X}{self[2:5].decode()}{self[5]:02X}{int.from_bytes(self[6:], 'big'):08d}"
        if self.is_pseudonym or self.taf:
            return self.decode()
        return self.hex()

    def __repr__(self) -> str:
        return f"DeviceId.parse({str(self)!r})"
