"""The push lists of operators whose meters send bare values. Nothing in such a list says what its values are.

The sources are public reports of people who read these meters. The numbers name issues of amsreader-firmware (ams),
smartmeter-datacollector (scs) and Tasmota (tas). None of them is a capture with a licence, so the tests make their own
lists. An element whose meaning is not known is skipped. Whoever knows better sets `columns`, scalers or units.

name             meters                            known                                not known
wiener-netze     E450, AM550, IM150, IM350         eight registers; bernikr, pocki80    the head of other makes
netz-noe         Kaifa MA309, Sagemcom T210-D      names its values: nothing needed     -
graz, steiermark Landis+Gyr E450 (scs 21, 34)      names its values; Wh and W           scalers of volts and amperes
burgenland       Landis+Gyr E450 (ams 501,         volts, amperes, powers, energies     three values before the number
                 tas 8790, 23027)
kelag            Iskra AM550 (ams 787)             six registers                        two texts, empty so far
slovenia         Iskra AM550 (ams 615, 869, 956),  powers, volts, amperes, energies     lists marked "?" are guesses;
                 Landis+Gyr E450                                                        scaler of the frequency
croatia          Iskra IE.5 (ams 1072, 1107)       25 registers                         three first, five last elements

A line of the table below is one list: its elements, each "type:meaning".

type   t text   g text of digits   i text that begins with ISK   n the name 0-6:25.9.0   c date-time   h time   y date
       b boolean   w 16 bits   d 32 bits   * anything
meaning   an OBIS code, with @scaler where that is not 0; "clock", "device-id", "skip"; none: skip
"""

from collections.abc import Sequence
from functools import cache

from smgw.cosem import Data, DataType, Obis, text_octets
from smgw.dlms.push.columns import CLOCK, DEVICE_ID, SKIP, Columns, of_columns
from smgw.dlms.push.tables import Column
from smgw.dlms.push.value import PushedValue, is_clock

_ENERGIES = "d:1.8.0 d:2.8.0 d:3.8.0 d:4.8.0"
_POWERS = "d:1.7.0 d:2.7.0 d:3.7.0 d:4.7.0"
_WIENER = f"{_ENERGIES} {_POWERS}"
_VOLTS, _TENTHS = "w:32.7.0 w:52.7.0 w:72.7.0", "w:32.7.0@-1 w:52.7.0@-1 w:72.7.0@-1"
_AMPERES = "w:31.7.0@-2 w:51.7.0@-2 w:71.7.0@-2"
_PHASES = "d:21.7.0 d:41.7.0 d:61.7.0 d:22.7.0 d:42.7.0 d:62.7.0"
_TARIFFS = "d:1.8.0 d:1.8.1 d:1.8.2 d:2.8.0 d:2.8.1 d:2.8.2"
_ISKRA = "i:0-0:42.0.0 t:0-0:96.1.2"
_BURGENLAND = f"{_VOLTS} {_AMPERES} d:1.7.0 d:2.7.0 d:1.8.0 d:2.8.0"

