"""The gateway's half of the status word."""

from smgw.cosem import Capture, ClockState, FnnStatus, GatewayStatus, meter_status

_TAMPERED = FnnStatus.MAGNETIC_TAMPER | FnnStatus.MECHANICAL_TAMPER


def gateway_status(capture: Capture) -> int:
    """What the gateway says of a capture (Detailspezifikation 2.0, ch. 15)."""
    status = GatewayStatus.FIXED | capture.flags
    if capture.stamp.state is not ClockState.SYNCHRONISED:
        status |= GatewayStatus.TIME_INVALID
    if meter_status(capture.readings) & _TAMPERED:
        status |= GatewayStatus.METER_TAMPER
    return status
