"""The gateway's half of the status word."""

from smgw.cosem.reading import Capture, ClockState, MeterTimeKind, meter_status
from smgw.cosem.status_word import FnnStatus, GatewayStatus, ProfileStatus

_TAMPERED = FnnStatus.MAGNETIC_TAMPER | FnnStatus.MECHANICAL_TAMPER


def gateway_status(capture: Capture) -> int:
    """The gateway's status of a capture (Detailspezifikation 2.0, ch. 15)."""
    return _status(capture, valid=capture.stamp.state is ClockState.SYNCHRONISED)


def history_status(capture: Capture) -> int:
    """What the gateway says of a row of a load profile, whose time was made by the meter's clock: that clock's quality.

    The quality stands in the status of the clock's column, and in the row's own status where that has eight bits.
    Longer status words (FNN, EDL) do not tell of the clock.
    """
    return _status(capture, valid=not (_clock_doubted(capture) or _row_doubted(capture)))


def _status(capture: Capture, *, valid: bool) -> int:
    status = GatewayStatus.FIXED | capture.flags
    if not valid:
        status |= GatewayStatus.TIME_INVALID
    if meter_status(capture.readings) & _TAMPERED:
        status |= GatewayStatus.METER_TAMPER
    return status


def _clock_doubted(capture: Capture) -> bool:
    time = capture.meter_time
    if time is None or time.kind is not MeterTimeKind.DLMS_DATE_TIME:
        return False
    from smgw.cosem.date_time import ClockStatus, DateTime  # here: a process without DLMS meters has no use for it

    status = DateTime.read(time.octets).status
    return status is not None and bool(status & (ClockStatus.INVALID | ClockStatus.DOUBTFUL))


def _row_doubted(capture: Capture) -> bool:
    found = [reading.status.value for reading in capture.readings if reading.status is not None]
    return any(isinstance(one, int) and 0 <= one < 256 and one & ProfileStatus.CLOCK_INVALID for one in found)
