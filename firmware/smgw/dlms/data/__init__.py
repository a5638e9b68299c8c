"""A-XDR: COSEM data as octets (IEC 62056-6-2, 4.1.5; IEC 61334-6).

tag (1) | length, where the type has none of its own | content

    null-data, dont-care   nothing                   array, structure   number of elements, then these
    integers, enum         1, 2, 4 or 8 octets       bit-string         number of bits, then whole octets
    floats                 4 or 8 octets             strings            number of octets, then these
    boolean, bcd           1 octet                   date-time 12 octets, date 5, time 4
    compact-array          one description of all elements, number of octets, then the elements without their tags

A length below 128 is one octet; else 80 plus the number of octets that it takes. Floats, dates and times stay octets.
"""

from smgw.dlms.data.reading import MAX_DEPTH, NUMBERS, decode, decode_all, end
from smgw.dlms.data.tags import AxdrError, length, read_length
from smgw.dlms.data.writing import encode

__all__ = ["MAX_DEPTH", "NUMBERS", "AxdrError", "decode", "decode_all", "encode", "end", "length", "read_length"]