#: Lists of each operator. Those before None are known by their elements alone, those behind it only by their name.
_LISTS: dict[str, tuple[str | None, ...]] = {
    "wiener-netze": (
        f"c:clock {_WIENER}",
        f"t:device-id c:clock {_WIENER}",
        f"t:device-id h y {_WIENER}",
    ),
    "netz-noe": (),
    "graz": (),
    "steiermark": (),
    "burgenland": (f"{_BURGENLAND} t:device-id", f"{_BURGENLAND} w w w t:device-id"),
    "kelag": (
        f"n t:device-id h y {_ENERGIES} d:1.7.0 d:2.7.0 t t",
        f"n t:device-id h y {_ENERGIES} d:1.7.0 d:2.7.0 t",
    ),
    "slovenia": (
        f"{_ISKRA} {_POWERS} {_TENTHS} {_AMPERES} {_PHASES}",
        f"{_ISKRA} {_TENTHS} {_AMPERES} {_POWERS}",
        f"{_ISKRA} b * {_TARIFFS} d:3.8.0 d:4.8.0",
        f"{_ISKRA} {_POWERS} w:32.7.0@-1 w:31.7.0@-2 d:21.7.0 d:22.7.0",
        f"{_ISKRA} w:32.7.0@-1 w:31.7.0@-2 {_POWERS}",
        f"{_ISKRA} d:1.8.1 d:1.8.2 d:2.8.1 d:2.8.2 d:3.8.1 d:3.8.2 d:4.8.1 d:4.8.2",
        f"{_ISKRA} {_POWERS} w:32.7.0@-1 d d",  # the last two may be 2.8.1 and 2.8.2
        f"g:device-id {_POWERS} {_ENERGIES}",
        f"g w {_AMPERES} {_VOLTS} {_PHASES}",  # led by another number of the meter, 0-0:96.1.1
        None,
        f"i:0-0:42.0.0 d:1.7.0 d:2.7.0 {_TARIFFS}",  # ?
        "i:0-0:42.0.0 t:0-0:96.1.2 d:1.8.0 d:2.8.0",  # ?
    ),
    "croatia": (
        None,
        f"* * * {_TARIFFS} d:5.8.0 d:6.8.0 d:7.8.0 d:8.8.0 d:1.7.0 d:2.7.0 d:13.7.0@-3 {_PHASES} {_TENTHS} {_AMPERES} "
        "* * * * *",
    ),
}
#: What `push_list` may name.
NAMES = tuple(_LISTS)
_NAME_OF_LIST = bytes.fromhex("0006190900ff")
_INTEGERS = {
    "b": (DataType.BOOLEAN,),
    "w": (DataType.LONG_UNSIGNED, DataType.LONG),
    "d": (DataType.DOUBLE_LONG_UNSIGNED, DataType.DOUBLE_LONG),
}
_TIME, _DATE = 4, 5  # octets


def of_operators(members: Sequence[Data], name: str = "") -> tuple[tuple[PushedValue, ...], str] | None:
    """The values by the first list that these elements fit, and the name of its operator; None if none fits.

    Without `name` only those lists are tried that are known by their elements alone.
    """
    for operator, sure, kinds, columns in _known():
        if (operator == name if name else sure) and len(kinds) == len(members) and all(map(_is, kinds, members)):
            values = of_columns(columns, members)
            return None if values is None else (values, operator)
    return None


@cache
def _known() -> tuple[tuple[str, bool, str, Columns], ...]:
    """(operator, known by its elements alone, types, columns) of each list."""
    found = []
    for operator, lines in _LISTS.items():
        sure = True
        for line in lines:
            if line is None:
                sure = False
                continue
            elements = [element.partition(":") for element in line.split()]
            kinds = "".join(kind for kind, _, _ in elements)
            found.append((operator, sure, kinds, tuple(_column(meaning) for _, _, meaning in elements)))
    return tuple(found)


def _column(meaning: str) -> Column | str:
    if meaning in ("", CLOCK, DEVICE_ID):
        return meaning or SKIP
    obis, _, scaler = meaning.partition("@")
    return Column(Obis.parse(obis), int(scaler or 0))


def _is(kind: str, data: Data) -> bool:
    """True if an element has the type of that letter."""
    if kind in _INTEGERS:
        return data.type in _INTEGERS[kind]
    if kind == "*":
        return True
    if kind == "c":
        return is_clock(data)
    if data.type not in (DataType.OCTET_STRING, DataType.VISIBLE_STRING, DataType.TIME, DataType.DATE):
        return False
    octets = data.value if isinstance(data.value, bytes) else str(data.value).encode()
    match kind:
        case "h":
            return len(octets) == _TIME
        case "y":
            return len(octets) == _DATE
        case "n":
            return octets == _NAME_OF_LIST
        case "i":
            return octets.startswith(b"ISK")
        case "g":
            return text_octets(data).isdigit()
    return not octets or octets.isascii()
