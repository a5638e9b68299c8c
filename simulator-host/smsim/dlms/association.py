"""The associations that a meter accepts, and the objects that describe them."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from smgw.cosem import ObjectName
from smgw.cosem.data import Data, DataType, octet_string
from smgw.dlms.apdus.acse import Mechanism
from smgw.dlms.apdus.conformance import Conformance
from smgw.dlms.apdus.short_names import ShortNames
from smgw.dlms.data import encode
from smgw.dlms.meter.access import SERVER, Admission
from smgw.dlms.security.hls import Authentication, Encrypted, Hashed, Password
from smgw.dlms.security.secret import Secret

from smsim.dlms.device import ASSOCIATION, COUNTERS, SAPS, CosemObject, Device, Read, array, constant, structure

if TYPE_CHECKING:
    from smsim.dlms.security import Protected

#: Conformance of a typical public client: GET only, and no answer longer than one APDU.
NO_BLOCKS = ~(
    Conformance.BLOCK_GET | Conformance.BLOCK_SET | Conformance.BLOCK_ACTION | Conformance.GENERAL_BLOCK_TRANSFER
)
_READ_ONLY, _READ_AND_WRITE = 1, 3
_CONTEXT, _CIPHERED_CONTEXT = 1, 3
_OID = (2, 16, 756, 5, 8)  # joint-iso-ccitt country(16) 756 organisation 5 DLMS-UA 8
_ASSOCIATED = 2


@dataclass(frozen=True)
class ClientSpec:
    """One client of a meter. With keys all its APDUs are authenticated and encrypted.

    Keys have 16 octets for the suites 0 and 1, 32 for suite 2. `signing_key` is the meter's private scalar,
    `client_public_key` the client's uncompressed point, for mechanism 7.
    """

    sap: int
    mechanism: Mechanism = Mechanism.NONE
    secret: Secret = field(default=Secret(b""), repr=False)
    suite: int = 0
    encryption_key: Secret | None = field(default=None, repr=False)
    authentication_key: Secret | None = field(default=None, repr=False)
    signing_key: Secret | None = field(default=None, repr=False)
    client_public_key: bytes | None = None
    restricted: bool = False  # may read only the public objects
    block_transfer: bool = True

    @property
    def keyed(self) -> bool:
        """True if it has keys."""
        return self.encryption_key is not None


class Associations:
    """The clients of one meter; `admission` is the argument of `smgw.dlms.meter.server.Server` for one of them."""

    def __init__(
        self,
        device: Device,
        clients: tuple[ClientSpec, ...],
        *,
        logical_device: int = 1,
        max_pdu: int = 1024,
        short_names: bool = False,
    ) -> None:
        self.clients = {client.sap: client for client in clients}
        self._device = device
        self._logical_device = logical_device
        self._max_pdu = max_pdu
        self._short_names = short_names
        self._protected = {client.sap: self._protect(client) for client in clients if client.keyed}
        device.restricted |= {client.sap for client in clients if client.restricted}
        for obis, protected in zip(COUNTERS, self._protected.values(), strict=False):
            device.add(CosemObject(1, obis, 0, {2: _counter(protected)}))
        device.add(self._association_object())
        name = structure(Data(DataType.LONG_UNSIGNED, logical_device), octet_string(device.logical_name))
        device.add(CosemObject(17, SAPS, 0, {2: constant(array([name]))}))
        self._admissions = {client.sap: self._admit(client) for client in clients}

    def admission(self, sap: int) -> Admission:
        """The admission of this client; KeyError if the meter does not know it."""
        return self._admissions[sap]

    def _protect(self, client: ClientSpec) -> "Protected":
        from smsim.dlms.security import Protected

        assert client.encryption_key is not None
        assert client.authentication_key is not None
        device = self._device
        return Protected(
            client.suite, client.encryption_key, client.authentication_key, device.title, device.own_counter
        )

    def _admit(self, client: ClientSpec) -> Admission:
        conformance = SERVER if client.block_transfer else SERVER & NO_BLOCKS
        protected = self._protected.get(client.sap)
        ciphering = protected.ciphering if protected else None
        authentication, title = self._authentication(client), self._device.title
        names = None
        if self._short_names:
            names = ShortNames.allocate(
                ObjectName(one.class_id, one.version, one.obis) for one in self._device.objects_for(client.sap)
            )
        return Admission(authentication, ciphering, conformance, self._max_pdu, title, names)

    def _authentication(self, client: ClientSpec) -> Password | Authentication | None:
        match client.mechanism:
            case Mechanism.NONE:
                return None
            case Mechanism.LOW:
                return Password(client.secret)
            case Mechanism.HIGH:
                return Encrypted(client.secret)
            case Mechanism.HIGH_GMAC:
                return self._protected[client.sap].gmac()
            case Mechanism.HIGH_ECDSA:
                from smsim.dlms.security import ecdsa

                return ecdsa(client.signing_key or b"", client.client_public_key or b"")
        return Hashed(client.mechanism, client.secret)

    # The objects

    def _association_object(self) -> CosemObject:
        """Class 15: its content depends on the client."""
        attributes: dict[int, Read] = {
            2: lambda sap, _: encode(array(map(_described, self._device.objects_for(sap)))),
            3: lambda sap, _: encode(
                structure(Data(DataType.INTEGER, sap), Data(DataType.LONG_UNSIGNED, self._logical_device))
            ),
            4: lambda sap, _: encode(_name(1, _CIPHERED_CONTEXT if self.clients[sap].keyed else _CONTEXT)),
            5: lambda sap, _: encode(self._context(sap)),
            6: lambda sap, _: encode(_name(2, self.clients[sap].mechanism)),
            8: constant(Data(DataType.ENUM, _ASSOCIATED)),
            9: constant(octet_string(b"")),
        }
        return CosemObject(15, ASSOCIATION, 1, attributes)

    def _context(self, sap: int) -> Data:
        """Attribute 5: conformance, largest APDUs, DLMS version, quality of service, cyphering info."""
        conformance = self._admissions[sap].conformance
        return structure(
            Data(DataType.BIT_STRING, f"{conformance:024b}"),
            Data(DataType.LONG_UNSIGNED, self._max_pdu),
            Data(DataType.LONG_UNSIGNED, self._max_pdu),
            Data(DataType.UNSIGNED, 6),
            Data(DataType.INTEGER, 0),
            octet_string(b""),
        )


def _counter(protected: "Protected") -> Read:
    return lambda *_: encode(Data(DataType.DOUBLE_LONG_UNSIGNED, protected.newest_counter))


def _name(kind: int, number: int) -> Data:
    """An application context (kind 1) or a mechanism (kind 2) as the seven parts of its object identifier."""
    joint, country, organisation, *rest = (_OID[0], _OID[1], _OID[2], _OID[3], _OID[4], kind, number)
    parts = [Data(DataType.UNSIGNED, part) for part in (joint, country)]
    parts.append(Data(DataType.LONG_UNSIGNED, organisation))
    return structure(*parts, *(Data(DataType.UNSIGNED, part) for part in rest))


def _described(one: CosemObject) -> Data:
    """An element of the object list: class, version, logical name, rights (version 1 of the class: modes are enums)."""
    numbers = [1, *sorted(one.attributes)]
    attributes = array(
        structure(
            Data(DataType.INTEGER, number),
            Data(DataType.ENUM, _READ_AND_WRITE if number in one.writable else _READ_ONLY),
            array(Data(DataType.INTEGER, selector) for selector in one.selectors[number])
            if number in one.selectors
            else Data(DataType.NULL_DATA, None),
        )
        for number in numbers
    )
    return structure(
        Data(DataType.LONG_UNSIGNED, one.class_id),
        Data(DataType.UNSIGNED, one.version),
        octet_string(bytes(one.obis)),
        structure(attributes, array(())),
    )
