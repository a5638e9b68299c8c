"""Short names: the number of each object, and of its attributes and methods (IEC 62056-6-2, 4.1.3 and 5.3.1).

Attribute n has the short name base name + 8 (n - 1). The association is at FA00, the logical device name at FD00.
The object list, attribute 2 of the association (class 12), tells the base names of all others:

    array of structure { long base name, long-unsigned class id, unsigned version, octet-string logical name }
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Self

from smgw.cosem import AttributeName, Data, DataError, DataType, MethodName, Obis, ObjectName, octet_string
from smgw.cosem.data import members_of, number_of
from smgw.dlms.data import decode_all, encode

ASSOCIATION_SN, ASSOCIATION_BASE, ASSOCIATION_OBIS = 12, 0xFA00, Obis(b"\x00\x00\x28\x00\x00\xff")
#: Method reply_to_HLS_authentication of the association.
REPLY_TO_HLS_SN = MethodName(ASSOCIATION_SN, ASSOCIATION_OBIS, 8)
_REPLY_TO_HLS_OFFSET = 0x58
OBJECT_LIST_SN = AttributeName(ASSOCIATION_SN, ASSOCIATION_OBIS, 2)
_DEVICE_NAME, _DEVICE_NAME_BASE = Obis(b"\x00\x00\x2a\x00\x00\xff"), 0xFD00
_STEP = 8
#: Our meters give each object so much room: 16 attributes and methods. The first objects begin here.
_ROOM, _FIRST = 0x80, 0x0800
_MOST_OBJECTS = (ASSOCIATION_BASE - _FIRST) // _ROOM


class ShortNames(NamedTuple):
    """The objects of a meter with their base names."""

    objects: tuple[ObjectName, ...] = ()
    base_names: Mapping[Obis, int] = {}

    @classmethod
    def read(cls, octets: bytes) -> Self:
        """From an object list; DataError."""
        objects, base_names = [], {}
        for element in members_of(decode_all(octets), DataType.ARRAY, None, "the object list"):
            base, class_id, version, name = members_of(element, DataType.STRUCTURE, 4, "an object")
            if not isinstance(name.value, bytes) or len(name.value) != 6:
                raise DataError("an object of the list without a logical name")
            obis = Obis(name.value)
            objects.append(
                ObjectName(
                    number_of(class_id, "a class id", DataType.LONG_UNSIGNED),
                    number_of(version, "a version", DataType.UNSIGNED),
                    obis,
                )
            )
            if not isinstance(base.value, int):
                raise DataError(f"a base name is {base.type.name}; it is LONG")
            base_names[obis] = base.value & 0xFFFF
        return cls(tuple(objects), base_names)

    @classmethod
    def allocate(cls, objects: Iterable[ObjectName]) -> Self:
        """Base names of our own for a meter's objects, in their order. ValueError for more than 483 of them."""
        listed = tuple(one for one in objects if one.obis != ASSOCIATION_OBIS)
        if len(listed) > _MOST_OBJECTS:
            raise ValueError(f"{len(listed)} objects; {_MOST_OBJECTS} have room for a short name")
        base_names = {one.obis: _FIRST + _ROOM * place for place, one in enumerate(listed)}
        association = ObjectName(ASSOCIATION_SN, 1, ASSOCIATION_OBIS)
        return cls((*listed, association), {**base_names, ASSOCIATION_OBIS: ASSOCIATION_BASE})

    def encode(self) -> bytes:
        """As an object list."""
        return encode(Data(DataType.ARRAY, tuple(map(self._element, self.objects))))

    def _element(self, one: ObjectName) -> Data:
        base = self.base_names[one.obis]
        return Data(
            DataType.STRUCTURE,
            (
                Data(DataType.LONG, base - 0x10000 if base & 0x8000 else base),
                Data(DataType.LONG_UNSIGNED, one.class_id),
                Data(DataType.UNSIGNED, one.version),
                octet_string(bytes(one.obis)),
            ),
        )

    def attribute(self, name: AttributeName) -> int | None:
        """The short name of an attribute; None for an object that the meter does not list."""
        if name.class_id == ASSOCIATION_SN:
            base: int | None = ASSOCIATION_BASE
        else:
            base = self.base_names.get(name.obis, _DEVICE_NAME_BASE if name.obis == _DEVICE_NAME else None)
        return None if base is None or name.attribute < 1 else (base + _STEP * (name.attribute - 1)) & 0xFFFF

    def named(self, short_name: int) -> AttributeName | None:
        """The attribute with this short name; None if no object is there."""
        for one in self.objects:
            offset = short_name - self.base_names[one.obis]
            if 0 <= offset < _ROOM and not offset % _STEP:
                return AttributeName(one.class_id, one.obis, 1 + offset // _STEP)
        return None


def method_of(method: MethodName) -> int | None:
    """The short name of a method; None for those whose offset is not known here."""
    return ASSOCIATION_BASE + _REPLY_TO_HLS_OFFSET if method == REPLY_TO_HLS_SN else None
