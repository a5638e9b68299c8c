"""Who a certificate is for, as its distinguished name says it (TR-03109-4 annex A).

    C = DE, O = SM-PKI-DE (in a trial: SM-Test-PKI-DE), CN = <owner>.<role>[.<extension>]
    serialNumber = a number, optional

role    CN                        who
SMGW    EXXX0012345678.SMGW       a gateway, by its DIN 43863-5 id
EMT     <org>.EMT[.ext]           an external market participant (EMP)
GWA     <org>.GWA[.ext]           a gateway administrator
GWH     <org>.GWH[.ext]           a maker of gateways
CA      <org>.CA[.ext]            a sub-CA
ROOT    SM-Root.CA                the root of the SM-PKI (in a trial: SM-Test-Root.CA)
"""

import re
from enum import Enum
from typing import Final, NamedTuple, Self

from cryptography import x509
from cryptography.x509.oid import NameOID

from smgw.cosem.device_id import DeviceId, DeviceIdError
from smgw.trust.errors import NameFormatError

COUNTRY: Final = "DE"
ORGANIZATION: Final = "SM-PKI-DE"
TEST_ORGANIZATION: Final = "SM-Test-PKI-DE"

_COMMON_NAME_MAX: Final = 64  # X.520, ub-common-name
_ROOTS: Final = {ORGANIZATION: "SM-Root", TEST_ORGANIZATION: "SM-Test-Root"}
_WORD: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,19}", re.ASCII)


class Role(Enum):
    """The roles of the SM-PKI, by the word in the common name; only the root shares its word with another role."""

    SMGW = "SMGW"
    EMT = "EMT"
    GWA = "GWA"
    GWH = "GWH"
    CA = "CA"
    ROOT = "Root-CA"

    @property
    def described(self) -> str:
        """The role as a person knows it."""
        return _DESCRIBED[self]

    @property
    def is_authority(self) -> bool:
        """True if this role signs certificates."""
        return self in (Role.CA, Role.ROOT)


_DESCRIBED: Final = {
    Role.SMGW: "a gateway (SMGW)",
    Role.EMT: "an external market participant (EMT)",
    Role.GWA: "a gateway administrator (GWA)",
    Role.GWH: "a maker of gateways (GWH)",
    Role.CA: "a certification authority (CA)",
    Role.ROOT: "the root certification authority",
}


