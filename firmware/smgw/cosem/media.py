"""The media of EN 13757-3 and group A of their names (EN 13757-1), the same over every protocol that carries meters."""

from smgw.cosem.obis import Obis

ELECTRICITY, GAS = 2, 3
#: Medium -> group A: 1 electricity, 4 heat cost, 5 cooling, 6 heat, 7 gas, 8 cold water, 9 hot water.
GROUP_A = {2: 1, 3: 7, 4: 6, 6: 9, 7: 8, 8: 4, 10: 5, 11: 5, 12: 6, 13: 6, 21: 9, 22: 8}
#: Gas converted to the standard's temperature, as measured, and converted to the standard's conditions.
GAS_CONVERTED, GAS_MEASURED, GAS_BASE = map(Obis.parse, ("7-0:3.1.0", "7-0:3.0.0", "7-0:3.2.0"))
#: Medium -> the register that counts it.
REGISTERS = {
    medium: Obis.parse("1-0:1.8.0")
    if medium == ELECTRICITY
    else GAS_CONVERTED
    if medium == GAS
    else Obis(bytes((group, 0, 1, 0, 0, 255)))
    for medium, group in GROUP_A.items()
}
