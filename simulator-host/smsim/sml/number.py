"""How wide meters send their integers: always so many octets, or as few as will do."""

from typing import NamedTuple

from smgw.sml.tlv import Kind, Value

_ANY = range(1, 9)
_POWERS = (1, 2, 4, 8)


class Number(NamedTuple):
    """An integer's type on the wire; a number too large for the widest wraps, as a register does."""

    kind: Kind
    sizes: tuple[int, ...]  # in octets, rising; the first that will do is taken
    #: DZG: a positive number of a signed type takes no octet for its sign, so that it may look negative.
    without_sign: bool = False

    def size(self, value: int) -> int:
        """How many octets a value takes."""
        sizes = self.sizes
        if len(sizes) == 1:
            return sizes[0]
        bits = (~value if value < 0 else value).bit_length()
        if value < 0 or (self.kind is Kind.SIGNED and not self.without_sign):
            bits += 1
        for size in sizes:
            if bits <= 8 * size:
                return size
        return sizes[-1]

    def encode(self, value: int) -> bytes:
        """Type-length field and content."""
        size = self.size(value)
        return _FIELDS[self.kind, size] + (value & _MASKS[size]).to_bytes(size, "big")

    def value(self, value: int) -> Value:
        """The same as the gateway's codec reads it."""
        size = self.size(value)
        raw = (value & _MASKS[size]).to_bytes(size, "big")
        return Value(self.kind, size, int.from_bytes(raw, "big", signed=self.kind is Kind.SIGNED))


_FIELDS = {(kind, size): bytes((kind << 4 | size + 1,)) for kind in (Kind.SIGNED, Kind.UNSIGNED) for size in _ANY}
_MASKS = {size: (1 << 8 * size) - 1 for size in _ANY}

#: By the name that a style gives: u or i, then bits, or `-fit` (as few octets as will do), `-fit2` (1, 2, 4 or 8).
NUMBERS: dict[str, Number] = {
    **{f"u{8 * size}": Number(Kind.UNSIGNED, (size,)) for size in _ANY},
    **{f"i{8 * size}": Number(Kind.SIGNED, (size,)) for size in _ANY},
    "u-fit": Number(Kind.UNSIGNED, tuple(_ANY)),
    "i-fit": Number(Kind.SIGNED, tuple(_ANY)),
    "u-fit2": Number(Kind.UNSIGNED, _POWERS),
    "i-fit2": Number(Kind.SIGNED, _POWERS),
    "i32-64": Number(Kind.SIGNED, (4, 8)),
    "i-fit-without-sign": Number(Kind.SIGNED, tuple(_ANY), without_sign=True),
}