class Subject(NamedTuple):
    """The name of a participant. `subject(...)` checks its parts, `from_name` reads it from a certificate."""

    role: Role
    owner: str
    """The gateway's DIN 43863-5 id in upper case, or the organization."""
    extension: str = ""
    serial: str = ""
    """The attribute serialNumber: it tells apart names that are otherwise the same; empty if there is none."""
    organization: str = TEST_ORGANIZATION

    @property
    def common_name(self) -> str:
        """`EXXX0012345678.SMGW`, `Stadtwerke.EMT.Strom`"""
        word = Role.CA.value if self.role is Role.ROOT else self.role.value
        return ".".join(part for part in (self.owner, word, self.extension) if part)

    @property
    def file_name(self) -> str:
        """The name of its files and folders: the common name; only letters, digits, `_`, `-` and the dots occur."""
        return self.common_name

    def to_name(self) -> x509.Name:
        """The distinguished name; country and serialNumber are PrintableString, the rest UTF-8 (RFC 5280)."""
        attributes = [
            x509.NameAttribute(NameOID.COUNTRY_NAME, COUNTRY),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.organization),
            x509.NameAttribute(NameOID.COMMON_NAME, self.common_name),
        ]
        if self.serial:
            attributes.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, self.serial))
        return x509.Name(attributes)

    @classmethod
    def from_name(cls, name: x509.Name) -> Self:
        """Read a distinguished name.

        :raises NameFormatError: an attribute is missing, occurs twice, or has a value that the SM-PKI does not know.
        """
        organization = _single(name, NameOID.ORGANIZATION_NAME, "organization (O)")
        if _single(name, NameOID.COUNTRY_NAME, "country (C)") != COUNTRY:
            raise _refused(_printed(name), f"the country must be {COUNTRY}")
        common_name = _single(name, NameOID.COMMON_NAME, "common name (CN)")
        serials = name.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
        serial = _single(name, NameOID.SERIAL_NUMBER, "serialNumber") if serials else ""
        parts = common_name.split(".")
        if not 2 <= len(parts) <= 3 or not all(parts):
            raise _refused(common_name, _FORM)
        owner, word, extension = (*parts, "")[:3]
        return cls.checked(_role(owner, word, organization), owner, extension, serial, organization)

    @classmethod
    def checked(
        cls, role: Role, owner: str, extension: str = "", serial: str = "", organization: str = TEST_ORGANIZATION
    ) -> Self:
        """The subject of these parts.

        :raises NameFormatError: a part has another form than the SM-PKI prescribes.
        """
        if organization not in _ROOTS:
            raise _refused(organization, f"the organization (O) must be {ORGANIZATION} or {TEST_ORGANIZATION}")
        if role is Role.SMGW:
            owner = _gateway_id(owner)
        elif not _WORD.fullmatch(owner):
            raise _refused(owner, _LETTERS)
        if extension and (role in (Role.SMGW, Role.ROOT) or not _WORD.fullmatch(extension)):
            raise _refused(extension, "only EMT, GWA, GWH and CA have an extension; " + _LETTERS)
        if serial and not _NUMBER.fullmatch(serial):
            raise _refused(serial, "the serialNumber of a name has 1 to 19 digits")
        if (role is Role.ROOT) != (role.is_authority and owner == _ROOTS[organization]):
            raise _refused(
                owner, f"the root of {organization} is {_ROOTS[organization]}.CA, and no other CA has this name"
            )
        found = cls(role, owner, extension, serial, organization)
        if len(found.common_name) > _COMMON_NAME_MAX:
            raise _refused(found.common_name, f"a common name has at most {_COMMON_NAME_MAX} characters")
        return found

    def __str__(self) -> str:
        return f"{self.common_name} ({self.serial})" if self.serial else self.common_name


def gateway(device_id: str, organization: str = TEST_ORGANIZATION) -> Subject:
    """The subject of a gateway by its DIN 43863-5 id, such as EXXX0012345678 or exxx0012345678.sm."""
    return Subject.checked(Role.SMGW, device_id, organization=organization)


def root(organization: str = TEST_ORGANIZATION) -> Subject:
    """The subject of the root."""
    return Subject.checked(Role.ROOT, _ROOTS[organization], organization=organization)


_FORM: Final = "the common name must be <id>.SMGW, or <organization>.EMT, .GWA, .GWH or .CA, with [.<extension>]"
_LETTERS: Final = "a part of a name has only letters A to Z, digits, - and _; it begins and ends with a letter or digit"


def _role(owner: str, word: str, organization: str) -> Role:
    if word == Role.CA.value and owner == _ROOTS.get(organization):
        return Role.ROOT
    if word == Role.ROOT.value:
        raise _refused(f"{owner}.{word}", _FORM)
    try:
        return Role(word)
    except ValueError:
        raise _refused(f"{owner}.{word}", _FORM) from None


def _gateway_id(text: str) -> str:
    try:
        device = DeviceId.parse(text)
    except DeviceIdError:
        device = None
    if device is None or not device.is_din:
        raise _refused(text, "a gateway is named by its DIN 43863-5 id, such as EXXX0012345678")
    return str(device)


def _single(name: x509.Name, oid: x509.ObjectIdentifier, what: str) -> str:
    found = name.get_attributes_for_oid(oid)
    if len(found) != 1:
        raise _refused(_printed(name), f"the name must have the attribute {what} exactly once")
    value = found[0].value
    if not isinstance(value, str):
        raise _refused(_printed(name), f"the attribute {what} must be text")
    return value


def _printed(name: x509.Name) -> str:
    return name.rfc4514_string()


def _refused(given: str, wanted: str) -> NameFormatError:
    return NameFormatError(f"{given!r} is no name of the SM-PKI", f"{wanted[0].upper()}{wanted[1:]}.")
