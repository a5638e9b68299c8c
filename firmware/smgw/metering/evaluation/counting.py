"""Which readings count: the PTB status of a value, from both halves of its status word.

PTB status                                            from
4   fatal: not usable                                 gateway bit 8, meter bit 17
3   temporary error, not usable                       gateway bits 9 and 14, meter bits 9 and 10
2   temporary error, usable as a substitute           gateway bit 13
1   warning                                           gateway bit 12
0   good                                              none of them
"""

from smgw.cosem.status_word import FnnStatus, GatewayStatus

_FATAL = int(GatewayStatus.FATAL_ERROR), int(FnnStatus.FATAL_ERROR)
_ERROR = (
    int(GatewayStatus.TIME_INVALID | GatewayStatus.METER_TAMPER),
    int(FnnStatus.MAGNETIC_TAMPER | FnnStatus.MECHANICAL_TAMPER),
)
_UNUSABLE = _FATAL[0] | _ERROR[0], _FATAL[1] | _ERROR[1]


def ptb_status(gateway: int, meter: int) -> int:
    """0 to 4. The meter's half is 0 for a meter that is no FNN basic meter."""
    if gateway & _FATAL[0] or meter & _FATAL[1]:
        return 4
    if gateway & _ERROR[0] or meter & _ERROR[1]:
        return 3
    if gateway & GatewayStatus.NO_VALUE_IN_WINDOW:
        return 2
    return 1 if gateway & GatewayStatus.WARNING else 0


def counts(gateway: int, meter: int) -> bool:
    """True for PTB status 0, 1 and 2: the value takes part."""
    return not (gateway & _UNUSABLE[0] or meter & _UNUSABLE[1])
