"""The words of COSEM-XML: namespaces and the element name of every data type (TR-03109-1 Annex II, 8.2)."""

from smgw.cosem.data import DataType

COR = "urn:k461-dke-de:cor-1"  # resources
COD = "urn:k461-dke-de:cod-1"  # data types

#: The name that is written for a type. The annex writes `date_time` with an underscore and `UTF8-string` in capitals.
TYPE_NAME: dict[DataType, str] = {
    **{kind: kind.name.lower().replace("_", "-") for kind in DataType},
    DataType.UTF8_STRING: "UTF8-string",
    DataType.DATE_TIME: "date_time",
}

# The annex contradicts itself: its examples have `Integer8`, its list of types has `integer`.
_SCHEMA_NAME: dict[str, DataType] = {
    "integer8": DataType.INTEGER,
    "integer16": DataType.LONG,
    "integer32": DataType.DOUBLE_LONG,
    "integer64": DataType.LONG64,
    "unsigned8": DataType.UNSIGNED,
    "unsigned16": DataType.LONG_UNSIGNED,
    "unsigned32": DataType.DOUBLE_LONG_UNSIGNED,
    "unsigned64": DataType.LONG64_UNSIGNED,
    "bitstring": DataType.BIT_STRING,
    "octetstring": DataType.OCTET_STRING,
    "visiblestring": DataType.VISIBLE_STRING,
    "utf8string": DataType.UTF8_STRING,
    "datetime": DataType.DATE_TIME,
    "null": DataType.NULL_DATA,
}
_NORMAL: dict[str, DataType] = {name.lower().replace("_", "-"): kind for kind, name in TYPE_NAME.items()} | _SCHEMA_NAME
# Complete tags in the XML library's form, so that the usual element costs one look-up.
_TAG: dict[str, DataType] = {
    f"{prefix}{name}": kind for kind, name in TYPE_NAME.items() for prefix in ("", f"{{{COD}}}", f"{{{COR}}}")
}


def local_name(tag: str) -> str:
    """The name without its namespace. Any prefix or namespace is accepted."""
    return tag.rpartition("}")[2]


def type_of(tag: str) -> DataType | None:
    """The data type of an element's tag, or None."""
    found = _TAG.get(tag)
    if found is not None:
        return found
    return _NORMAL.get(local_name(tag).lower().replace("_", "-"))
