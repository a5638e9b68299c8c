"""The names of COSEM: objects, attributes, methods, columns of a profile, scaler and unit of a register.

name            fields                                                    where it stands (IEC 62056-62, IEC 62056-5-3)
ObjectName      class id, class version, logical name                     object list of an association
AttributeName   class id, logical name, attribute number                  attribute descriptor
MethodName      class id, logical name, method number                     method descriptor
CaptureObject   class id, logical name, attribute number, data index      profile generic, capture_objects
ScalerUnit      scaler, unit                                              register, scaler_unit

The last two are always COSEM data, so their structures are here:

    capture object   structure { long-unsigned class id, octet-string logical name, integer attribute number,
                                 long-unsigned data index }
    scaler_unit      structure { integer scaler, enum unit }

Each protocol encodes the others in its own way: `dlms.apdus.descriptors`, `sml.parameters`.
"""

from typing import NamedTuple, Self

from smgw.cosem.data import Data, DataError, DataType, members_of, number_of, octet_string
from smgw.cosem.obis import Obis
from smgw.cosem.units import NO_UNIT


class ObjectName(NamedTuple):
    """A COSEM object."""

    class_id: int
    version: int
    obis: Obis

    def octets(self) -> bytes:
        """Nine octets: logical name, class id, version."""
        return bytes(self.obis) + self.class_id.to_bytes(2, "big") + bytes((self.version,))

    @classmethod
    def from_octets(cls, octets: bytes) -> Self | None:
        """None unless there are nine octets."""
        return cls(int.from_bytes(octets[6:8], "big"), octets[8], Obis(octets[:6])) if len(octets) == 9 else None


class AttributeName(NamedTuple):
    """An attribute of an object. Makers count theirs downwards from -1."""

    class_id: int
    obis: Obis
    attribute: int


class MethodName(NamedTuple):
    """A method of an object. Makers count theirs downwards from -1."""

    class_id: int
    obis: Obis
    method: int


class CaptureObject(NamedTuple):
    """A column of a profile. Data index 0 is the whole attribute, n its n-th element."""

    class_id: int
    obis: Obis
    attribute: int
    data_index: int = 0

    def data(self) -> Data:
        """As it stands in `capture_objects` and in a range."""
        return Data(
            DataType.STRUCTURE,
            (
                Data(DataType.LONG_UNSIGNED, self.class_id),
                octet_string(bytes(self.obis)),
                Data(DataType.INTEGER, self.attribute),
                Data(DataType.LONG_UNSIGNED, self.data_index),
            ),
        )

    @classmethod
    def of(cls, data: Data) -> Self:
        """DataError if the data are none. Some meters use other number types than the standard's."""
        class_id, name, attribute, index = members_of(data, DataType.STRUCTURE, 4, "a capture object")
        if not isinstance(name.value, bytes) or len(name.value) != 6:
            raise DataError("a capture object without a logical name of 6 octets")
        return cls(
            number_of(class_id, "the class of a capture object", DataType.LONG_UNSIGNED),
            Obis(name.value),
            number_of(attribute, "the attribute of a capture object", DataType.INTEGER),
            number_of(index, "the data index of a capture object", DataType.LONG_UNSIGNED),
        )


def capture_objects(data: Data) -> tuple[CaptureObject, ...]:
    """The columns of a profile from its attribute 3; DataError if the data are none."""
    return tuple(map(CaptureObject.of, members_of(data, DataType.ARRAY, None, "a list of capture objects")))


class ScalerUnit(NamedTuple):
    """One count of the value is 10^scaler of the unit (`cosem.units`)."""

    scaler: int = 0
    unit: int = NO_UNIT

    def data(self) -> Data:
        """The attribute scaler_unit."""
        return Data(DataType.STRUCTURE, (Data(DataType.INTEGER, self.scaler), Data(DataType.ENUM, self.unit)))

    @classmethod
    def of(cls, data: Data) -> Self:
        """DataError if the data are none. Some meters use other number types than the standard's."""
        scaler, unit = members_of(data, DataType.STRUCTURE, 2, "a scaler_unit")
        return cls(number_of(scaler, "a scaler", DataType.INTEGER), number_of(unit, "a unit", DataType.ENUM))
